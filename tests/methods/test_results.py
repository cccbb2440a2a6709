"""Results that are known already, in every form, and what a search makes of them."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import crlso
from crlso import cli
from crlso.benchmarks import Function, Tabular
from crlso.history import Measurement
from crlso.journal import Journal
from crlso.methods import METHODS, Evolution
from crlso.methods.results import read_results
from crlso.spaces import DARTS, CellSpace
from crlso.studies import Study, search
from tests.methods.forms import forms_of

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")


def value_of(cell):
    if sum(cell.codes) % 5 == 2:
        raise ValueError("unlucky")
    return 3.0 * cell.operations.count("conv") + 0.01 * sum(cell.codes)


class Counted(Function):
    def __init__(self):
        super().__init__(SPACE, self._value, name="counted")
        self.asked = []

    def _value(self, cell):
        self.asked.append(cell)
        return value_of(cell)


@pytest.fixture
def study(tmp_path):
    return search(Counted(), "random", 15, 7, journal=tmp_path / "known.jsonl")


def forms(study, folder):
    return {**forms_of(study, SPACE, folder), "journal": folder / "known.jsonl"}


def keys_of(cells):
    return {int(key) for key in SPACE.canonical_key(list(cells))}


def test_every_form_is_read(study, tmp_path):
    expected = {study.history.key_of(trial): trial.value for trial in study.trials}
    assert None in expected.values()
    for name, given in forms(study, tmp_path).items():
        results = read_results("known", SPACE, given)
        values = [outcome.value if isinstance(outcome, Measurement) else None for outcome in results.outcomes]
        found = dict(zip(results.keys.tolist(), values))
        if name in ("study", "history", "journal", "saved study", "path as text"):
            assert found == expected and list(found) == list(expected), name
            assert any(str(outcome).startswith("ValueError: unlucky") for outcome in results.outcomes)
        else:
            assert found == {key: value for key, value in expected.items() if value is not None}, name
        np.testing.assert_array_equal(SPACE.canonical_key(results.codes), results.keys)


def test_equal_cells_are_one_result():
    cell = "|conv~0|+|conv~0|pool~1|+|conv~0|conv~1|pool~2|"
    results = read_results("known", SPACE, [(cell, 1.0), (SPACE.cell(cell), 2.5), (cell, Measurement(1.0))])
    assert [outcome.value for outcome in results.outcomes] == [1.5]
    failed = search(Function(SPACE, value_of), "random", 15, 7).trials
    failed = [trial for trial in failed if trial.state == "failed"][:1]
    assert read_results("known", SPACE, type("Some", (), {"trials": failed})).outcomes == [failed[0].error]


def test_further_numbers_are_read_too(tmp_path):
    cells = SPACE.cells(SPACE.classes().codes[:4])
    table = Tabular(SPACE, cells, range(4), measures={"ms": [1.0, 2.0, np.nan, 4.0]})
    found = [outcome.objectives for outcome in read_results("known", SPACE, table).outcomes]
    assert sorted(found, key=str) == sorted([{"ms": 1.0}, {"ms": 2.0}, {}, {"ms": 4.0}], key=str)
    pairs = [(cells[0], {"value": 90.0, "ms": 3.0}), (cells[0], Measurement(91.0, {"ms": 5.0, "mj": 1.0}))]
    assert read_results("known", SPACE, pairs).outcomes == [Measurement(90.5, {"ms": 4.0})]
    with pytest.raises(TypeError, match="value: expected a number by the name 'value', got ms"):
        read_results("known", SPACE, [(cells[0], {"ms": 3.0})])

    def both(cell):
        return {"value": value_of(cell) if sum(cell.codes) % 5 != 2 else 0.0, "ms": float(sum(cell.codes))}

    bench = Function(SPACE, both, name="both", measures={"ms": None})
    goals = {"objectives": ["value", "-ms"], "constraints": {"ms": 6}}
    first = search(bench, "nsga2", 12, 0, progress=False, **goals)
    path = tmp_path / "trials.csv"
    path.write_text(first.trials_dataframe().to_csv(index=False))
    for known in (first, path):
        second = search(bench, "gp", 6, 1, progress=False, known=known, **goals)
        observed = [trial for trial in second.trials if not trial.asked]
        assert {trial.measurement.objectives["ms"] for trial in observed} == {
            trial.measurement.objectives["ms"] for trial in first.trials
        }
        assert second.n_infeasible >= first.n_infeasible > 0


def test_measurements_are_kept():
    measured = Measurement(4.0, {"speed": 2.0}, {"size": 1.0}, 3.0, {"host": "far"})
    optimiser = METHODS["random"](SPACE)
    cell = SPACE.cells(SPACE.classes().codes[:1])[0]
    optimiser.observe(cell, measured)
    assert read_results("known", SPACE, optimiser).outcomes == [measured]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "known: expected a study, a path to a journal, a saved study or a CSV file"),
        ({"a": 1}, TypeError, "known: expected a study"),
        ([1], TypeError, "known: expected a study.*got a list of int"),
        ([("rubbish", 1.0)], ValueError, "known: "),
        ([("|conv~0|+|conv~1|+|conv~2|", float("nan"))], ValueError, "values of known: expected finite"),
        ([("|conv~0|+|conv~1|+|conv~2|", "much")], TypeError, "values of known: expected"),
        ([], ValueError, "known: expected at least one cell"),
        ("/nowhere/file.csv", FileNotFoundError, "/nowhere/file.csv"),
    ],
)
def test_what_is_no_result_is_named(tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        search(Counted(), "random", 5, known=given, journal=tmp_path / "run.jsonl")


def test_results_in_another_space_are_refused(study, tmp_path):
    for given in forms(study, tmp_path).values():
        with pytest.raises(ValueError, match=r"known|table"):
            read_results("known", DARTS(), given)


def test_cells_outside_the_space_are_left_out(caplog):
    few = SPACE.subset(SPACE.classes().codes[:10])
    cells = SPACE.cells(SPACE.classes().codes[8:12])
    with caplog.at_level(logging.WARNING):
        assert len(read_results("known", few, [(cell, 1.0) for cell in cells]).outcomes) == 2
    assert "known: 2 of 4 cells are not in the space and were left out" in caplog.text


# -- in a search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["random", "local", "evolution", "gp"])
def test_known_cells_are_not_evaluated_and_cost_nothing(study, tmp_path, method):
    for name, given in forms(study, tmp_path).items():
        benchmark, path = Counted(), tmp_path / f"{name}.jsonl"
        found = search(benchmark, method, 12, 1, known=given, journal=path)
        known = read_results("known", SPACE, given) if name != "generator" else read_results("known", SPACE, study)
        assert found.n_queries == len(benchmark.asked) == 12
        if name in ("study", "journal"):
            assert not keys_of(benchmark.asked) & set(known.keys.tolist())
            assert sum(not trial.asked for trial in found.trials) == len(study.trials)
            assert [trial.error for trial in found.trials[:15]] == [trial.error for trial in study.trials]
        assert found.best.value >= max(study.history.values)
        opened = Study.open(path)
        assert opened.history == found.history


def test_a_search_with_known_results_goes_on(study, tmp_path):
    path = tmp_path / "run.jsonl"
    expected = search(Counted(), "gp", 12, 1, known=study, journal=path)
    content = path.read_bytes().splitlines(keepends=True)
    for n in range(0, len(content), 4):
        path.write_bytes(b"".join(content[:n]))
        again = search(Counted(), "gp", 12, 1, known=study, journal=path)
        assert again.history == expected.history and again.diagnostics == expected.diagnostics, n
    # More that is known, later; and what was asked for meanwhile.
    more = search(Counted(), "random", 30, 8)
    again = search(Counted(), "gp", 14, 1, known=more, journal=path)
    keys = [again.history.key_of(trial) for trial in again.trials]
    assert len(keys) == len(set(keys)) and keys_of([trial.cell for trial in more.trials]) <= set(keys)
    kinds = [entry.kind for entry in Journal.read(path).entries]
    assert kinds.count("observed") == len(keys) - 14 and again.n_queries == 14


def test_known_values_stand_for_initial_cells():
    """The model is used at once where enough is known."""
    known = search(Counted(), "random", 15, 7)
    n = len(known.history.complete)
    fits = search(Counted(), "gp", 8, 1, known=known, initial=8, batch=1).diagnostics["model"]
    assert fits[0]["observed"] == n and len(fits) == 8
    few = [(trial.cell, trial.value) for trial in known.history.complete[:5]]
    fits = search(Counted(), "gp", 8, 1, known=few, initial=8, batch=1).diagnostics["model"]
    assert fits[0]["observed"] <= 8 and len(fits) == 5


def test_all_that_is_known():
    codes = SPACE.classes().codes
    pairs = [(cell, float(i)) for i, cell in enumerate(SPACE.cells(codes))]
    study = search(Counted(), "gp", 5, known=pairs)
    assert (study.n_queries, study.best.value, study.state) == (0, len(codes) - 1.0, "complete")
    study = search(Counted(), "gp", 5, known=pairs[:-2])
    assert study.n_queries == 2


def test_failures_can_be_observed():
    optimiser = Evolution(SPACE, population=2, tournament=1)
    cells = SPACE.cells(SPACE.classes().codes[:4])
    assert optimiser.observe(cells[0], state="failed", error="no memory").error == "no memory"
    assert optimiser.observe(cells[1], state="failed").error == "failed"
    optimiser.observe(cells[2], 1.0)
    assert [trial.number for trial in optimiser.history.latest(5)] == [2]
    for wrong in ({"value": 1.0, "state": "failed"}, {"value": None}, {"state": "good"}):
        with pytest.raises(ValueError, match=r"value|state"):
            optimiser.observe(cells[3], **wrong)
    assert not keys_of(cells[:3]) & keys_of([optimiser.ask().cell for _ in range(20)])


def test_the_command_line(tmp_path, capsys):
    first, second = (str(tmp_path / name) for name in ("first.jsonl", "second.jsonl"))
    command = ["search", "--method", "random", "--budget", "6", "--json", "--journal"]
    assert cli.main([*command, first, "--seed", "1"]) == 0
    assert cli.main([*command, second, "--seed", "2", "--known", first]) == 0
    capsys.readouterr()
    asked = [{t.cell for t in Study.open(path).trials if t.asked} for path in (first, second)]
    assert len(asked[0]) == len(asked[1]) == 6 and not asked[0] & asked[1]
    assert Study.open(second).n_queries == 6 and len(Study.open(second).trials) == 12
    assert cli.main([*command, second, "--seed", "2", "--known", str(tmp_path / "none")]) == 2
    assert cli.main(["search", "--budget", "9", "--prior", first, "--dataset", "cifar100"]) == 0


def test_a_prior_can_be_a_journal(study, tmp_path):
    from crlso.methods.bayesian.priors import read_priors

    journal, plain = read_priors(SPACE, [tmp_path / "known.jsonl", study])
    np.testing.assert_array_equal(journal.scores, plain.scores)
    np.testing.assert_array_equal(journal.keys, plain.keys)
    assert crlso.methods.results.read_results is read_results
