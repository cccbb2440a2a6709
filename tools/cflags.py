"""How the core is compiled: by setup.py, and where its instructions are counted."""

FLAGS = """-std=c11 -O3 -fvisibility=hidden -fno-math-errno -fno-trapping-math -ffp-contract=fast -pthread
           -Wall -Wextra""".split()
