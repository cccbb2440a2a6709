"""Running a search: ask, evaluate and tell until the budget is spent."""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import operator
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import Any

from crlso._base.checks import is_int, real
from crlso._base.environment import environment
from crlso._base.names import refuse_foreign_names
from crlso._base.types import Progress
from crlso.history import Trial
from crlso.journal import Recorder
from crlso.methods import METHODS
from crlso.methods.base import Optimiser, default_budget, reporting
from crlso.methods.naming import parse_method
from crlso.methods.results import read_results
from crlso.objectives import Bounds, Objective
from crlso.random import seed_of
from crlso.studies.evaluation import Outcome
from crlso.studies.goals import Goals, goals_of
from crlso.studies.limits import Limits
from crlso.studies.progress import listener
from crlso.studies.resume import check_same, head_of, observe, opened, replay, results_of
from crlso.studies.study import Study
from crlso.studies.workers import Here, Workers, evaluator

__all__ = ["EvaluationError", "last_study", "make_optimiser", "optimum_of", "search"]

_log = logging.getLogger("crlso.search")

_GIVE_UP = 10  # errors of the program without a value

_GOALS = ("objectives", "constraints")  # of a search, not options of methods

Callback = Callable[[Study, Trial], object]


class EvaluationError(RuntimeError):
    """Raised when a search gets no values, because the evaluation is at fault; ``study`` holds the trials."""

    study: Study


