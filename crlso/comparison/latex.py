"""Tables for papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crlso._base.checks import check_choice, check_int

__all__ = ["latex_table"]

MEASURES = ("value", "test", "regret")
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def latex_table(documents: Sequence[dict[str, Any]], measure: str, checkpoint: int | None, digits: int) -> str:
    """Return the table of :meth:`Comparison.to_latex` for the documents of benchmarks."""
    check_choice("measure", measure, MEASURES)
    digits = check_int("digits", digits, 0, 12)
    columns = [_column(document, measure, checkpoint, digits) for document in documents]
    methods = list(dict.fromkeys(method for column in columns for method in column))
    if not any(text for column in columns for text in column.values()):
        raise ValueError(f"measure: expected one that is known, got {measure!r}")
    lines = [
        " & ".join([escaped(method), *(column.get(method) or "--" for column in columns)]) + r" \\"
        for method in methods
    ]
    names = [" / ".join(part for part in (d["benchmark"], d["dataset"]) if part) or "unknown" for d in documents]
    return "\n".join(
        [
            f"% {measure}: mean and standard deviation over searches, best mean in bold; needs the package booktabs",
            rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"\toprule",
            " & ".join(["Method", *map(escaped, names)]) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def escaped(text: str) -> str:
    """Return text as LaTeX shows it.

    Examples
    --------
    >>> escaped("evolution:population_size=10")
    'evolution:population\\\\_size=10'
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _column(document: dict[str, Any], measure: str, checkpoint: int | None, digits: int) -> dict[str, str]:
    """The entry of each method for one benchmark; empty where the mean is unknown."""
    mark = document["budget"] if checkpoint is None else checkpoint
    rows = {row["method"]: row for row in document["results"] if row["checkpoint"] == mark}
    if not rows:
        known = sorted({row["checkpoint"] for row in document["results"]})
        raise ValueError(f"checkpoint: expected one of {', '.join(map(str, known))}, got {checkpoint!r:.100}")
    means = {method: row[f"{measure}_mean"] for method, row in rows.items()}
    known = [mean for mean in means.values() if mean is not None]
    best = (min if measure == "regret" else max)(known) if known else None
    entries = {}
    for method, mean in means.items():
        text = "" if mean is None else f"{mean:.{digits}f}"
        if mean is not None and text == f"{best:.{digits}f}":
            text = rf"\mathbf{{{text}}}"
        sd = rows[method][f"{measure}_sd"]
        spread = "" if sd is None else rf" \pm {sd:.{digits}f}"
        entries[method] = f"${text}{spread}$" if text else ""
    return entries
