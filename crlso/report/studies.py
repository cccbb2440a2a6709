"""The parts of a report on one search."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from crlso._base.colours import FAINT, SERIES
from crlso._base.displays import drawing, facts, safe
from crlso._base.tables import number
from crlso.comparison.curves import curve_of, value_floor
from crlso.diagnostics import LatentMap, latent_map
from crlso.objectives import VALUE, Objective
from crlso.report.charts import RAMP, Axis, Dot, Line, chart, key, ramp
from crlso.report.page import section, sortable
from crlso.studies import Study

__all__ = ["study_parts"]

_log = logging.getLogger("crlso.report")

_BEST, _TRIALS, _FAILED = SERIES[0], "#707070", SERIES[1]
_MOST_CELLS = 12  # of a front that are drawn
_MANY = 500  # trials, whose points are smaller
_LONGEST = 160  # letters of a text in a tooltip


def study_parts(study: Study, model: Any, space: Any) -> tuple[str, str, list[str]]:
    """Return the title, the line below it, and the sections of a report on a search.

    Parameters
    ----------
    study : Study
    model, space : object or None
        Of the latent map, see :func:`crlso.diagnostics.latent_map`.
    """
    where = " / ".join(part for part in (study.benchmark, study.dataset) if part) or "a benchmark without a name"
    lead = f"{study.n_queries} of {study.budget} queries, {study.state}; crlso {study.version}"
    sections = [
        section("Summary", facts(study.summary())),
        _cells(study),
        section("Progress", _progress(study)),
        section("Front", _front(study)),
        section("Latent map", _map(study, model, space)),
        section("Trials", _trials(study)),
        section("Environment", facts(_environment(study))),
    ]
    return f"{study.method} on {where}", lead, sections


def _cells(study: Study) -> str:
    """The best cell, or the cells of the front, drawn."""
    if not study.trajectory:
        return ""
    if len(study.objectives) == 1:
        return section("Best cell", f"<p>{safe(_numbers_of(study, study.best))}</p>", drawing(study.best.cell))
    cells = study.front[:_MOST_CELLS]
    parts = [f'<div class="cell"><p>{safe(_line(study, trial))}</p>{drawing(trial.cell)}</div>' for trial in cells]
    more = len(study.front) - len(cells)
    return section("Cells of the front", *parts, f"<p>and {more} more, see the trials</p>" if more else "")


def _line(study: Study, trial: Any) -> str:
    """A trial in one line."""
    return f"{_numbers_of(study, trial)}, {str(trial.cell)[:_LONGEST]}"


def _numbers_of(study: Study, trial: Any) -> str:
    """The number of a trial and what is known of it."""
    parts = [f"trial {trial.number}"]
    if trial.value is not None:
        parts.append(f"{study.objective or VALUE} {number(trial.value)}")
        parts += [f"{aim.name} {number(aim.of(trial))}" for aim in _further(study) if aim.of(trial) is not None]
    if trial.test is not None:
        parts.append(f"test {number(trial.test)}")
    if trial.error is not None:
        parts.append(f"failed: {(trial.error.splitlines() or [''])[0]}"[:_LONGEST])
    return ", ".join(parts)


def _further(study: Study) -> list[Objective]:
    return [aim for aim in map(Objective.parse, study.objectives) if aim.name != VALUE]


def _tip(study: Study, trial: Any) -> str:
    """What is shown where the pointer is."""
    return f"{_numbers_of(study, trial)}\n{str(trial.cell)[:_LONGEST]}"


# -- charts -----------------------------------------------------------------------------------------------------------


def _progress(study: Study) -> str:
    if not study.trajectory:
        return "<p>No query has a value yet.</p>"
    curve = curve_of(study.trajectory, study.n_queries)
    queries = _queries(study)
    values = {number: trial.value for number, trial in enumerate(study.trials) if trial.value is not None}
    floor = value_floor([curve])
    least = min(np.quantile(list(values.values()), 0.1), np.inf if floor is None else floor)
    shown = [value for value in values.values() if value >= least]
    x = Axis("queries", 0.0, max(queries[-1], 1) * 1.02)
    y = Axis.over(f"{study.objective or VALUE}", shown)
    dots = []
    for trial in study.trials:
        at = queries[trial.number]
        if trial.state == "failed":
            dots.append(Dot(at, y.low, _FAILED, _tip(study, trial), f"trial-{trial.number}", is_cross=True))
        elif trial.value is not None:
            size = 4.0 if len(study.trials) < _MANY else 2.5
            dots.append(Dot(at, trial.value, _TRIALS, _tip(study, trial), f"trial-{trial.number}", size))
    below = len(values) - len(shown)
    about = f"Values of the trials and the best value so far by query, up to {number(study.best.value)}."
    entries = [(_BEST, "best so far"), (_TRIALS, "trials")]
    entries += [(_FAILED, "failed")] if any(trial.state == "failed" for trial in study.trials) else []
    note = f"<p class='small'>{below} of {len(values)} values are lower and not shown.</p>" if below else ""
    line: Any = Line(curve.queries, curve.values, _BEST, is_step=True)
    return chart("Values by query", about, x, y, [line, *dots]) + key(entries) + note


def _queries(study: Study) -> list[int]:
    """The query of each trial, counted as in the trajectory: pending ones and observations do not count."""
    found, query = [], 0
    for trial in study.trials:
        query += trial.asked and trial.state != "pending"
        found.append(query)
    return found


def _front(study: Study) -> str:
    """The trials by two objectives; nothing with another number of objectives."""
    aims = [Objective.parse(text) for text in study.objectives]
    known = [trial for trial in study.trials if all(aim.of(trial) is not None for aim in aims)]
    if len(aims) != 2 or not known:
        return ""
    points = np.array([[aim.of(trial) for aim in aims] for trial in known], dtype=np.float64)
    best = np.array([[aim.of(trial) for aim in aims] for trial in study.front], dtype=np.float64)
    y, x = (_axis(aim, points[:, i], best[:, i], study) for i, aim in enumerate(aims))
    members = {trial.number for trial in study.front}
    dots = [
        Dot(
            b,
            a,
            _BEST if t.number in members else _TRIALS,
            _tip(study, t),
            f"trial-{t.number}",
            5 if t.number in members else 3.5,
        )
        for t, (a, b) in zip(known, points)
    ]
    corners = [(best[0, 0], (x.high, x.low)[aims[1].sign > 0])]
    for here, there in zip(best, [*best[1:], ((y.low, y.high)[aims[0].sign < 0], 0.0)]):
        corners += [(here[0], here[1]), (there[0], here[1])]
    edge = np.array(corners)
    about = f"Trials by {aims[0].name} and {aims[1].name}: {len(members)} of {len(known)} are in the front."
    marks: list[Any] = [Line(edge[:, 1], edge[:, 0], _BEST), *dots]
    return chart("Trials by two objectives", about, x, y, marks) + key([(_BEST, "front"), (_TRIALS, "other trials")])


def _axis(aim: Objective, numbers: Any, best: Any, study: Study) -> Axis:
    """The axis of an objective: it shows the front, and all trials but the worst tenth."""
    worst = aim.sign * min(np.quantile(aim.sign * numbers, 0.1), (aim.sign * best).min())
    return Axis.over(study.objective or VALUE if aim.name == VALUE else aim.name, [worst, *best])


def _map(study: Study, model: Any, space: Any) -> str:
    if len(study.trials) < 3:
        return ""
    try:
        found = latent_map(study, model, space)
    except (ValueError, TypeError, AttributeError, OSError) as error:
        if model is not None or space is not None:
            raise
        _log.warning("no latent map: %s", error)
        return ""
    return _drawn_map(study, found)


def _drawn_map(study: Study, found: LatentMap) -> str:
    both = np.concatenate([found.background, found.points])
    x, y = (Axis.over(f"axis {i + 1}", both[:, i]) for i in (0, 1))
    curve = [trial.value for trial in study.trials if trial.value is not None]
    low, high = (float(np.quantile(curve, 0.1)), max(curve)) if curve else (0.0, 0.0)
    marks: list[Any] = [Dot(a, b, "#bbbbbb", size=2) for a, b in found.background]
    path = [trial.number for _, trial in study.history.improvements]
    if len(path) > 1:
        marks.append(Line(found.points[path, 0], found.points[path, 1], FAINT, is_thin=True, is_dotted=True))
    for trial, (a, b) in zip(study.trials, found.points):
        if trial.state == "pending":
            continue
        is_cross = trial.value is None
        colour = _FAILED if trial.value is None else ramp((trial.value - low) / (high - low or 1.0))
        size = 7 if path and trial.number == path[-1] else 4.5
        marks.append(Dot(a, b, colour, _tip(study, trial), f"trial-{trial.number}", size, is_cross))
    about = f"Cells of the search as points: {found.what}. The dotted line goes from each improvement to the next."
    stops = ",".join(RAMP)
    scale = (
        f'<p class="small">{safe(number(low))} or less<span class="scale" style="background:linear-gradient(90deg,'
        f'{stops})"></span>{safe(number(high))}. Largest point: the best cell. Dotted: from each improvement to the '
        f"next. Grey: other cells of the space. Points are {safe(found.what)}.</p>"
    )
    return chart("Cells of the search", about, x, y, marks, has_ticks=False) + scale


# -- tables -----------------------------------------------------------------------------------------------------------


def _trials(study: Study) -> str:
    further = list(dict.fromkeys(name for trial in study.trials for name in _numbers(trial)))
    notes = list(dict.fromkeys(str(name) for trial in study.trials for name in trial.user_attrs))
    header = ["trial", "state", "value", *further, "test", "cell", *notes, "error"]
    rows = []
    for trial in study.trials:
        known, attrs = _numbers(trial), {str(name): value for name, value in trial.user_attrs.items()}
        rows.append(
            [
                str(trial.number),
                trial.state if trial.asked else f"observed, {trial.state}",
                _text(trial.value),
                *(_text(known.get(name)) for name in further),
                _text(trial.test),
                str(trial.cell),
                *(_text(attrs.get(name)) for name in notes),
                trial.error or "",
            ]
        )
    texts = ["state", "cell", "error", *notes]
    is_used = [any(row[i] for row in rows) or i < 3 for i in range(len(header))]
    header, *rows = [[text for text, used in zip(row, is_used) if used] for row in (header, *rows)]
    hint = '<p class="small screen">Click on a heading to sort. A click on a point above shows its row.</p>'
    return hint + sortable("Trials", header, rows, texts, [f"trial-{trial.number}" for trial in study.trials])


def _numbers(trial: Any) -> Mapping[str, float]:
    """Further objectives and bounded measures of a trial."""
    return {} if trial.measurement is None else {**trial.measurement.constraints, **trial.measurement.objectives}


def _text(value: Any) -> str:
    return "" if value is None else number(value)


def _environment(study: Study) -> list[tuple[str, str]]:
    rows = [("crlso", study.version), *study.environment.items()]
    rows += [(f"option {name}", str(value)) for name, value in study.options.items()]
    return [*rows, *((f"seconds of {name}", f"{value:.2f}") for name, value in study.seconds.items())]
