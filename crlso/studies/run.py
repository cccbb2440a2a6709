"""One search from beginning to end: ask, evaluate, tell, until the budget is spent."""

from __future__ import annotations

import contextlib
import inspect
import logging
import operator
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from crlso._base.checks import is_int
from crlso._base.types import Progress
from crlso.history import Measurement, Trial
from crlso.methods import METHODS
from crlso.methods.base import Optimiser
from crlso.random import seed_of
from crlso.studies.progress import listener
from crlso.studies.study import Study

__all__ = ["EvaluationError", "check_benchmark", "make_optimiser", "optimum_of", "search"]

_log = logging.getLogger("crlso.search")

_GIVE_UP = 10  # failures in a row from the first query on after which a search is hopeless

Callback = Callable[[Study, Trial], object]


class EvaluationError(RuntimeError):
    """The first evaluations all failed; ``study`` holds the trials."""

    study: Study


def search(
    benchmark: Any,
    method: str | type[Optimiser] = "cr-lso",
    budget: int = 100,
    rng: Any = 0,
    progress: bool | Progress | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Study:
    """Search the best cell of a benchmark.

    Each query evaluates the representative of a class of cells that was not evaluated before. An evaluation that
    raises, or gives no finite number, is logged, counts as a query, and is a failed trial of the study with the text
    of the error. When the search is over, the benchmark's test accuracy, if it has one beside its value, is looked up
    for the cells that were the best at their time; it has no influence on the search.

    Parameters
    ----------
    benchmark : object
        Has ``space`` and ``evaluate(cell)``, which gives the value to maximise or a
        :class:`crlso.history.Measurement`; may have ``name``, ``dataset``, ``objective`` (what the value is),
        ``optimal_value()``, the highest value there is, and ``test(cells)``, test accuracies of a list of cells.
    method : str or subclass of Optimiser
        A key of :data:`crlso.methods.METHODS`, or a class; by default :class:`crlso.CRLSO`.
    budget : int
        Number of queries, from 1 to the number of classes of the space.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or crlso.random.Stream
        Randomness of the search.
    progress : bool or callable, optional
        True or False: bars on stderr, or none; by default bars when stderr is a terminal. A callable is called as
        ``progress(phase, done, total)`` instead.
    callbacks : sequence of callable
        Each is called as ``callback(study, trial)`` after each query, with the study so far.
    **options
        Passed on to the method.

    Returns
    -------
    Study
        ``study.seed`` is `rng` itself for an int, else a seed drawn from it that repeats the search.

    Raises
    ------
    TypeError, ValueError
        For a benchmark without ``space`` and ``evaluate``, an unknown method, options that the method does not
        have, and an unusable budget or rng.
    EvaluationError
        When the first ten evaluations, or all of a smaller budget, failed.
    KeyboardInterrupt
        On Ctrl-C, as always. This and every other exception that ends the search carries the study so far in its
        attribute ``study``; a trial whose evaluation was cut off is pending there.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> study = search(NASBench201("cifar10"), method="random", budget=5, rng=0)
    >>> [trial.state for trial in study.trials]
    ['complete', 'complete', 'complete', 'complete', 'complete']
    """
    check_benchmark(benchmark)
    listening = listener(progress)
    callbacks = _checked_callbacks(callbacks)
    seed = rng if is_int(rng) else seed_of(rng)
    optimiser = make_optimiser(method, benchmark.space, seed, budget, options)
    study = Study(
        benchmark=_text(getattr(benchmark, "name", None)),
        dataset=_text(getattr(benchmark, "dataset", None)),
        objective=_text(getattr(benchmark, "objective", None)),
        method=method if isinstance(method, str) else optimiser.name,
        seed=operator.index(seed),
        budget=optimiser.budget,
        options=options,
        history=optimiser.history,
        diagnostics=optimiser.diagnostics,
        state="running",
    )
    try:
        with listening:
            optimiser.on_progress = listening.report
            _run(benchmark, optimiser, study, callbacks)
        study.state = "complete"
    except BaseException as error:
        study.state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(AttributeError):  # an exception without a __dict__
            error.study = study  # type: ignore[attr-defined]
        raise
    finally:
        optimiser.on_progress = None
        study.diagnostics = optimiser.diagnostics
        _note_results(benchmark, study)
    return study


def _run(benchmark: Any, optimiser: Optimiser, study: Study, callbacks: Iterable[Callback]) -> None:
    evaluation = 0.0
    try:
        while optimiser.remaining > 0:
            trial = optimiser.ask()
            start = perf_counter()
            try:
                value, error = _evaluated(benchmark, trial)
            finally:
                evaluation += perf_counter() - start
            _tell(optimiser, trial, value, error)
            study.seconds = _seconds(optimiser, evaluation)
            for callback in callbacks:
                callback(study, trial)
            _give_up_on_failures(optimiser, trial)
    finally:
        study.seconds = _seconds(optimiser, evaluation)


def _evaluated(benchmark: Any, trial: Trial) -> tuple[Any, str | None]:
    """The value of a trial's cell and None, or None and the text of the error."""
    try:
        return benchmark.evaluate(trial.cell), None
    except Exception as error:
        _log.debug("query %d: traceback of the failure", trial.number + 1, exc_info=True)
        return None, f"{type(error).__name__}: {error}"


def _tell(optimiser: Optimiser, trial: Trial, value: Any, error: str | None) -> None:
    """Tell the value; one that is none (NaN, text) is a failed evaluation."""
    if error is None:
        try:
            measurement = Measurement.of(value)
        except (TypeError, ValueError) as wrong:
            error = str(wrong)
        else:
            optimiser.tell(trial, measurement)
            return
    _log.warning("query %d failed: %s: %s", trial.number + 1, trial.cell, error)
    optimiser.tell(trial, state="failed", error=error)


def _give_up_on_failures(optimiser: Optimiser, last: Trial) -> None:
    """Raise when all of the first ten evaluations, or all of a smaller budget, failed."""
    queries = optimiser.n_told
    if queries == min(_GIVE_UP, optimiser.budget) and not optimiser.history.complete:
        raise EvaluationError(
            f"evaluate: expected values, got {queries} failures in {queries} queries; the last: {last.error}"
        )


def _seconds(optimiser: Optimiser, evaluation: float) -> dict[str, float]:
    """Seconds by phase: those of the method in the order they began, then search and evaluation."""
    own = {name: value for name, value in optimiser.seconds.items() if name != "search"}
    return {**own, "search": optimiser.seconds.get("search", 0.0), "evaluation": evaluation}


def _note_results(benchmark: Any, study: Study) -> None:
    """Note the optimum, and index and test accuracy of the cells that were the best at their time, chosen by value."""
    study.optimum = optimum_of(benchmark)
    chosen = [trial for _, trial in study.history.improvements]
    for trial, index in zip(chosen, _looked_up("index", benchmark.space, chosen)):
        trial.index = None if index is None else int(index)
    if not str(getattr(benchmark, "objective", "")).startswith("test"):
        for trial, test in zip(chosen, _looked_up("test", benchmark, chosen)):
            trial.test = test


def _looked_up(what: str, owner: Any, trials: list[Trial]) -> list[float | None]:
    """What a method of the benchmark, or of its space, says of the cells of trials; empty where there is none."""
    look_up = getattr(owner, what, None)
    if not callable(look_up) or not trials:
        return []
    try:
        found = np.asarray(look_up([trial.cell for trial in trials]), dtype=np.float64).reshape(len(trials))
    except Exception as error:
        _log.warning("%s of the best cells is not known: %s: %s", what, type(error).__name__, error)
        return []
    return [value if np.isfinite(value) else None for value in found.tolist()]


def optimum_of(benchmark: Any) -> float | None:
    """The highest value that a benchmark has; None where it does not know it."""
    known, best = (getattr(benchmark, name, None) for name in ("optimal_value", "optimum"))
    try:
        if callable(known):
            value = known()
        else:  # a benchmark of the user's need not be a Benchmark
            value = benchmark.evaluate(best()) if callable(best) else None
    except Exception as error:  # say, of a table that is not complete
        _log.warning("the optimum is not known: %s: %s", type(error).__name__, error)
        return None
    return None if value is None or not np.isfinite(value) else float(value)


def check_benchmark(benchmark: Any) -> None:
    """Refuse what is no benchmark: an object with ``space`` and ``evaluate(cell)``."""
    if isinstance(benchmark, type):
        raise TypeError(f"benchmark: expected an object, got the class {benchmark.__name__} itself")
    if not hasattr(benchmark, "space") or not callable(getattr(benchmark, "evaluate", None)):
        kind = type(benchmark).__name__
        raise TypeError(f"benchmark: expected an object with `space` and `evaluate(cell)`, got {kind}")


def make_optimiser(method: Any, space: Any, seed: Any, budget: Any, options: dict[str, Any]) -> Optimiser:
    """Make the optimiser of a method, by name or class; options that it does not have are refused."""
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r:.100}")
        name, factory = method, METHODS[method]
    elif isinstance(method, type) and issubclass(method, Optimiser):
        name, factory = method.name, method
    else:
        raise TypeError(f"method: expected a name or a subclass of Optimiser, got {method!r:.100}")
    parameters = inspect.signature(factory).parameters.values()
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        known = {p.name for p in parameters} - {"space", "rng", "budget"}
        unknown = sorted(set(options) - known)
        if unknown:
            expected = ", ".join(sorted(known)) or "none"
            raise TypeError(f"options of method {name!r}: expected {expected}, got {', '.join(unknown)}")
    if budget is None:
        raise TypeError("budget: expected an int, got NoneType")
    optimiser: Optimiser = factory(space, rng=seed, budget=budget, **options)
    return optimiser


def _checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    if callable(callbacks):
        raise TypeError("callbacks: expected a sequence of callables, got one callable; put it into a list")
    checked = tuple(callbacks)
    for callback in checked:
        if not callable(callback):
            raise TypeError(f"callbacks: expected callables, got {type(callback).__name__}")
    return checked


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