def search(
    benchmark: Any,
    method: str | type[Optimiser] = "cr-lso",
    budget: int | None = None,
    rng: Any = 0,
    progress: bool | Progress | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    objectives: Sequence[str] | None = None,
    constraints: Mapping[str, Any] | None = None,
    journal: str | os.PathLike[str] | None = None,
    known: Any = None,
    workers: int | None = None,
    executor: Any = None,
    timeout: float | None = None,
    deterministic: bool = False,
    target: float | None = None,
    max_seconds: float | None = None,
    **options: Any,
) -> Study:
    """Search for the best cell of a benchmark.

    Each query evaluates one cell of a class that was not evaluated before. An evaluation that raises, or does not
    return a finite number, is logged and counts as a query; its trial is failed and keeps the text of the error, with
    the end of its traceback. The methods learn from failures which cells to avoid.
    After the search, test accuracies are looked up for the cells that improved the best value, if the benchmark has
    them. They do not influence the search.

    Parameters
    ----------
    benchmark : object
        An object with ``space`` and ``evaluate(cell)``, which returns the value to maximise, or a
        :class:`crlso.history.Measurement`. Optional attributes are ``name``, ``dataset``, ``objective`` (what the
        value is), ``optimal_value()`` (the highest value) and ``test(cells)`` (test accuracies of a list of cells).
    method : str or subclass of Optimiser
        A key of :data:`crlso.methods.METHODS`, optionally with options as in ``"evolution:population=10"``, or a
        class. The default is :class:`crlso.CRLSO`.
    budget : int, optional
        Number of queries, from 1 to the number of classes of the space. By default that of the journal, or else 100, or
        all classes of a smaller space, with a warning.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or crlso.random.Stream
        Source of randomness. Equal integers give equal searches.
    progress : bool or callable, optional
        True: bars, on stderr or in the notebook. False: no output. None: bars if stderr is a terminal, and in
        notebooks. A callable is called as ``progress(phase, done, total)``.
    callbacks : sequence of callable
        Each is called as ``callback(study, trial)`` after each query, with the study so far. The search ends after
        this query if one of them raises StopIteration or calls :meth:`Study.stop`.
    objectives : sequence of str, optional
        ``"value"`` and names of the benchmark's measures, with a minus before those to minimise, as in ``["value",
        "-latency:pixel3"]``: the search is for the front of cells that no other dominates, ``study.front``. ``gp`` and
        ``cr-lso`` take up to three measures beside the value, known without a query or returned by evaluations;
        ``nsga2`` and ``random`` take any number.
    constraints : mapping, optional
        Bounds by the names of measures: a number is an upper bound, and text has one or more, as in ``{"parameters":
        1.0, "latency:pixel3": ">= 2, <= 5"}``. Or functions, by any name, that return whether a cell satisfies the
        constraint. Only cells are evaluated that satisfy the functions and the bounds of measures that are known
        without a query. Of measures that evaluations return, ``cr-lso`` and ``gp`` learn which cells are within the
        bounds, ``evolution`` and ``nsga2`` prefer these, and the best cell is one of them.
    journal : path-like, optional
        File to which each event is appended when it happens. If it has events already, the search goes on from them: it
        asks for the cells that it would have asked for without the interruption, those first whose results are missing,
        and evaluates none twice. The budget may be larger than before. :meth:`Study.open` reads the file.
    known : object, optional
        Results of the same task that are known already: a study, a path to a journal, to a file of ``Study.save`` or to
        a CSV file that ``Tabular.from_csv`` reads, a Tabular, or a list of pairs of a cell and what its evaluation
        returned: its value, or a mapping or Measurement with all that objectives and constraints need. The method
        learns from them, they cost no query, and their cells are not asked for. Failed trials of a study count too.
        Results of other tasks are an option of :class:`crlso.CRLSO`, `prior`.
    workers : int, optional
        Number of evaluations that run at the same time. Each runs in a process of its own, which loky starts (``pip
        install 'crlso[parallel]'``) and which ends with this one; functions may come from a notebook. By default,
        cells are evaluated one after the other in this process.
    executor : concurrent.futures.Executor or callable, optional
        Where cells are evaluated instead: an object whose ``submit(function, *arguments)`` returns a future; `workers`
        is by default the number of its workers. Or a callable that makes an executor for one worker, such as ``lambda:
        ProcessPoolExecutor(1)``, by which a worker is replaced that fails or takes too long. One that requires an
        argument gets the number of the worker, from 0.
    timeout : float, optional
        Seconds after which an evaluation has failed, counted from when it was submitted. Its process is killed, but not
        if `executor` is an executor: then its worker is busy until the evaluation ends.
    deterministic : bool
        Whether results of workers are told in the order of trials, so that a search does not depend on which of them
        ends first. A worker that is ahead may have to wait.
    target : float, optional
        A value that is good enough: the search ends with the first result that is at least this, also one that is known
        or in the journal.
    max_seconds : float, optional
        Seconds after which no further query begins, the training of encoders included. Evaluations that run are waited
        for. A search that `target` or this ends has the state ``"stopped"``, and goes on with the same journal and
        other limits.
    **options
        Options of the method.

    Returns
    -------
    Study
        ``study.seed`` repeats the search: it is `rng` if that is an int, otherwise a seed drawn from `rng`.

    Raises
    ------
    TypeError, ValueError
        If the benchmark lacks ``space`` or ``evaluate``, or cannot be sent to workers; if an objective or a constraint
        is unknown or wrong, or too much for the method; if the method, its options, the
        budget, `rng` or another argument is invalid; if the journal is damaged, or is one of another benchmark, method,
        space, seed or option. The message names the line or the difference.
    BlockingIOError
        If another process writes to the journal. The message names the process and its host.
    OSError
        If the journal cannot be read or written, for example because the disk is full, or a file of `known` not read.
    EvaluationError
        If the first evaluation failed by an error of the program, such as TypeError, NameError or a result that is no
        number; if ten did before there was a value; or if all evaluations failed. Other errors, such as MemoryError,
        do not end a search early.
    RuntimeError
        If the workers of an executor are gone. The same call with the same journal goes on.
    ImportError
        If `workers` needs loky, and it is not installed.
    KeyboardInterrupt
        On Ctrl-C. With workers, the first one waits for the evaluations that run, and the second one ends them. Every
        exception that ends the search carries the study so far in its attribute ``study``, and
        :func:`crlso.last_study` returns it. A trial whose evaluation was interrupted is pending there.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> study = search(NASBench201("cifar10"), method="random", budget=5, rng=0)
    >>> [trial.state for trial in study.trials]
    ['complete', 'complete', 'complete', 'complete', 'complete']
    """
    goals = goals_of(benchmark, objectives, constraints)
    benchmark = goals.benchmark
    listening = listener(progress)
    limits = Limits(target, max_seconds)
    callbacks = (limits, *_checked_callbacks(callbacks))
    place = evaluator(benchmark, workers, executor, timeout, deterministic)
    seed = rng if is_int(rng) else seed_of(rng)
    method, options = _with_options(method, options)
    with listening, opened(journal) as recorder:
        with reporting(listening.report):
            optimiser = _begun(goals, method, budget, seed, options, recorder)
            if known is not None:
                observe(optimiser, read_results("known", benchmark.space, known), goals)
        study = _new_study(goals, method, seed, options, optimiser)
        listening.watch(study.history)
        limits.apply(study, study.history.complete)
        try:
            _run(benchmark, place, optimiser, study, callbacks, recorder)
        except BaseException as error:
            _leave_study(study, error, journal)
            raise
    return study


