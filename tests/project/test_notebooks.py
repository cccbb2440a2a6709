"""Every notebook runs from top to bottom, in a kernel of this environment, and is kept without outputs.

Each is a page of the tutorial: it begins with a title, says how long it takes, and its links lead somewhere.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import crlso

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PACKAGE = Path(crlso.__file__).resolve().parent
NAMES = (
    "01_first_search",
    "02_compare_methods",
    "03_latent_space",
    "04_your_own_space",
    "05_own_surrogate",
    "06_hardware",
    "07_many_workers",
)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TIME = re.compile(r"\*\*Time:\*\* .* on two cores\.$")  # the last line of the first cell
LINK = re.compile(r"\]\(([^)\s]+)\)")
DRAWING = re.compile(r"(plot\w*|figure)\(")  # a call that draws
CELL_TIMEOUT = 600  # seconds
PROBE = """
import json, sys
import crlso
print(json.dumps({
    "prefix": sys.prefix,
    "package": crlso.__file__,
    "studies": {
        name: [value.budget, value.n_queries, len({trial.cell for trial in value.trials}), value.state]
        for name, value in list(globals().items()) if isinstance(value, crlso.Study) and not name.startswith("_")
    },
    "failures": [
        value.failures for value in list(globals().values()) if isinstance(value, crlso.Comparison) and value.failures
    ],
}))
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a kernel that is this interpreter, whatever kernels the user has, and imports the tested crlso."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for what a notebook saves
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own draws into the notebook
    if str(PACKAGE.parent) == sysconfig.get_path("platlib"):
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:  # built in place, say, and the kernel does not run there
        monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    return "python3"


