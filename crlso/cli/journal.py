"""The command ``crlso journal``: check the journal of a search for damage, or repair it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crlso.journal import Journal

__all__ = ["add_journal"]


def add_journal(commands: Any) -> None:
    """Add the command to the parser of the program."""
    journal = commands.add_parser(
        "journal",
        help="check or repair the journal of a search",
        description="Check the journal that crlso search --journal writes, or repair a damaged one.",
    )
    actions = journal.add_subparsers(dest="action", metavar="ACTION", required=True)
    for run, text in ((check, "say what the journal holds, and list damaged lines"), (mend, "keep what can be read")):
        name = "check" if run is check else "repair"
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("file", metavar="FILE", help="the journal")
        action.add_argument("-v", "--verbose", action="count", default=0, help="traceback on failure")
        action.set_defaults(run=run)


def check(arguments: argparse.Namespace) -> None:
    """Print what a journal holds; ValueError if it is damaged."""
    from crlso.journal import Journal

    journal = Journal.read(arguments.file)
    sys.stdout.write(f"{arguments.file}: {_summary(journal)}\n")
    if journal.torn is not None:
        n = len(journal.torn.text)
        sys.stdout.write(f"line {journal.torn.number}: incomplete, {n} bytes, which the next run cuts\n")
    for damage in journal.damage:
        sys.stdout.write(f"{damage}\n")
    sys.stdout.flush()
    if journal.damage:
        raise ValueError(f"{arguments.file}: damaged; crlso journal repair {arguments.file} keeps what can be read")


def mend(arguments: argparse.Namespace) -> None:
    """Repair a journal, and print what became of it."""
    from crlso.journal import Journal, repair

    before, copy = repair(arguments.file)
    if copy is None:
        sys.stdout.write(f"{arguments.file}: nothing to repair\n")
        return
    for damage in before.damage:
        sys.stdout.write(f"removed {damage}\n")
    sys.stdout.write(f"{arguments.file}: {_summary(Journal.read(arguments.file))}\nthe damaged file is {copy}\n")


def _summary(journal: Journal) -> str:
    """Return in one line which search a journal is of, and how far it got."""
    head = journal.head
    if head is None:
        return "no readable first line"
    counts = {kind: sum(entry.kind == kind for entry in journal.entries) for kind in ("told", "failed", "observed")}
    where = " / ".join(str(head[name]) for name in ("benchmark", "dataset") if head.get(name))
    text = f"{head['method']} on {where or 'an unnamed benchmark'}, seed {head['seed']}: "
    text += f"{counts['told'] + counts['failed']} of {journal.budget} queries"
    return text + "".join(f", {counts[kind]} {kind}" for kind in ("failed", "observed") if counts[kind])