def _new_study(goals: Goals, method: Any, seed: Any, options: dict[str, Any], optimiser: Optimiser) -> Study:
    """Make the study of a search, which shares its history with the optimiser."""
    benchmark = goals.benchmark
    return Study(
        benchmark=_text(getattr(benchmark, "name", None)),
        dataset=_text(getattr(benchmark, "dataset", None)),
        objective=_text(getattr(benchmark, "objective", None)),
        method=method if isinstance(method, str) else optimiser.name,
        seed=operator.index(seed),
        budget=optimiser.budget,
        options=options,
        objectives=tuple(map(str, goals.objectives)),
        constraints=goals.constraints,
        history=optimiser.history,
        diagnostics=optimiser.diagnostics,
        state="running",
        environment=environment(),
    )


def _begun(
    goals: Goals, method: Any, budget: Any, seed: Any, options: dict[str, Any], recorder: Recorder | None
) -> Optimiser:
    """Make the optimiser of a search, which has learned what is in the journal if there is one."""
    benchmark = goals.benchmark
    if recorder is None:
        budget = _given_or_default(budget, benchmark)
        return make_optimiser(method, benchmark.space, seed, budget, options, goals.objectives, goals.bounds)
    journal = recorder.journal
    head = head_of(goals, method, options, seed)
    check_same(journal, head, budget)
    if budget is None:
        budget = _given_or_default(None, benchmark) if journal.head is None else journal.budget
    first = budget if journal.head is None else journal.head["budget"]
    optimiser = make_optimiser(method, benchmark.space, seed, first, options, goals.objectives, goals.bounds)
    replay(journal, optimiser, budget)
    recorder.begin({**head, "budget": optimiser.budget})
    recorder.follow(optimiser.history, lambda: optimiser.note)
    return optimiser


def last_study() -> Study:
    """Return the study of the search that was begun last in this process, for example after Ctrl-C in a notebook.

    A search begins with its first query. One that ends earlier, while its method trains encoders, has no study.

    Returns
    -------
    Study
        The study itself, not a copy.

    Raises
    ------
    RuntimeError
        If there was no search.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> study = search(NASBench201("cifar10"), method="random", budget=5, rng=0)
    >>> last_study() is study
    True
    """
    if _last is None:
        raise RuntimeError("last_study: expected a search in this process, got none")
    return _last


_last: Study | None = None


def _run(
    benchmark: Any,
    place: Here | Workers,
    optimiser: Optimiser,
    study: Study,
    callbacks: Iterable[Callback],
    recorder: Recorder | None,
) -> None:
    """Run a search to its end, however it ends."""
    global _last
    _last = study
    try:
        with place:
            _query(place, optimiser, study, callbacks)
        study.state = "stopped" if optimiser.remaining else "complete"
    except BaseException as error:
        study.state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        raise
    finally:
        optimiser.on_progress = None
        study.diagnostics = optimiser.diagnostics
        _note_results(benchmark, study)
        if recorder is not None:
            _note_end(recorder, study)


