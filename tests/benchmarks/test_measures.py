"""Measures of benchmarks: their names and numbers, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crlso.benchmarks import Function, Measure, NASBench101, NASBench201, NASBench301, Tabular
from crlso.benchmarks.darts_network import network_parameters
from crlso.benchmarks.measures import measures_of
from crlso.spaces import DARTS, CellSpace

SPACE = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
CELLS = ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|", "|pool~0|+|pool~1|"]


def convolutions(cell):
    return cell.operations.count("conv")


def test_measures_of_nasbench201_are_those_of_its_table():
    bench, cells = NASBench201("cifar100"), [0, 284, 15624]
    assert list(bench.measures) == [
        *("value", "parameters", "flops"),
        *(f"latency:{device}" for device in bench.devices),
    ]
    assert [measure.is_known for measure in bench.measures.values()] == [False] + [True] * 29
    np.testing.assert_array_equal(bench.measure("parameters", cells), bench.parameters(cells))
    np.testing.assert_array_equal(bench.measure("flops", cells), bench.flops(cells))
    np.testing.assert_array_equal(bench.measure("latency:fpga", cells), bench.latency(cells, "fpga"))
    np.testing.assert_array_equal(bench.values(cells), [bench.evaluate(cell) for cell in cells])


def test_measures_of_the_others():
    cells = NASBench101().space.sample(3, rng=0)
    np.testing.assert_array_equal(NASBench101().measure("parameters", cells), NASBench101().parameters(cells))
    assert list(NASBench101().measures) == ["value", "parameters"]
    standin = NASBench301.standin()
    pairs = standin.space.sample(3, rng=0)
    np.testing.assert_array_equal(standin.measure("parameters", pairs), network_parameters(pairs))
    np.testing.assert_array_equal(NASBench101().values(cells), [NASBench101().evaluate(cell) for cell in cells])


def test_parameters_of_the_network_that_darts_found():
    # Its training script logs "param size = 3.349342MB" for this genotype with 36 channels and 20 cells.
    normal = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)] * 2
    normal += [("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)]
    reduction = [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1)]
    reduction += [("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)]
    fields = {"normal": normal, "normal_concat": range(2, 6), "reduce": reduction, "reduce_concat": range(2, 6)}
    codes = DARTS().codes([DARTS().cell(fields)])
    assert network_parameters(codes, channels=36, layers=20).tolist() == [3.349342]


def test_measures_of_a_function():
    bench = Function(SPACE, lambda cell: 90.0, measures={"convolutions": convolutions, "ms": None})
    assert {name: measure.is_known for name, measure in bench.measures.items()} == {
        "value": False,
        "convolutions": True,
        "ms": False,
    }
    assert bench.measure("convolutions", CELLS).tolist() == [1.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="measure: expected one that is known without a query, got 'ms'"):
        bench.measure("ms", CELLS)
    assert list(Function(SPACE, convolutions).measures) == ["value"]


def test_columns_of_a_table_are_measures():
    twice = [*CELLS, CELLS[0]]
    bench = Tabular(SPACE, twice, [90.0, 91.0, 92.0, 93.0], measures={"ms": [1.0, np.nan, 3.0, 2.0]})
    np.testing.assert_array_equal(bench.measure("ms", CELLS), [1.5, np.nan, 3.0])
    assert list(Tabular(SPACE, CELLS, [1.0, 2.0, 3.0]).measures) == ["value"]


def test_columns_of_numbers_in_a_file_are_measures():
    text = "cell,value,ms,note,index,empty,size\n" + "\n".join(
        f"{cell},{value},{ms},{note},7,,{size}"
        for cell, value, ms, note, size in zip(CELLS, (1, 2, 3), (4, 5, ""), "12x", (7, 8, 9))
    )
    bench = Tabular.from_csv(text, SPACE)
    assert list(bench.measures) == ["value", "ms", "size"]
    np.testing.assert_array_equal(bench.measure("ms", CELLS), [4.0, 5.0, np.nan])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "latency:pixl3",
            "measure: expected a measure of the benchmark, got 'latency:pixl3'; the nearest is 'latency:pixel3'",
        ),
        ("zzz", "got 'zzz'; there are value, parameters, flops"),
        ("test", "measure: expected no test accuracy, by which a search may not choose, got 'test'"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        NASBench201("cifar10").measure(name, [0])


@pytest.mark.parametrize(
    ("measures", "error", "message"),
    [
        ({"value": convolutions}, ValueError, "expected no function by the name 'value'"),
        ({"test": convolutions}, ValueError, "expected names of measures other than 'test' and '-name', got 'test'"),
        ({"-ms": None}, ValueError, "got '-ms'"),
        ({"": None}, ValueError, "got ''"),
        ({3: None}, ValueError, "got 3"),
        ({"ms": "fast"}, TypeError, r"measures\['ms'\]: expected a Measure, a function of a cell or None, got str"),
        ([("ms", None)], TypeError, "measures: expected a mapping of names, got list"),
    ],
)
def test_wrong_measures(measures, error, message):
    with pytest.raises(error, match=message):
        Function(SPACE, convolutions, measures=measures)


def test_wrong_columns():
    with pytest.raises(ValueError, match=r"measures\['ms'\]: expected shape \(3,\)"):
        Tabular(SPACE, CELLS, [1.0, 2.0, 3.0], measures={"ms": [1.0]})
    with pytest.raises(ValueError, match="expected finite numbers, got inf"):
        Tabular(SPACE, CELLS, [1.0, 2.0, 3.0], measures={"ms": [1.0, 2.0, np.inf]})
    with pytest.raises(ValueError, match="expected no function by the name 'value'"):
        Tabular(SPACE, CELLS, [1.0, 2.0, 3.0], measures={"value": [1.0, 2.0, 3.0]})


def test_what_a_measure_returns_is_checked():
    with pytest.raises(ValueError, match=r"ms: expected shape \(2,\), one for each cell, got \(1,\)"):
        Measure("ms", known=lambda cells: [1.0])([0, 1])
    with pytest.raises(ValueError, match="ms: expected finite numbers, got inf"):
        Measure("ms", known=lambda cells: [np.inf, 1.0])([0, 1])
    assert list(measures_of(SimpleNamespace(space=SPACE))) == ["value"]
