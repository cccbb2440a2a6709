"""Comparisons: arguments, checkpoints, and the record of each search."""

from __future__ import annotations

import json

import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.comparison import compare, parse_method
from crlso.methods import RandomSearch
from crlso.spaces import CellSpace
from tests.twins.toys import table


def test_one_record_per_search_and_what_is_in_it(tmp_path):
    bench = table()
    path = tmp_path / "results.jsonl"
    result = compare(bench, ["random", "evolution:population=5:tournament=2"], 3, 12, path=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(result.records) == 6
    for line in lines:
        study = crlso.search(bench, line["method"], 12, line["seed"], progress=False, **line["options"])
        assert line["trajectory"] == study.trajectory
        assert line["cell"] == str(study.best.cell)
        assert line["optimum"] == bench.evaluate(bench.optimum())
        assert (line["benchmark"], line["objective"], line["budget"], line["n_queries"]) == (
            "mine",
            "value",
            12,
            12,
        )
    assert {json.dumps(line["options"]) for line in lines} == {"{}", '{"population": 5, "tournament": 2}'}


class Later(RandomSearch):
    def __init__(self, space, *, start, rng=0, budget=None):
        super().__init__(space, rng=rng + start.seed, budget=budget)


class Start:
    def __init__(self, seed):
        self.seed = seed

    def __repr__(self):
        return "Start"


@pytest.mark.parametrize("with_file", [False, True])
def test_methods_of_one_name_do_not_share_their_results(tmp_path, with_file):
    benchmark = NASBench201("cifar10")
    methods = {"plain": RandomSearch, "a": (Later, {"start": Start(0)}), "b": (Later, {"start": Start(1000)})}
    found = compare(benchmark, methods, seeds=[3], budget=5, path=tmp_path / "r.jsonl" if with_file else None)
    values = {record["label"]: record["value"] for record in found.records}
    assert values["plain"] == values["a"] == crlso.search(benchmark, "random", 5, 3).best.value
    assert values["b"] == crlso.search(benchmark, "random", 5, 1003).best.value != values["a"]
    assert [record["fingerprint"] is None for record in found.records] == [not with_file] * 3


def test_checkpoints():
    bench = NASBench201("cifar10")
    marks = [row["checkpoint"] for row in compare(bench, "random", 1, 130).to_dict()["results"]]
    assert marks == [32, 64, 100, 128, 130]
    marks = [row["checkpoint"] for row in compare(bench, "random", 1, 64, checkpoints=[5, 64, 100]).table()]
    assert marks == [5, 64]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"methods": "magic"}, ValueError, "method: expected one of"),
        ({"methods": []}, ValueError, "methods: expected at least one"),
        ({"methods": ["random", "random"]}, ValueError, "methods: expected different methods, got 'random' twice"),
        ({"methods": "random:x=1"}, TypeError, "options of method 'random': expected none, got x"),
        ({"methods": "random:x"}, ValueError, "method: expected options as name:option=value, got 'random:x'"),
        ({"methods": [3]}, TypeError, "method: expected a name or a subclass"),
        ({"methods": 3}, TypeError, "methods: expected names, classes or a mapping, got int"),
        ({"seeds": 0}, ValueError, "seeds: expected at least 1, got 0"),
        ({"seeds": [1, 1]}, ValueError, "seeds: expected at least one seed and no repetition"),
        ({"seeds": [-1]}, ValueError, "seeds: expected at least 0, got -1"),
        ({"seeds": "12"}, TypeError, "seeds: expected a number of seeds or a sequence of them, got str"),
        ({"budget": 0}, ValueError, "budget: expected at least 1, got 0"),
        ({"budget": 10**6}, ValueError, "budget: expected at most"),
        ({"jobs": 0}, ValueError, "jobs: expected at least 1, got 0"),
        ({"rng": 3}, TypeError, "compare: expected seeds=, got rng="),
        ({"seed": 3}, TypeError, "compare: expected seeds=, got seed="),
        ({"n_trials": 3}, TypeError, "compare: expected budget=, got n_trials="),
        ({"n_jobs": 3}, TypeError, "compare: expected jobs=, got n_jobs="),
        ({"path": "no/such/file"}, FileNotFoundError, "path: expected a file in an existing .*no/such does not exist"),
        ({"checkpoints": [0]}, ValueError, "checkpoints: expected at least 1, got 0"),
        ({"benchmarks": []}, ValueError, "benchmarks: expected at least one"),
        ({"benchmarks": [table(), table()]}, ValueError, "benchmarks: expected different names"),
        ({"benchmarks": "nasbench201"}, TypeError, "benchmark: expected an object"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, error, message):
    path = tmp_path / "results"
    with pytest.raises(error, match=message):
        compare(**{"benchmarks": table(), "methods": "random", "seeds": 2, "budget": 5, "path": path, **arguments})
    assert not path.exists()


def test_the_default_budget_is_that_of_the_smallest_space(caplog):
    small = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
    few = Function(small, lambda cell: 1.0, name="few")
    result = compare([table(), few], "random", seeds=1)
    assert {record["budget"] for record in result.records} == {len(small.classes())}
    assert f"budget: {len(small.classes())} queries instead of 100" in caplog.text


def test_methods_as_text():
    assert parse_method("local") == ("local", {})
    assert parse_method("a:b=1:c=true:d=x y:e=0.5") == ("a", {"b": 1, "c": True, "d": "x y", "e": 0.5})