def _query(place: Here | Workers, optimiser: Optimiser, study: Study, callbacks: Iterable[Callback]) -> None:
    """Ask, evaluate and tell until the budget is spent or the study is stopped."""
    evaluation, program_errors = 0.0, 0
    waiting = deque(optimiser.pending)  # trials of an earlier run without a result
    optimiser.report("search", optimiser.n_told, optimiser.budget)  # at once: the first evaluation may take hours
    try:
        while True:
            while place.has_room and not (study.stopping or place.is_interrupted):
                if not (waiting or optimiser.remaining > 0):
                    break
                place.begin(waiting.popleft() if waiting else optimiser.ask())
            start = perf_counter()
            try:
                finished = place.finish()
            finally:
                evaluation += perf_counter() - start
            if finished is None:
                break
            trial, outcome = finished
            _tell(optimiser, trial, outcome)
            study.seconds = _seconds(optimiser, evaluation)
            _call(callbacks, study, trial)
            program_errors += outcome.is_program_error
            if not study.stopping:
                _give_up_on_failures(optimiser, outcome, program_errors)
    finally:
        study.seconds = _seconds(optimiser, evaluation)
    place.check()
    if place.is_interrupted:
        raise KeyboardInterrupt


def _call(callbacks: Iterable[Callback], study: Study, trial: Trial) -> None:
    for callback in callbacks:
        try:
            callback(study, trial)
        except StopIteration:
            study.stop()


def _note_end(recorder: Recorder, study: Study) -> None:
    """Write to the journal how the search ended. A disk that is full is no reason to lose the study now."""
    try:
        recorder.stop(study.state, results_of(study))
    except OSError as error:
        _log.warning("the journal lacks the end of the search: %s", error)


def _leave_study(study: Study, error: BaseException, journal: Any) -> None:
    """Let the exception that ended a search carry its study, and say where it is."""
    with contextlib.suppress(AttributeError):  # some exceptions have no __dict__
        error.study = study  # type: ignore[attr-defined]
    where = f"{study.n_queries} of {study.budget} queries are in crlso.last_study()"
    if journal is not None:
        where += f"; the same call goes on from {os.fspath(journal)}"
    if isinstance(error, KeyboardInterrupt) and not error.args:
        error.args = (where,)
    elif sys.version_info >= (3, 11):
        error.add_note(where)


def _tell(optimiser: Optimiser, trial: Trial, outcome: Outcome) -> None:
    if outcome.error is None:
        optimiser.tell(trial, outcome.measurement)
        return
    _log.warning("query %d failed: %s: %s", trial.number + 1, trial.cell, outcome.error)
    optimiser.tell(trial, state="failed", error="\n\n".join(filter(None, (outcome.error, outcome.trace))))


def _give_up_on_failures(optimiser: Optimiser, last: Outcome, program_errors: int) -> None:
    """Raise if there is no value yet, and the program is at fault or the budget is spent."""
    queries = optimiser.n_told
    is_spent = not optimiser.remaining and not optimiser.pending
    if (program_errors == queries == 1 or program_errors == _GIVE_UP or is_spent) and not optimiser.history.complete:
        raise EvaluationError(
            f"evaluate: expected values, got only failures in {queries} queries; the last: {last.error}"
        )


def _seconds(optimiser: Optimiser, evaluation: float) -> dict[str, float]:
    """Seconds by phase: the phases of the method in their order, then search and evaluation."""
    own = {name: value for name, value in optimiser.seconds.items() if name != "search"}
    return {**own, "search": optimiser.seconds.get("search", 0.0), "evaluation": evaluation}


def _note_results(benchmark: Any, study: Study) -> None:
    """Record the optimum, and the indices and test accuracies of cells that improved the value or are in the front."""
    study.optimum = optimum_of(benchmark)
    chosen = study.chosen
    for trial, index in zip(chosen, _looked_up("index", benchmark.space, chosen)):
        trial.index = None if index is None else int(index)
    if not str(getattr(benchmark, "objective", "")).startswith("test"):
        for trial, test in zip(chosen, _looked_up("test", benchmark, chosen)):
            trial.test = test


