"""What the suite measures: queries to the goal, ranks of the best cell, regrets, and the standing of methods.

A task has a goal, its best cell unless stated. *Queries* of a search are those until its goal, or budget + 1. Its
*score* is the logarithm of its queries; if it did not arrive, the regret that remains, in standard deviations of the
task's values, is added, so that the nearer of two searches that did not arrive is the better one. Methods are ranked by
score among the searches of the same task and seed (1 is best, ties share their mean rank). The *mean rank* of a method
is over all seeds and tasks, each task with equal weight. Its first interval is a bootstrap over seeds, the tasks as
they are; the second one draws tasks as well, as if they were a sample of independent tasks, though those of one
benchmark are related. Paired tests are signed rank tests of scores by seed.

The *ratio* of a method on a task is how many times the queries of the best method there it needs, by geometric means of
the exponentials of scores. A method is *behind* where the ratio is above 1.1 and p < 0.05, Holm-corrected for the
number of tasks. The best method of a task is chosen by the same searches, which flatters it: two equal methods have
ratios above 1 too.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from crlso.comparison import signed_rank_test
from crlso.random import Stream

MARKS = (16, 32, 64, 100)
LEVEL = 0.05  # of the tests
RATIO = 1.1  # of queries, from which on a method is behind
RESAMPLES = 2000
_EPSILON = 1e-9  # a value this close to another counts as equal
Standings = dict[str, Any]


def standings(tasks: Any, records: list[dict[str, Any]], budget: int) -> Standings:
    """Rank methods by the records of their searches.

    Parameters
    ----------
    tasks : sequence of benchmarks.suite.Task
    records : list of dict
        Complete records of :func:`crlso.compare`, of the same seeds for each task and method.
    budget : int
        Queries of each search.

    Returns
    -------
    dict
        Plain data: ``methods``, ``seeds``, ``budget``, ``marks``; ``tasks``, with the goal and a row for each method;
        ``overall``, a row for each method over the tasks that are not for reporting only; and ``pairs``.
    """
    labels = list(dict.fromkeys(record["label"] for record in records))
    seeds = sorted({record["seed"] for record in records})
    marks = [mark for mark in MARKS if mark < budget] + [budget]
    documents, scores, values = [], {}, {}
    for task in tasks:
        mine = [record for record in records if _names(record) == tuple(map(_text, task.key))]
        by_search = {(record["label"], record["seed"]): record for record in mine}
        found = [[_measured(task, by_search[label, seed], marks, budget) for seed in seeds] for label in labels]
        reference = task.reference(seeds[0])
        rows = [_row(label, some, marks) for label, some in zip(labels, found)]
        documents.append(
            {
                "task": task.name,
                "reporting": task.reporting,
                "cells": len(reference),
                "sd": float(reference.std()),
                "goal_rank": task.goal_rank if task.goal is None else None,
                "goal": _goal(task, reference),
                "rows": rows,
            }
        )
        scores[task.name] = np.array([[search["score"] for search in some] for some in found])
        values[task.name] = np.array([[search["values"] for search in some] for some in found])
    counted = [task.name for task in tasks if not task.reporting]
    comparisons = {name: _compared(labels, scores[name]) for name in scores}
    for document in documents:
        document["pairs"] = comparisons[document["task"]]
    overall = []
    if counted:
        overall = _overall(labels, [scores[name] for name in counted], [values[name] for name in counted], marks)
        for row, cases in zip(overall, _cases(labels, [d for d in documents if not d["reporting"]])):
            row["worst"] = max(cases, key=lambda case: case["ratio"])
            row["behind"] = [c["task"] for c in cases if c["ratio"] > RATIO and c["p_holm"] < LEVEL]
    pairs = _pairs(labels, {name: scores[name] for name in counted})
    return {
        "methods": labels,
        "seeds": len(seeds),
        "budget": budget,
        "marks": marks,
        "tasks": documents,
        "overall": overall,
        "pairs": pairs,
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _names(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("benchmark", "dataset", "objective"))


def _goal(task: Any, reference: Any) -> float:
    return float(reference[-task.goal_rank] if task.goal is None else task.goal)


def _measured(task: Any, record: dict[str, Any], marks: list[int], budget: int) -> dict[str, Any]:
    """Numbers of one search."""
    reference = task.reference(record["seed"])
    goal, sd = _goal(task, reference), float(reference.std())
    best = float(reference[-1] if task.best is None else task.best)
    steps = record["trajectory"]
    query = next((step["query"] for step in steps if step["value"] >= goal - _EPSILON), None)
    at = [max((s["value"] for s in steps if s["query"] <= mark), default=float(reference[0])) for mark in marks]
    capped = budget + 1 if query is None else query
    lacking = 0.0 if query is not None else max(0.0, goal - at[-1]) / sd
    return {
        "queries": capped,
        "score": math.log(capped) + lacking,
        "values": at,
        "ranks": [1 + int((reference > value + _EPSILON).sum()) for value in at],
        "regrets": [(best - value) / sd for value in at],
        "seconds": sum(time for phase, time in record["seconds"].items() if phase != "evaluation"),
        "encoders": record["seconds"].get("encoders", 0.0),
        "reached": query is not None,
        "at_optimum": at[-1] >= best - _EPSILON,
    }


def _row(label: str, searches: list[dict[str, Any]], marks: list[int]) -> dict[str, Any]:
    """Numbers of a method on a task."""
    queries = [search["queries"] for search in searches]
    return {
        "method": label,
        "queries": float(np.exp(np.mean(np.log(queries)))),
        "score": float(np.mean([search["score"] for search in searches])),
        "queries_median": float(np.median(queries)),
        "reached": float(np.mean([search["reached"] for search in searches])),
        "at_optimum": float(np.mean([search["at_optimum"] for search in searches])),
        "rank": _by_mark(marks, np.exp(np.log([search["ranks"] for search in searches]).mean(axis=0))),
        "regret": _by_mark(marks, np.mean([search["regrets"] for search in searches], axis=0)),
        "seconds": float(np.mean([search["seconds"] for search in searches])),
        "encoder_seconds": float(np.mean([search["encoders"] for search in searches])),
    }


def _by_mark(marks: list[int], numbers: Any) -> dict[str, float]:
    return {str(mark): float(number) for mark, number in zip(marks, numbers)}


def ranks(scores: Any) -> Any:
    """Return the ranks of methods, 1 for the lowest score; equal ones share their mean rank.

    Parameters
    ----------
    scores : ndarray, shape (methods, n)

    Returns
    -------
    ndarray, shape (methods, n)
    """
    a, b = scores[:, None], scores[None]
    return 1 + (b < a - _EPSILON).sum(axis=1) + 0.5 * ((np.abs(a - b) <= _EPSILON).sum(axis=1) - 1)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method.

    References
    ----------
    Holm: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6 (1979).
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for position, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[i]))
        corrected[i] = highest
    return corrected


def _compared(labels: list[str], scores: Any) -> list[dict[str, Any]]:
    """Paired tests of the methods on a task."""
    return [
        {"a": labels[i], "b": labels[j], "p": signed_rank_test(scores[i], scores[j])}
        for i, j in itertools.combinations(range(len(labels)), 2)
    ]


def _overall(labels: list[str], scores: list[Any], values: list[Any], marks: list[int]) -> list[dict[str, Any]]:
    """Mean ranks of methods over tasks, with bootstrap intervals over seeds, and over tasks and seeds."""
    by_task = np.stack([ranks(some) for some in scores])  # (tasks, methods, seeds)
    n_tasks, _, n_seeds = by_task.shape
    at_marks = [np.mean([ranks(-some[:, :, m]).mean(axis=1) for some in values], axis=0) for m in range(len(marks))]
    stream = Stream(0)
    drawn = stream.integers("seeds", 0, (RESAMPLES, n_tasks, n_seeds), n_seeds)
    some_tasks = stream.integers("tasks", 0, (RESAMPLES, n_tasks), n_tasks)
    rows = []
    for i, label in enumerate(labels):
        means = by_task[np.arange(n_tasks)[:, None], i, drawn].mean(axis=2)  # (resamples, tasks)
        over_tasks = np.take_along_axis(means, some_tasks, axis=1).mean(axis=1)
        rows.append(
            {
                "method": label,
                "mean_rank": float(by_task[:, i].mean()),
                "mean_rank_ci": _interval(means.mean(axis=1), n_seeds),
                "mean_rank_ci_tasks": _interval(over_tasks, n_tasks),
                "mean_rank_at": {str(mark): float(at[i]) for mark, at in zip(marks, at_marks)},
            }
        )
    return rows


def _interval(means: Any, n: int) -> list[float] | None:
    """Interval of resampled means; None for fewer than two things to draw from."""
    return None if n < 2 else np.quantile(means, [0.025, 0.975]).tolist()


def _pairs(labels: list[str], scores: dict[str, Any]) -> list[dict[str, Any]]:
    """For each pair of methods, the tasks on which one is ahead, with p-values corrected for the number of tasks."""
    found = []
    for i, j in itertools.combinations(range(len(labels)), 2):
        differences = [some[j] - some[i] for some in scores.values()]
        p = [signed_rank_test(some[i], some[j]) or 0.0 for some in scores.values()]
        pair: dict[str, Any] = {"a": labels[i], "b": labels[j]}
        for kind, some in (("", p), ("_holm", holm(p))):
            clear = [(name, d) for name, d, q in zip(scores, differences, some) if q < LEVEL]
            pair[f"wins{kind}"] = [name for name, d in clear if _signed_ranks(d) > 0]
            pair[f"losses{kind}"] = [name for name, d in clear if _signed_ranks(d) < 0]
        found.append(pair)
    return found


def _signed_ranks(differences: Any) -> float:
    """Sum of the signed ranks of differences."""
    return float((np.sign(differences) * ranks(np.abs(differences)[:, None])[:, 0]).sum())


def _cases(labels: list[str], documents: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """For each method, how it compares with the best method of each task."""
    found = []
    for i in range(len(labels)):
        cases = []
        for document in documents:
            means = [row["score"] for row in document["rows"]]
            best = int(np.argmin(means))
            p = next((q["p"] for q in document["pairs"] if {q["a"], q["b"]} == {labels[i], labels[best]}), 1.0)
            ratio = math.exp(means[i] - means[best])
            cases.append({"task": document["task"], "best": labels[best], "ratio": ratio, "p": p})
        others = [case for case in cases if case["best"] != labels[i]]  # where there is something to test
        for case in cases:
            case["p_holm"] = 1.0
        for case, q in zip(others, holm([case["p"] for case in others])):
            case["p_holm"] = q
        found.append(cases)
    return found


def text_of(found: Standings) -> str:
    """Return the tables as text."""
    marks = [str(mark) for mark in found["marks"]]
    header = ["task", "method", "queries", "median", "at goal", "at optimum", *(f"rank @{m}" for m in marks)]
    header += [*(f"regret @{m}" for m in marks), "s", "s encoders"]
    rows = [header]
    for document in found["tasks"]:
        for row in document["rows"]:
            rows.append(
                [
                    document["task"] + (" (reporting)" if document["reporting"] else ""),
                    row["method"],
                    f"{row['queries']:.1f}",
                    f"{row['queries_median']:.4g}",
                    f"{100 * row['reached']:.0f} %",
                    f"{100 * row['at_optimum']:.0f} %",
                    *(f"{row['rank'][m]:.1f}" for m in marks),
                    *(f"{row['regret'][m]:.3f}" for m in marks),
                    f"{row['seconds']:.1f}",
                    f"{row['encoder_seconds']:.1f}",
                ]
            )
    overall = [["method", "mean rank", "95 %", "95 % (tasks)", *(f"@{m}" for m in marks), "behind on", "worst case"]]
    for row in found["overall"]:
        intervals = [row["mean_rank_ci"], row["mean_rank_ci_tasks"]]
        worst = row["worst"]
        case = f"{worst['ratio']:.2f} x {worst['best']} on {worst['task']}, p = {worst['p_holm']:.2g}"
        overall.append(
            [
                row["method"],
                f"{row['mean_rank']:.3f}",
                *("" if ends is None else f"{ends[0]:.3f}-{ends[1]:.3f}" for ends in intervals),
                *(f"{row['mean_rank_at'][m]:.3f}" for m in marks),
                str(len(row["behind"])),
                case,
            ]
        )
    lines = [
        f"{pair['a']} against {pair['b']}: ahead on {len(pair['wins'])}, behind on {len(pair['losses'])} "
        f"(p < {LEVEL}); Holm-corrected {len(pair['wins_holm'])}, {len(pair['losses_holm'])}"
        for pair in found["pairs"]
    ]
    goals = [
        f"goal of {document['task']}: "
        + (f"{document['goal']:g}" if document["goal_rank"] is None else f"the {document['goal_rank']} best cells")
        for document in found["tasks"]
        if document["goal_rank"] != 1
    ]
    return "\n\n".join(filter(None, ["\n".join(goals), _aligned(rows, 2), _aligned(overall, 1), "\n".join(lines)]))


def _aligned(rows: list[list[str]], left: int) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(text.ljust(w) if i < left else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths)))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
