"""Tables and functions of one's own: values, errors at the door, and searches over them."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Benchmark, Function, NASBench201, Tabular
from crlso.history import Measurement
from crlso.methods import PaperCRLSO, RandomSearch
from crlso.methods.bayesian.gp import GPSearch
from crlso.spaces import DARTS, CellSpace, NASBench101

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
CELLS = SPACE.cells(SPACE.all_codes())
VALUES = np.linspace(80.0, 95.0, len(CELLS))


def write(path, text, **options):
    path.write_text(text, newline="", **options)
    return path


# -- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_looks_up_values():
    bench = Tabular(SPACE, CELLS, VALUES, VALUES - 1.0, name="mine")
    assert isinstance(bench, Benchmark) and len(bench) == len(CELLS) == len(bench.space)
    np.testing.assert_array_equal(bench.values(CELLS), VALUES)
    np.testing.assert_array_equal(bench.test(CELLS), VALUES - 1.0)
    assert bench.evaluate("conv(0)+output(1)") == bench.values(["conv(0)+output(1)"])[0]
    assert bench.optimum() == CELLS[-1] and bench.regret(94.0) == 1.0
    assert np.isnan(Tabular(SPACE, CELLS, VALUES).test(CELLS)).all()
    assert "mine" in repr(bench)


def test_rows_of_equal_cells_are_one():
    """conv and pool side by side, in both orders: their mean; so is a node that leads nowhere."""
    texts = [
        "conv(0)+pool(0)+output(1,2)",
        "pool(0)+conv(0)+output(1,2)",
        "conv(0)+output(1)",
        "conv(0)+pool(1)+output(1)",
    ]
    bench = Tabular(SPACE, texts, [90.0, 92.0, 70.0, 80.0])
    assert len(bench) == 2 and [bench.evaluate(text) for text in texts] == [91.0, 91.0, 75.0, 75.0]
    with pytest.raises(ValueError, match=r"expected cells of the table, got pool\(0\)\+output\(1\)"):
        bench.evaluate("pool(0)+output(1)")


def test_tables_over_the_spaces_of_benchmarks():
    official = NASBench201("cifar100")
    codes = official.space.sample(50, rng=0, unique_classes=True)
    bench = Tabular(official.space, codes, official.validation(codes))
    assert len(bench) == 50
    study = crlso.search(bench, method="random", budget=50, rng=0, progress=False)
    assert study.best.value == official.validation(codes).max()
    large = NASBench101()
    some = large.sample(30, rng=0)
    bench = Tabular(large, some, np.arange(30.0))
    assert crlso.search(bench, method="random", budget=30, rng=1, progress=False).best.value == 29.0


@pytest.mark.parametrize("method", ["random", "cr-lso", pytest.param("cr-lso-paper", marks=pytest.mark.slow)])
def test_a_search_reaches_every_cell_of_a_table(method):
    some = CELLS[::2]
    bench = Tabular(SPACE, some, VALUES[::2])
    study = crlso.search(bench, method=method, budget=len(some), rng=0, progress=False)
    assert {trial.cell for trial in study.trials} == set(some)
    assert study.best.value == VALUES[::2].max() and study.objective == "value"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([1.0], ValueError),
        (np.full(len(CELLS), np.nan), ValueError),
        (np.full(len(CELLS), np.inf), ValueError),
        (["a"] * len(CELLS), TypeError),
        (np.zeros((len(CELLS), 1)), ValueError),
        ([None] * len(CELLS), TypeError),
    ],
)
def test_values_that_are_no_numbers(values, error):
    with pytest.raises(error, match="values: expected"):
        Tabular(SPACE, CELLS, values)
    with pytest.raises(error, match="test_values: expected"):
        Tabular(SPACE, CELLS, VALUES, values)
    with pytest.raises(TypeError, match="space: expected a CellSpace"):
        Tabular("space", CELLS, values)


def test_means_of_huge_and_narrow_numbers_are_finite():
    equal = ["conv(0)+output(1)", "conv(0)+pool(1)+output(1)"]
    assert Tabular(SPACE, equal, [1.5e308, 1.7e308]).evaluate(equal[0]) == pytest.approx(1.6e308)
    assert Tabular(SPACE, equal, np.array([120, 122], np.int8)).evaluate(equal[0]) == 121.0
    with pytest.raises(ValueError, match="values: expected 2 numbers, got sequences of different lengths"):
        Tabular(SPACE, equal, [[1.0], [1.0, 2.0]])
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="value: expected a finite number"):
            Tabular(SPACE, equal, [1.0, 2.0]).regret(value)


@pytest.mark.slow
def test_random_search_reaches_the_last_cell_of_a_table_that_is_too_large_to_list():
    large = NASBench101()
    cells = large.cells(np.unique(large.sample(20_200, rng=0, unique_classes=True), axis=0))
    bench = Tabular(large, cells, np.arange(float(len(cells))))
    optimiser = RandomSearch(bench.space, rng=0)
    assert not optimiser.is_listed and optimiser.budget == len(bench)
    assert len(set(queried(optimiser))) == len(bench)


# -- files ----------------------------------------------------------------------------------------------------------


def test_files_of_many_kinds(tmp_path):
    rows = '"conv(0)+output(1)",90.5,1\r\n"conv(0)+pool(0,1)+output(1,2)",91,2\r\n'
    for header, encoding in (("cell,value,test", "utf-8"), (" cell , value,test", "utf-8-sig")):
        bench = Tabular.from_csv(write(tmp_path / "t.csv", f"{header}\r\n{rows}", encoding=encoding), SPACE)
        assert bench.evaluate("conv(0)+output(1)") == 90.5 and bench.test(["conv(0)+output(1)"]) == [1.0]
        assert bench.name == "t" and len(bench) == 2
    other = write(tmp_path / "u.csv", "note,value,cell\nx,5,output(0)\n\n")
    assert Tabular.from_csv(other, SPACE).evaluate("output(0)") == 5.0
    blank = write(tmp_path / "b.csv", "\n ,\ncell,value\n\n  \nconv(0)+output(1),5 \n,\n   ,  \noutput(0),4\n\n")
    assert Tabular.from_csv(blank, SPACE).values(["conv(0)+output(1)", "output(0)"]).tolist() == [5.0, 4.0]


def test_a_test_value_may_be_unknown(tmp_path):
    cells = ["conv(0)+output(1)", "pool(0)+output(1)", "conv(0)+conv(1)+output(1)", "output(0)"]
    bench = Tabular(SPACE, cells, [1, 2, 3, 4], [50.0, np.nan, np.nan, 70])  # the third is equal to the first
    np.testing.assert_array_equal(bench.test(cells), [50.0, np.nan, 50.0, 70.0])
    text = "cell,value,test\n" + "".join(f'"{cell}",{i},{60 + i if i else ""}\n' for i, cell in enumerate(cells[:2]))
    bench = Tabular.from_csv(write(tmp_path / "t.csv", text), SPACE)
    np.testing.assert_array_equal(bench.test(cells[:2]), [np.nan, 61.0])
    assert Tabular.from_csv(text, SPACE).name == "table"
    with pytest.raises(ValueError, match=r"^table, line 3: expected a finite number in column value, got 'x'"):
        Tabular.from_csv("\ufeffcell,value\noutput(0),1\noutput(0),x", SPACE)
    study = crlso.search(bench, method="random", budget=2, rng=0, progress=False)
    assert (study.best.value, study.best.test) == (1.0, 61.0)


def test_rows_without_a_value_are_left_out_where_their_state_says_why():
    rows = "output(0),91,complete\nconv(0)+output(1),,failed\npool(0)+output(1),,pending\n"
    assert len(Tabular.from_csv(f"cell,value,state\n{rows}", SPACE)) == 1
    with pytest.raises(ValueError, match="line 2: expected a finite number in column value, got ''"):
        Tabular.from_csv("cell,value,state\noutput(0),,complete\n", SPACE)
    with pytest.raises(ValueError, match="table: expected at least one row with a value, got none"):
        Tabular.from_csv("cell,value,state\noutput(0),,failed\n", SPACE)


class Tensor:
    """A number of a library for tensors."""

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


AS = [float, np.float32, np.array, lambda value: np.array([value]), Decimal, Fraction, Tensor, Measurement]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", AS)
def test_values_of_every_kind(make):
    """Whatever number a function returns, or a table holds, is the value of the cell."""
    if make is not Measurement:
        values = [make(float(value)) for value in range(len(CELLS))]
        np.testing.assert_array_equal(Tabular(SPACE, CELLS, values, values).test(CELLS), np.arange(float(len(CELLS))))

    class Best(Function):
        def optimum(self):
            return CELLS[-1]

    where = {cell: float(i) for i, cell in enumerate(CELLS)}
    test = None if make is Measurement else lambda cell: make(where[cell] - 1)
    bench = Best(SPACE, lambda cell: make(where[cell]), test=test)
    study = crlso.search(bench, method="random", budget=len(CELLS), rng=0, progress=False)
    assert [type(trial.value) for trial in study.trials] == [float] * len(CELLS)
    assert (study.best.value, study.optimum, bench.optimal_value()) == (len(CELLS) - 1.0,) * 3
    assert study.best.test == (None if test is None else len(CELLS) - 2.0)
    optimiser = RandomSearch(SPACE, rng=0)
    optimiser.tell(optimiser.ask(), make(90.5))
    free = next(cell for cell in CELLS if cell != optimiser.trials[0].cell)
    assert optimiser.observe(free, make(91.5)).value == 91.5 and optimiser.trials[0].value == 90.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected a header"),
        ("cell;value\n", "line 1: expected"),
        ("cell,value\n", "at least one row"),
        ("cell,value\noutput(0),nan\n", "line 2: expected a finite number in column value, got 'nan'"),
        ("cell,value\noutput(0),\n", "line 2: expected a finite number"),
        ("cell,value\noutput(0)\n", "line 2: expected 2 fields"),
        (
            "cell,value\n\nconv(0)+pool(0,1)+output(2),1\n",
            "line 3: expected 2 fields (put cells with commas in quotes)",
        ),
        ("cell,value,value\noutput(0),1,2\n", "line 1: expected a header with one column cell, one value"),
        ("cell,test\noutput(0),1\n", "line 1: expected a header"),
        ('cell,value,note\noutput(0),1,"two\nlines"\noutput(0),-inf,x\n', "line 4: expected a finite number"),
        ("cell,value\noutput(0),1\nconv(9)+output(1),2\n", "line 3: cell string: expected"),
        ("cell,value,test\noutput(0),1,x\n", "line 2: expected a finite number in column test"),
        ("cell,value\n,1\n", "line 2: cell string"),
        ('cell,value\n"output(0),1\n', "line 2"),
        ("cell,value\n" + "a" * 200_000 + ",1\n", "line 2"),
        ("cell,value\nconv(0)+output(0),1\noutput(),2\n", "line 3: expected a cell of the space, got output()"),
        ("cell,value\n\x00,1\n", "t.csv"),
    ],
)
def test_files_that_are_no_tables(tmp_path, text, words):
    with pytest.raises(ValueError, match=r"table '.*t\.csv'") as caught:
        Tabular.from_csv(write(tmp_path / "t.csv", text), SPACE)
    assert words in str(caught.value)


def test_what_is_no_text(tmp_path):
    for content in (b"cell,value\n\xff\xfe\x00,1\n", b"cell,value\noutput(0),\xff\n", b"\x80\x04\x95\x00"):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(ValueError, match=rf"t\.csv', line {1 + content.count(b'value')}: "):
            Tabular.from_csv(tmp_path / "t.csv", SPACE)
    with pytest.raises(TypeError, match="space: expected a CellSpace, got str"):
        Tabular.from_csv(tmp_path / "t.csv", "nasbench201")
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(OSError, match="Errno"):
            Tabular.from_csv(path, SPACE)


# -- functions ------------------------------------------------------------------------------------------------------


def test_a_function_is_a_benchmark():
    def depth(cell):
        return float(str(cell).count("conv"))

    bench = Function(SPACE, depth, test=lambda cell: 1.0)
    assert bench.name == "depth" and bench.evaluate("conv(0)+output(1)") == 1.0
    study = crlso.search(bench, method="random", budget=43, rng=0, progress=False)
    assert study.best.value == 2.0 and study.best.test == 1.0 and study.benchmark == "depth"
    assert np.isnan(Function(SPACE, depth).test(CELLS[:2])).all()
    for arguments in ((SPACE, None), ("space", depth), (SPACE, depth, None, 3)):
        with pytest.raises(TypeError, match="expected a"):
            Function(*arguments)


def test_a_function_that_fails_costs_its_query():
    def fails(cell):
        if "pool" in str(cell):
            raise RuntimeError("no pool")
        return 1.0

    study = crlso.search(Function(SPACE, fails), method="random", budget=20, rng=0, progress=False)
    states = {("pool" in str(trial.cell), trial.state) for trial in study.trials}
    assert states == {(True, "failed"), (False, "complete")}


# -- spaces that cannot be listed -----------------------------------------------------------------------------------


@pytest.fixture
def small_presets(monkeypatch):
    import dataclasses

    from crlso.spaces.base import PAPER_PRESETS

    small = {name: dataclasses.replace(p, width=8, epochs=1, cells=300) for name, p in PAPER_PRESETS.items()}
    for space in (CellSpace, NASBench101, DARTS):
        monkeypatch.setattr(space, "presets", small)


def queried(optimiser):
    cells = []
    while optimiser.remaining:
        trial = optimiser.ask()
        cells.append(trial.cell)
        optimiser.tell(trial, float(sum(trial.cell.codes)))
    return cells


@pytest.mark.slow
@pytest.mark.parametrize(
    "space", [NASBench101(), DARTS(), CellSpace(6, ("a", "b", "c"), edges="free")], ids=lambda s: s.name[:20]
)
def test_random_search_of_large_spaces(space):
    cells = queried(RandomSearch(space, rng=3, budget=600))
    codes = space.codes(cells)
    assert space.valid(codes).all() and len(np.unique(space.canonical_key(codes))) == 600
    assert cells == queried(RandomSearch(space, rng=3, budget=600)) != queried(RandomSearch(space, rng=4, budget=600))
    assert "budget none" in repr(RandomSearch(DARTS()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "space", [NASBench101(), DARTS(), CellSpace(6, ("a", "b", "c"), edges="free")], ids=lambda s: s.name[:20]
)
def test_cr_lso_of_large_spaces(space, small_presets):
    optimiser = PaperCRLSO(space, rng=3, budget=30, labels=10)
    cells = queried(optimiser)
    codes = space.codes(cells)
    assert space.valid(codes).all() and len(np.unique(space.canonical_key(codes))) == 30
    assert optimiser.diagnostics["latent_moves"] + optimiser.diagnostics["neighbours"] == 20
    assert optimiser.diagnostics["noise"] > 0
    assert cells == queried(PaperCRLSO(space, rng=3, budget=30, labels=10))


@pytest.mark.slow
def test_the_example_of_the_readme_runs(capsys):
    """In at most seven lines, with the output that is shown but for times and what depends on rounding."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    code, shown = re.findall(
        r"```\w*\n(.*?)```", text.split("## A space of your own\n")[1].split("\n## ")[0], re.DOTALL
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 7
    exec(code, {})
    ran, told = (
        {name.strip(): value for name, value in re.findall(r"(?m)^(best cell|\w+) +(.*)$", out)}
        for out in (capsys.readouterr().out, shown)
    )
    assert list(ran) == list(told) == ["benchmark", "method", "best cell", "value", "queries", "seconds"]
    assert all(ran[key] == told[key] for key in ("benchmark", "method", "queries"))
    assert float(ran["value"]) == pytest.approx(float(told["value"]), abs=0.5)


@pytest.mark.slow
def test_a_space_of_many_rows_and_few_cells(small_presets):
    """8.4 million rows, too many to list, but hardly a hundred cells."""
    space = CellSpace(6, ["a", "b", "c"], operations_on="nodes", edges="free", max_edges=4)
    found = space.sample_up_to(5000, rng=0)
    assert 60 < len(found) < 200
    optimisers = [RandomSearch(space, rng=0, budget=50), PaperCRLSO(space, rng=0, budget=30, labels=10)]
    for optimiser in [*optimisers, GPSearch(space, rng=0, budget=30)]:
        assert len(set(queried(optimiser))) == optimiser.budget
    with pytest.raises(ValueError, match="labels: expected at most about"):
        PaperCRLSO(space, rng=0, budget=3000, labels=2000)