def _looked_up(what: str, owner: Any, trials: list[Trial]) -> list[float | None]:
    """Call the method `what` of a benchmark or space for the cells of trials; empty if it is missing or fails."""
    look_up = getattr(owner, what, None)
    if not callable(look_up) or not trials:
        return []
    try:
        values = look_up([trial.cell for trial in trials])
        found = [None if value is None else real(what, value) for value in values]
        if len(found) != len(trials):
            raise ValueError(f"expected {len(trials)} numbers, got {len(found)}")
    except Exception as error:
        _log.warning("%s of the best cells is not known: %s: %s", what, type(error).__name__, error)
        return []
    return [value if value is not None and math.isfinite(value) else None for value in found]


def optimum_of(benchmark: Any) -> float | None:
    """Return the highest value of a benchmark.

    Parameters
    ----------
    benchmark : object
        Has ``optimal_value()``, or ``optimum()``, which returns the best cell, or neither.

    Returns
    -------
    float or None
        None if the benchmark does not know it.
    """
    known, best = (getattr(benchmark, name, None) for name in ("optimal_value", "optimum"))
    try:
        if callable(known):
            value = known()
        else:  # any object with space and evaluate is a benchmark
            value = benchmark.evaluate(best()) if callable(best) else None
        number = None if value is None else real("optimum", getattr(value, "value", value))
    except Exception as error:  # for example, an incomplete table
        _log.warning("the optimum is not known: %s: %s", type(error).__name__, error)
        return None
    return number if number is not None and math.isfinite(number) else None


def make_optimiser(
    method: Any,
    space: Any,
    seed: Any,
    budget: Any,
    options: dict[str, Any],
    objectives: Sequence[Objective] = (),
    bounds: Mapping[str, Bounds] = MappingProxyType({}),
) -> Optimiser:
    """Make the optimiser of a method.

    Parameters
    ----------
    method : str or subclass of Optimiser
    space : Space
    seed : int, numpy.random.Generator or numpy.random.SeedSequence
    budget : int
    options : dict
        Options of the method.
    objectives : sequence of Objective
        By default the value alone.
    bounds : mapping
        Constraints on measures that evaluations return.

    Raises
    ------
    TypeError, ValueError
        If the method is unknown, takes one objective only or no such constraints, lacks one of the options, or an
        argument is invalid.
    """
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
        known = {p.name for p in parameters} - {"space", "rng", "budget", *_GOALS}
        unknown = sorted(set(options) - known)
        refuse_foreign_names("search", unknown, {*known, "rng", "budget"})
        if unknown:
            expected = ", ".join(sorted(known)) or "none"
            raise TypeError(f"options of method {name!r}: expected {expected}, got {', '.join(unknown)}")
    if budget is None:
        raise TypeError("budget: expected an int, got NoneType")
    if len(objectives) > 1:
        if not any(p.name == "objectives" for p in parameters):
            raise ValueError(f"objectives: expected 'value' alone for the method {name}, got {len(objectives)}")
        options = {**options, "objectives": objectives}
    if bounds:
        if not any(p.name == "constraints" for p in parameters):
            measures = ", ".join(bounds)
            raise ValueError(
                f"constraints: expected measures that are known without a query for the method {name}, got {measures}"
            )
        options = {**options, "constraints": bounds}
    optimiser: Optimiser = factory(space, rng=seed, budget=budget, **options)
    return optimiser


def _with_options(method: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a method without the options in its text, and all options."""
    if not isinstance(method, str):
        return method, options
    name, written = parse_method(method)
    twice = sorted(set(written) & set(options))
    if twice:
        raise TypeError(f"method: expected each option once, got {', '.join(twice)} in {method!r:.100} and by name")
    return name, {**written, **options}


def _given_or_default(budget: Any, benchmark: Any) -> Any:
    return default_budget(benchmark.space) if budget is None else budget


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
