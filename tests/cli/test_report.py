"""The commands `crlso report` and `crlso plot`: what they write, and wrong usage."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crlso
from crlso import cli
from crlso.comparison import compare
from crlso.report import html_report
from tests.cli.shell import run
from tests.processes import environment
from tests.twins.toys import table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    bench = crlso.benchmarks.NASBench201("cifar10")
    crlso.search(bench, "random", 8, journal=folder / "run.jsonl", progress=False)
    both = ["value", "-latency:pixel3"]
    crlso.search(bench, "random", 8, objectives=both, progress=False).save(folder / "front.json")
    compare([table("one"), table("two")], ["random", "local"], 2, 5, path=folder / "runs.jsonl")
    return folder


@pytest.mark.parametrize("name", ["run.jsonl", "front.json", "runs.jsonl"])
def test_the_report_is_that_of_the_function(folder, name, capsys):
    out = folder / "report.html"
    assert cli.main(["report", str(folder / name), "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text(encoding="utf-8") == html_report(folder / name)


def test_reports_need_no_matplotlib(folder):
    code = "import sys; sys.modules['matplotlib'] = None; from crlso.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "report", str(folder / "run.jsonl"), "-o", str(folder / "bare.html")]
    assert subprocess.run(command, env=environment(), check=False).returncode == 0
    command[3] = "plot"
    found = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True)
    assert found.returncode == 2 and "crlso plot needs matplotlib: pip install 'crlso[plot]'" in found.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("run.jsonl", "value"),
        ("run.jsonl", "regret"),
        ("run.jsonl", "cell"),
        ("front.json", "front"),
        ("runs.jsonl", "value"),
        ("runs.jsonl", "regret"),
        ("runs.jsonl", "optimum"),
    ],
)
def test_plots_are_written(folder, name, kind):
    pytest.importorskip("matplotlib")
    starts = {"png": b"\x89PNG", "pdf": b"%PDF"}
    for ending, start in starts.items():
        out = folder / f"{kind}.{ending}"
        size = ["--kind", kind, "--width", "3.3", "--dpi", "60"]
        assert cli.main(["plot", str(folder / name), "-o", str(out), *size]) == 0
        assert out.read_bytes().startswith(start) and out.stat().st_size > 2000


def test_a_plot_that_fails_leaves_the_file_as_it_was(folder):
    pytest.importorskip("matplotlib")
    out = folder / "kept.docx"
    out.write_text("mine", encoding="utf-8")
    assert cli.main(["plot", str(folder / "run.jsonl"), "-o", str(out)]) == 2
    assert out.read_text(encoding="utf-8") == "mine" and not list(folder.glob("*.part"))


def test_the_width_of_a_figure(folder):
    pytest.importorskip("matplotlib")
    from matplotlib import image

    for name, width in (("run.jsonl", 3.3), ("runs.jsonl", 7.0)):
        out = folder / "figure.png"
        assert cli.main(["plot", str(folder / name), "-o", str(out), "--width", str(width), "--dpi", "100"]) == 0
        assert image.imread(out).shape[1] == round(100 * width)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "{}/run.jsonl"], "the following arguments are required: -o/--out"),
        (["report", "{}/missing.jsonl", "-o", "{}/r.html"], "No such file"),
        (["report", "{}/run.jsonl", "-o", "{}/no/r.html"], "--out: "),
        (["report", "{}/run.jsonl", "-o", "{}/run.jsonl"], "--out: expected another file"),
        (["report", "{}", "-o", "{}/r.html"], "Is a directory"),
        (["plot", "{}/run.jsonl", "-o", "{}/p.png", "--kind", "optimum"], "--kind: expected one of value, regret"),
        (["plot", "{}/runs.jsonl", "-o", "{}/p.png", "--kind", "front"], "--kind: expected one of value, regret, opt"),
        (["plot", "{}/run.jsonl", "-o", "{}/p.png", "--kind", "front"], "expected two objectives"),
        (["plot", "{}/run.jsonl", "-o", "{}/p.docx"], "docx"),
        (["plot", "{}/run.jsonl", "-o", "{}/p.png", "--width", "0"], "--width: expected a number from 0.5"),
        (["plot", "{}/run.jsonl", "-o", "{}/p.png", "--dpi", "nan"], "--dpi: expected a number from 0.5"),
    ],
)
def test_wrong_usage(folder, arguments, message, capsys):
    before = (folder / "run.jsonl").read_bytes()
    assert cli.main([text.replace("{}", str(folder)) for text in arguments]) == 2
    assert message in capsys.readouterr().err
    assert (folder / "run.jsonl").read_bytes() == before and not (folder / "p.png").exists()


def test_a_journal_of_a_search_by_the_program(folder):
    source, out = folder / "own.jsonl", folder / "own.html"
    run("search", "--method", "random", "--budget", "5", "--journal", str(source))
    assert run("report", str(source), "-o", str(out)).stdout == f"{out}\n"