def run(notebook: Any, kernel: str, folder: Path) -> dict[str, Any]:
    """Run all cells in `folder`; what the probe, appended as a cell, tells about the kernel."""
    notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
    client = nbclient.NotebookClient(
        notebook, kernel_name=kernel, timeout=CELL_TIMEOUT, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    printed = [output.text for output in notebook.cells[-1].outputs if output.get("name") == "stdout"]
    told: dict[str, Any] = json.loads("".join(printed))  # the kernel may send it in parts, and a warning beside it
    return told


def budgets(notebook: Any) -> dict[str, int]:
    """The budget asked for by each ``name = crlso.search(..., budget=number, ...)`` at the top level of a cell."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.source.startswith("%%"):  # a file that the cell writes
            continue
        for statement in ast.parse(cell.source).body:
            if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)):
                continue
            (target,) = statement.targets
            if isinstance(target, ast.Name) and ast.unparse(statement.value.func) == "crlso.search":
                given = {word.arg: word.value for word in statement.value.keywords}
                found[target.id] = ast.literal_eval(given["budget"])
    return found


def faults(notebook: Any, folder: Path) -> Iterator[str]:
    """What a notebook in `folder` should not have, or lacks: outputs, metadata, a title, its time, text, targets."""
    cells = notebook.cells
    lines = cells[0].source.splitlines()
    if notebook.metadata != METADATA:
        yield f"metadata {notebook.metadata}"
    if len({cell.id for cell in cells}) < len(cells):
        yield "equal ids"
    if cells[0].cell_type != "markdown" or not re.match(r"# \w", lines[0]):
        yield "no title"
    if not TIME.match(lines[-1]):
        yield f"no time, but {lines[-1]}"
    if "pip install 'crlso[notebook]'" not in " ".join(lines):
        yield "no command that installs"
    if cells[-1].cell_type != "markdown":
        yield "no text at its end"
    for before, cell in itertools.pairwise(cells):
        yield from (f"{cell.id}: {fault}" for fault in _faults_of_cell(cell, before, folder))


def _faults_of_cell(cell: Any, before: Any, folder: Path) -> Iterator[str]:
    if not cell.source.strip():
        yield "empty"
    if cell.metadata:
        yield f"metadata {cell.metadata}"
    if cell.cell_type == "code":
        if cell.outputs or cell.execution_count is not None:
            yield "outputs"
        if before.cell_type == "code":
            yield "code without text before it"
        return
    if re.match(r"# \w", cell.source):
        yield "a second title"
    targets = [link.partition("#")[0] for link in LINK.findall(cell.source) if "://" not in link]
    yield from (f"a link to nothing: {target}" for target in targets if not (folder / target).is_file())


def test_there_are_notebooks():
    assert tuple(path.stem for path in NOTEBOOKS) == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_as_a_tutorial(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    assert list(faults(notebook, path.parent)) == []


PLANTED = {
    "an output": lambda cells: cells[2].update(outputs=[nbformat.v4.new_output("stream", text="1")]),
    "a count": lambda cells: cells[2].update(execution_count=1),
    "metadata of a cell": lambda cells: cells[2].metadata.update(scrolled=True),
    "the id of another": lambda cells: cells[2].update(id=cells[0].id),
    "an empty cell": lambda cells: cells[2].update(source=" "),
    "no title": lambda cells: cells[0].update(source=cells[0].source.replace("# A", "A", 1)),
    "a second title": lambda cells: cells[1].update(source="# Again"),
    "no time": lambda cells: cells[0].update(source=cells[0].source.replace("**Time:**", "Time:")),
    "no command": lambda cells: cells[0].update(source=cells[0].source.replace("pip install", "install")),
    "code without text": lambda cells: cells.pop(3),
    "no text at its end": lambda cells: cells.append(nbformat.v4.new_code_cell("1", id="last")),
    "a link to nothing": lambda cells: cells[1].update(source="[there](nothing.md)"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_fault_is_found(plant):
    path = NOTEBOOKS[0]
    notebook = nbformat.read(path, as_version=4)
    plant(notebook.cells)
    assert len(list(faults(notebook, path.parent))) == 1


def test_metadata_of_an_editor_are_found():
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    notebook.metadata["widgets"] = {}
    assert len(list(faults(notebook, NOTEBOOKS[0].parent))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, kernel, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    asked = budgets(notebook)
    assert asked or any("optimiser.ask()" in cell.source for cell in notebook.cells)
    folder = tmp_path / "empty"
    folder.mkdir()
    told = run(notebook, kernel, folder)

    assert told["prefix"] == sys.prefix
    assert Path(told["package"]).resolve().parent == PACKAGE
    for name, budget in asked.items():
        assert told["studies"][name] == [budget, budget, budget, "complete"]
    assert told["failures"] == []
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    stderr = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert "Warning" not in stderr
    drawing = [cell for cell in notebook.cells[:-1] if cell.cell_type == "code" and DRAWING.search(cell.source)]
    assert drawing
    for cell in drawing:
        assert any(len(output.get("data", {}).get("image/png", "")) > 1000 for output in cell.outputs), cell.source
    assert list(folder.iterdir()) == []  # a notebook leaves nothing behind where it is


SEARCH = """
import signal
import crlso

def value(cell):
    if crlso.last_study().n_queries == 3 and INTERRUPT:
        signal.raise_signal(signal.SIGINT)
    return float(cell.operations.count("conv"))

space = crlso.spaces.CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
study = crlso.search(crlso.benchmarks.Function(space, value), "random", budget=8)
"""
AFTER = """
last = crlso.last_study()
print(last.state, last.n_queries, [trial.state for trial in last.trials])
"""


def outputs(kernel: str, folder: Path, *cells: str) -> list[list[Any]]:
    """Outputs of each cell, errors among them."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=CELL_TIMEOUT,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.slow
def test_a_notebook_shows_progress_and_nothing_red(kernel, tmp_path):
    (shown,) = outputs(kernel, tmp_path, "INTERRUPT = False" + SEARCH)
    assert all(output.get("name") != "stderr" for output in shown)
    text = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in shown)
    assert "8/8" in text and "best 4.000" in text


@pytest.mark.slow
def test_ctrl_c_in_a_cell_leaves_the_study(kernel, tmp_path):
    stopped, after = outputs(kernel, tmp_path, "INTERRUPT = True" + SEARCH, AFTER)
    (error,) = [output for output in stopped if output.output_type == "error"]
    assert (error.ename, error.evalue) == ("KeyboardInterrupt", "3 of 8 queries are in crlso.last_study()")
    (told,) = after
    assert told.text == "interrupted 3 ['complete', 'complete', 'complete', 'pending']\n"


@pytest.mark.slow
def test_an_error_in_a_notebook_is_noticed(kernel, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import crlso\ncrlso.search(None)")])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="benchmark: expected an object"):
        run(notebook, kernel, tmp_path)
