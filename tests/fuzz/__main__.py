"""Looks for faults with random input: ``python -m tests.fuzz NAME [SECONDS] [OPTIONS]``.

    python -m tests.fuzz calls 60 --seed 0        random calls of everything public
    python -m tests.fuzz mutations 60 --seed 0    damaged files of every kind that is read
    python -m tests.fuzz sequences 60 --seed 0    operations on tensors one after the other, against NumPy
    python -m tests.fuzz genotype 300             the parser of that name, under atheris

The first three print each fault with the command that repeats it, and need nothing but the package; they exit with
code 1 when there is a fault. What atheris finds is written to the current folder as ``crash-*``, and
``python -m tests.fuzz NAME FILE`` runs it again.
"""

from __future__ import annotations

import argparse
import sys

HARNESSES = ("calls", "mutations", "sequences")


def main() -> int:
    if sys.argv[1:2] and sys.argv[1] in HARNESSES:
        return run_harness()
    from tests.fuzz.guided import run_target

    run_target(__doc__ or "")
    return 0


def run_harness() -> int:
    """Run one of our own harnesses and print what it found."""
    from tests.fuzz.parent import STANDSTILL, run

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("name", choices=HARNESSES)
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this case alone, to repeat it")
    parser.add_argument("--module", help="call what this module has, instead of crlso")
    parser.add_argument("--standstill", type=float, default=STANDSTILL, help="seconds until a case counts as a hang")
    given = parser.parse_args()
    cases = {} if given.case is None else {"first": given.case, "last": given.case + 1}
    found = run(given.name, given.seconds, given.seed, planted=given.module, standstill=given.standstill, **cases)
    for case, steps in found.faults.values():
        print(f"fault in case {case}:", *(step for step in steps if step != "making the next step"), sep="\n    ")
        module = f" --module {given.module}" if given.module else ""
        print(f"    again: python -m tests.fuzz {given.name} --seed {given.seed} --case {case}{module}")
    words = ", ".join(f"{word} {n}" for word, n in found.words.most_common())
    print(f"{given.name}, seed {given.seed}: {found.cases} cases, {len(found.faults)} kinds of fault; steps: {words}")
    return 1 if found.faults or not found.words else 0


if __name__ == "__main__":
    sys.exit(main())
