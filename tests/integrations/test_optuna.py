"""The sampler for Optuna, with the real Optuna: its cells are those of crlso.search, in all that a study can do."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.integrations.optuna import CRLSOSampler, distributions, suggest_cell
from crlso.methods import RandomSearch
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBenchMacro

optuna = pytest.importorskip("optuna", minversion="5", reason="needs Optuna 5: pip install 'crlso[optuna]'")
optuna.logging.set_verbosity(optuna.logging.WARNING)

BENCH = NASBench201("cifar10")
SPACE = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
FREE_EDGES = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")


def value(cell) -> float:
    return 10.0 * cell.operations.count("conv") + sum(i * code for i, code in enumerate(cell.codes)) / 7


def objective(space, function=value):
    return lambda trial: function(suggest_cell(trial, space))


def of_bench(trial) -> float:
    return BENCH.evaluate(suggest_cell(trial, BENCH.space))


def study_of(sampler, direction="maximize", **options):
    return optuna.create_study(direction=direction, sampler=sampler, **options)


def cells_of(study, space=BENCH.space):
    return [suggest_cell(trial, space) for trial in study.trials]


def own_cells(method, budget, seed=0, **options):
    study = crlso.search(BENCH, method, budget, seed, progress=False, **options)
    return [trial.cell for trial in study.trials]


# -- parameters and cells ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "number", "some"),
    [
        (BENCH.space, 6, {"edge_0_1": BENCH.space.operations}),
        (SPACE, 8, {"node_1": ("absent", "conv", "pool"), "edge_1_2": ("absent", "present")}),
        (FREE_EDGES, 6, {"edge_2_3": ("absent", "conv", "pool")}),
        (NASBenchMacro(), 8, {"node_8": ("identity", "mb3_k3", "mb6_k5")}),
        (NASBench101(), 26, {"edge_0_6": ("absent", "present")}),
        (DARTS(), 28, {"normal_edge_0_2": ("absent", *DARTS().operations)}),
    ],
    ids=lambda entry: getattr(entry, "name", None),
)
def test_parameters_are_the_codes_of_cells(space, number, some):
    found = distributions(space)
    assert len(found) == number and [len(each.choices) for each in found.values()] == list(space.cardinalities)
    assert some.items() <= {name: each.choices for name, each in found.items()}.items()
    for cell in space.cells(space.sample(5, rng=0)):
        params = {name: each.choices[code] for (name, each), code in zip(found.items(), cell.codes)}
        assert suggest_cell(optuna.trial.FixedTrial(params), space) == cell


def test_parameters_that_are_no_cell_are_pruned():
    study = study_of(optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective(FREE_EDGES), 60)
    states = [trial.state.name for trial in study.trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    study.sampler = CRLSOSampler(FREE_EDGES)  # it learns from what another sampler did, and asks for cells
    study.optimize(objective(FREE_EDGES), 10)
    assert {trial.state.name for trial in study.trials[60:]} == {"COMPLETE"}
    keys = [
        FREE_EDGES.canonical_key([suggest_cell(t, FREE_EDGES)])[0] for t in study.trials if t.state.name != "PRUNED"
    ]
    assert len(set(keys[-10:])) == 10 and not set(keys[-10:]) & set(keys[:-10])


# -- searches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options"),
    [("evolution", {"population": 8, "tournament": 4}), ("local", {}), ("gp", {"initial": 6}), (RandomSearch, {})],
)
def test_it_asks_for_the_cells_of_crlso_search(method, options):
    expected = own_cells(method, 25, 3, **options)
    for sign, direction in ((1, "maximize"), (-1, "minimize")):
        study = study_of(CRLSOSampler(BENCH.space, method, seed=3, **options), direction)
        study.optimize(lambda trial, sign=sign: sign * of_bench(trial), 25)
        assert cells_of(study) == expected


def test_the_default_method():
    study = study_of(CRLSOSampler(BENCH.space))
    study.optimize(of_bench, 12)
    assert cells_of(study) == own_cells("cr-lso", 12)


def test_ask_and_tell():
    study = study_of(CRLSOSampler(BENCH.space, "evolution", population=8, tournament=4))
    for _ in range(20):
        trial = study.ask()
        study.tell(trial, of_bench(trial))
    assert cells_of(study) == own_cells("evolution", 20, population=8, tournament=4)
    trial = study.ask(distributions(BENCH.space))
    assert set(trial.params) == set(distributions(BENCH.space))


def test_failures_teach_what_they_teach_in_crlso():
    def fragile(cell) -> float:
        if cell.operations.count("avg_pool_3x3") > 1:
            raise RuntimeError("out of memory")
        return BENCH.evaluate(cell)

    bench = crlso.benchmarks.Function(BENCH.space, fragile)
    own = crlso.search(bench, "gp", 25, 0, progress=False)
    study = study_of(CRLSOSampler(BENCH.space, "gp"))
    study.optimize(objective(BENCH.space, fragile), 25, catch=RuntimeError)
    assert cells_of(study) == [trial.cell for trial in own.trials]
    assert 0 < sum(trial.state.name == "FAIL" for trial in study.trials) == sum(t.state == "failed" for t in own.trials)


def test_pruned_trials_count_by_their_last_report(caplog):
    def pruned(trial) -> float:
        cell = suggest_cell(trial, BENCH.space)
        if cell.codes[0] == 0:
            raise optuna.TrialPruned
        trial.report(50.0, 1)
        if cell.codes[0] == 1:
            raise optuna.TrialPruned
        return BENCH.evaluate(cell)

    sampler = CRLSOSampler(BENCH.space, "evolution", population=5, tournament=3)
    study = study_of(sampler)
    study.optimize(pruned, 20)
    study.ask().suggest_categorical("edge_0_1", BENCH.space.operations)  # which has it learn from all 20
    learned = sampler._optimiser.trials
    for theirs, mine in zip(study.trials[:20], learned):
        first = suggest_cell(theirs, BENCH.space).codes[0]
        assert mine.state == ("failed" if first == 0 else "complete")
        assert mine.value == (None if first == 0 else 50.0 if first == 1 else BENCH.evaluate(mine.cell))
    assert {mine.cell.codes[0] for mine in learned} >= {0, 1, 2}


def test_infeasible_trials_count_as_failed():
    def bounded(trial) -> float:
        cell = suggest_cell(trial, BENCH.space)
        trial.set_constraint("parameters", float(BENCH.parameters([cell])[0]) - 0.8)
        return BENCH.evaluate(cell)

    study = study_of(CRLSOSampler(BENCH.space, "gp"))
    study.optimize(bounded, 40)
    learned = {trial.cell: trial.state for trial in study.sampler._optimiser.trials[:39]}
    for trial in study.trials[:39]:
        is_feasible = trial.constraints["parameters"] <= 0
        assert learned[suggest_cell(trial, BENCH.space)] == ("complete" if is_feasible else "failed")
    late = [trial.constraints["parameters"] <= 0 for trial in study.trials[20:]]
    assert np.mean(late) > 0.75 and study.best_trial.constraints["parameters"] <= 0


def test_a_bound_that_is_known_is_a_part_of_the_space():
    small = BENCH.space.where(lambda codes: np.maximum(BENCH.parameters(codes) - 0.4, 0))
    study = study_of(CRLSOSampler(small, "gp"))
    study.optimize(lambda trial: BENCH.evaluate(suggest_cell(trial, small)), 15)
    assert max(BENCH.parameters(cells_of(study, small))) <= 0.4


@pytest.mark.parametrize("bad", [float("inf"), float("-inf")])
def test_values_that_are_not_finite(bad):
    study = study_of(CRLSOSampler(SPACE, "gp"))
    study.optimize(lambda trial: value(suggest_cell(trial, SPACE)) + (bad if trial.number % 2 else 0.0), 12)
    assert [trial.state for trial in study.sampler._optimiser.trials[:11]] == ["complete", "failed"] * 5 + ["complete"]


def test_an_objective_that_does_not_take_the_cell(caplog):
    study = study_of(CRLSOSampler(SPACE, "random"))

    def careless(trial) -> float:
        trial.suggest_categorical("node_1", ("absent", "conv", "pool"))
        return 1.0

    study.optimize(careless, 3)
    assert "the objective did not take its cell" in caplog.text
    assert [trial.state for trial in study.sampler._optimiser.trials] == ["failed", "failed", "pending"]


# -- several objectives ------------------------------------------------------------------------------------------------


def two(trial) -> tuple[float, float]:
    cell = suggest_cell(trial, BENCH.space)
    return BENCH.evaluate(cell), float(BENCH.latency([cell], "pixel3")[0])


def pixel3(codes):
    return BENCH.latency(codes, "pixel3")


@pytest.mark.parametrize("method", ["cr-lso", "gp", "nsga2"])
def test_a_known_second_objective(method):
    sampler = CRLSOSampler(BENCH.space, method, known={1: pixel3})
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(two, 22)
    own = crlso.search(BENCH, method, 22, 0, objectives=["value", "-latency:pixel3"], progress=False)
    assert cells_of(study) == [trial.cell for trial in own.trials]
    assert {suggest_cell(trial, BENCH.space) for trial in study.best_trials} == {trial.cell for trial in own.front}


@pytest.mark.parametrize(("method", "given"), [("nsga2", "nsga2"), ("cr-lso", None)])
def test_objectives_that_are_evaluated(method, given):
    bench = crlso.benchmarks.Function(
        BENCH.space,
        lambda cell: {"value": BENCH.evaluate(cell), "latency": float(pixel3([cell])[0])},
        name="both",
        measures={"latency": None},
    )
    own = crlso.search(bench, method, 45, 0, objectives=["value", "-latency"], progress=False)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=CRLSOSampler(BENCH.space, given))
    study.optimize(two, 45)
    assert cells_of(study) == [trial.cell for trial in own.trials]


def test_methods_that_cannot_have_the_objectives():
    for sampler, message in (
        (CRLSOSampler(BENCH.space, "evolution"), "expected 'value' alone for the method evolution"),
        (CRLSOSampler(BENCH.space, known={2: pixel3}), "known: expected positions of the 2 objectives"),
    ):
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        with pytest.raises(ValueError, match=message):
            study.optimize(two, 1)


# -- storages, jobs, other samplers ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_in_a_storage_goes_on(tmp_path):
    storage = f"sqlite:///{tmp_path}/studies.db"
    expected = own_cells("gp", 20, initial=5)
    for _ in range(2):  # another process, as it were
        sampler = CRLSOSampler(BENCH.space, "gp", initial=5)
        study = study_of(sampler, storage=storage, study_name="s", load_if_exists=True)
        study.optimize(of_bench, 10)
    assert cells_of(study) == expected


def test_a_sampler_that_was_pickled_goes_on():
    study = study_of(CRLSOSampler(BENCH.space, "gp", initial=5))
    study.optimize(of_bench, 10)
    for way in (lambda sampler: pickle.loads(pickle.dumps(sampler)), copy.deepcopy):
        other = study_of(way(study.sampler))
        other.add_trials(study.trials)
        study_name, other.sampler._study = other.sampler._study, other.study_name  # the same trials
        other.optimize(of_bench, 5)
        assert study_name == study.study_name and cells_of(other) == own_cells("gp", 15, initial=5)


def test_one_sampler_for_two_studies():
    sampler = CRLSOSampler(BENCH.space, "gp", initial=5)
    for _ in range(2):
        study = study_of(sampler)
        study.optimize(of_bench, 8)
        assert cells_of(study) == own_cells("gp", 8, initial=5)


def test_running_trials_are_not_asked_for_again():
    study = study_of(CRLSOSampler(BENCH.space, "cr-lso"))
    trials = [study.ask() for _ in range(12)]
    cells = [suggest_cell(trial, BENCH.space) for trial in trials]
    assert len(set(BENCH.space.canonical_key(cells))) == 12
    for trial, cell in reversed(list(zip(trials, cells))):
        study.tell(trial, BENCH.evaluate(cell))
    study.optimize(of_bench, 3)
    assert len(set(BENCH.space.canonical_key(cells_of(study)))) == 15


def test_several_jobs():
    study, lock = study_of(CRLSOSampler(BENCH.space, "gp")), threading.Lock()
    seen: list[str] = []

    def slow(trial) -> float:
        cell = suggest_cell(trial, BENCH.space)
        with lock:
            seen.append(str(cell))
        return BENCH.evaluate(cell)

    study.optimize(slow, 40, n_jobs=4)
    assert len(seen) == len(set(BENCH.space.canonical_key(seen))) == 40


@pytest.mark.slow
def test_two_processes_share_a_storage(tmp_path):
    storage = f"sqlite:///{tmp_path}/studies.db"
    study_of(CRLSOSampler(BENCH.space, "evolution"), storage=storage, study_name="s")
    code = (
        "import sys, optuna\n"
        "from crlso.benchmarks import NASBench201\n"
        "from crlso.integrations.optuna import CRLSOSampler, suggest_cell\n"
        "bench = NASBench201('cifar10')\n"
        "sampler = CRLSOSampler(bench.space, 'evolution')\n"
        "study = optuna.load_study(study_name='s', storage=sys.argv[1], sampler=sampler)\n"
        "study.optimize(lambda trial: bench.evaluate(suggest_cell(trial, bench.space)), 15)\n"
    )

    def work(_):
        return subprocess.run([sys.executable, "-c", code, storage], capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(work, range(2)):
            assert done.returncode == 0, done.stderr
    study = optuna.load_study(study_name="s", storage=storage)
    assert len(study.trials) == 30 and {trial.state.name for trial in study.trials} == {"COMPLETE"}
    cells = BENCH.space.canonical_key(cells_of(study)).tolist()
    for cell, trial in zip(cells, study.trials):  # trials that begin at the same moment may choose the same cell
        done = [other for other, known in zip(cells, study.trials) if known.datetime_complete < trial.datetime_start]
        assert cell not in done


def test_trials_that_a_user_enqueues():
    study = study_of(CRLSOSampler(BENCH.space, "gp", initial=4))
    best = BENCH.optimum()
    params = {name: each.choices[code] for (name, each), code in zip(distributions(BENCH.space).items(), best.codes)}
    study.enqueue_trial(params)
    study.enqueue_trial({"edge_0_1": "avg_pool_3x3"})
    study.optimize(of_bench, 12)
    cells = cells_of(study)
    assert cells[0] == best and cells[1].operations[0] == "avg_pool_3x3"
    assert len(set(BENCH.space.canonical_key(cells[2:]))) == 10 and best not in cells[1:]
    assert study.sampler._optimiser.trials[0].value == BENCH.optimal_value()


def test_a_failed_cell_that_is_evaluated_again():
    study = study_of(CRLSOSampler(SPACE, "gp"))
    study.optimize(objective(SPACE), 4)
    trial = study.ask()
    cell = suggest_cell(trial, SPACE)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    study.optimize(objective(SPACE), 1)
    assert [each.state for each in study.sampler._optimiser.trials[:5]] == ["complete"] * 4 + ["failed"]
    study.enqueue_trial(trial.params)
    study.optimize(objective(SPACE), 2)
    again = {each.cell: each.state for each in study.sampler._optimiser.trials}
    assert again[cell] == "complete" and len(set(cells_of(study, SPACE))) == 7


def test_a_space_without_further_cells(caplog):
    space = CellSpace(nodes=3, operations=["conv", "pool"])
    study = study_of(CRLSOSampler(space, "random"))
    study.optimize(objective(space), 50)
    assert len(study.trials) == len(space) == len(set(cells_of(study, space)))
    study.optimize(objective(space), 1)
    assert "all cells of the space were asked for" in caplog.text


def test_other_parameters_and_their_sampler():
    class Constant(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return 0.25

    study = study_of(CRLSOSampler(SPACE, "gp", independent_sampler=Constant()))
    rates = []
    study.optimize(
        lambda trial: rates.append(trial.suggest_float("rate", 0, 1)) or value(suggest_cell(trial, SPACE)), 6
    )
    assert rates == [0.25] * 6 and len(set(cells_of(study, SPACE))) == 6
    study = study_of(CRLSOSampler(SPACE, "gp", seed=4))
    study.optimize(lambda trial: value(suggest_cell(trial, SPACE)) - trial.suggest_float("rate", 0, 1), 15)
    assert len({trial.params["rate"] for trial in study.trials}) == 15


def test_a_part_of_the_parameters_is_refused():
    fixed = optuna.samplers.PartialFixedSampler({"edge_0_1": "none"}, CRLSOSampler(BENCH.space, "random"))
    with pytest.raises(ValueError, match=r"expected all 6 parameters of the cell, got 5; CellSpace\.where"):
        study_of(fixed).optimize(of_bench, 1)


def test_pruners_that_show_a_sampler_a_part_of_the_trials():
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    study = study_of(CRLSOSampler(BENCH.space, "evolution", population=4, tournament=2), pruner=pruner)

    def curve(trial) -> float:
        final = of_bench(trial)
        for epoch in range(1, 10):
            trial.report(final * epoch / 9, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return final

    study.optimize(curve, 30)
    assert len(set(BENCH.space.canonical_key(cells_of(study)))) >= 25


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("nasbench201",), {}, "space: expected a CellSpace, got str"),
        ((SPACE, "tpe"), {}, "method: expected one of cr-lso"),
        ((SPACE, 3), {}, "method: expected a name or a subclass of Optimiser"),
        ((SPACE,), {"seed": -1}, "seed: expected"),
        ((SPACE, "gp"), {"population": 3}, "options of method 'gp': expected .*, got population"),
        ((SPACE,), {"known": [pixel3]}, "known: expected a mapping"),
        ((SPACE,), {"known": {0: pixel3}}, "known: expected"),
        ((SPACE,), {"known": {1: 3}}, r"known\[1\]: expected a function"),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        CRLSOSampler(*arguments, **options)


def test_without_optuna_and_with_another_version(monkeypatch):
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import crlso\nfrom crlso.integrations.optuna import CRLSOSampler, suggest_cell\n"
        "for call in (lambda: CRLSOSampler(crlso.spaces.NASBench201()), lambda: suggest_cell(None, None)):\n"
        "    try: call()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{what} needs Optuna 5: pip install 'crlso[optuna]'" for what in ("CRLSOSampler", "suggest_cell")
    ]
    monkeypatch.setattr(optuna, "__version__", "4.4.0")
    with pytest.raises(ImportError, match=r"needs Optuna 5, got 4\.4\.0: pip install 'crlso\[optuna\]'"):
        CRLSOSampler(SPACE)
