"""``python -m crlso`` is the program ``crlso``."""

import sys

from crlso.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="crlso"))
