"""C tests of the core without Python; `python -m tests.c` builds and runs them."""
