"""The results of a study in every form that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crlso.benchmarks import Tabular
from crlso.studies import Study


def forms_of(study: Study, space: Any, folder: Path) -> dict[str, Any]:
    """Return the results by name of the form; tables and pairs have no failures. A folder is needed for the files."""
    study.save(folder / "study.json")
    complete = study.history.complete
    rows = [(str(trial.cell), trial.value) for trial in complete]
    text = "cell,value\n" + "\n".join(f'"{cell}",{value}' for cell, value in rows)
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return {
        "study": study,
        "history": study.history,
        "saved study": folder / "study.json",
        "path as text": str(folder / "study.json"),
        "csv": folder / "table.csv",
        "table": Tabular.from_csv(text, space),
        "pairs of text": rows,
        "pairs of cells": [(trial.cell, trial.value) for trial in complete],
        "pairs of cells and measurements": [(trial.cell, trial.measurement) for trial in complete],
        "generator": (pair for pair in rows),
    }
