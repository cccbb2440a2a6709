"""Measurements, trials and the history that owns them, on histories small enough to count by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crlso.history import Event, History, Measurement, Trial


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"value": float("nan")}, ValueError, "value: expected a finite number, got nan"),
        ({"value": "90"}, TypeError, "value: expected a number, got str"),
        ({"value": True}, TypeError, "value: expected a number, got bool"),
        ({"value": 1.0, "cost": float("inf")}, ValueError, "cost: expected a finite number, got inf"),
        ({"value": 1.0, "objectives": {"latency": None}}, TypeError, "latency: expected a number, got NoneType"),
        ({"value": 1.0, "constraints": {"size": np.nan}}, ValueError, "size: expected a finite number, got nan"),
    ],
)
def test_a_measurement_refuses_what_is_no_number(fields, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        Measurement(**fields)


def test_a_measurement_holds_plain_floats():
    measured = Measurement(np.float32(1.5), {"latency": np.int64(3)}, cost=2)
    assert (measured.value, measured.objectives, measured.cost) == (1.5, {"latency": 3.0}, 2.0)
    assert {type(x) for x in (measured.value, measured.objectives["latency"], measured.cost)} == {float}
    assert Measurement.of(measured) is measured and Measurement.of(3) == Measurement(3.0)


def test_the_state_of_a_trial_follows_from_what_is_known():
    assert [Trial(0, "c").state, Trial(0, "c", 1.0).state, Trial(0, "c", error="x").state] == [
        "pending",
        "complete",
        "failed",
    ]
    with pytest.raises(ValueError, match="error: expected None for a trial with a measurement, got 'x'"):
        Trial(0, "c", 1.0, error="x")


def test_trials_do_not_share_their_notes():
    first, second = Trial(0, "a"), Trial(1, "b")
    first.user_attrs["x"] = 1
    assert second.user_attrs == {}


def filled() -> History:
    """Asked 0, observed 1, asked 2 and 3; told 3, failed 0; 2 is pending."""
    history = History()
    first = history.ask("a", (0, 1), 10)
    history.observe("b", (1, 1), 11, Measurement(5.0))
    history.ask("c", (2, 1), 12)
    last = history.ask("d", (3, 1), 13)
    history.tell(last, Measurement(7.0, user_attrs={"host": "far"}))
    history.fail(first, "boom")
    return history


def test_what_is_known_of_a_history():
    history = filled()
    assert [trial.state for trial in history.trials] == ["failed", "complete", "pending", "complete"]
    assert history.events == [
        Event("asked", 0),
        Event("observed", 1),
        Event("asked", 2),
        Event("asked", 3),
        Event("told", 3),
        Event("failed", 0),
    ]
    assert (history.n_asked, history.n_queries, history.n_seen, len(history.pending)) == (3, 2, 4, 1)
    np.testing.assert_array_equal(history.values, [5.0, 7.0])
    np.testing.assert_array_equal(history.keys, [11, 13])
    np.testing.assert_array_equal(history.rows, [[1, 1], [3, 1]])
    np.testing.assert_array_equal(history.rows_of(history.pending), [[2, 1]])
    np.testing.assert_array_equal(history.seen([9, 10, 12]), [False, True, True])
    assert history.trials[3].user_attrs == {"host": "far"}
    assert history.best.cell == "d" and [query for query, _ in history.improvements] == [1, 2]


def test_a_class_is_asked_for_or_observed_once():
    history = filled()
    with pytest.raises(ValueError, match="cell: expected a class that was not asked for or observed before, got e"):
        history.ask("e", (0, 1), 11)
    with pytest.raises(ValueError, match="cell: expected a class"):
        history.observe("e", (0, 1), 12, Measurement(1.0))
    assert len(history.trials) == 4 and len(history.events) == 6


def test_an_empty_history():
    history = History()
    assert history.values.shape == (0,) and history.trajectory == [] and history.rows.shape == (0, 0)
    with pytest.raises(ValueError, match="best: expected a complete trial, got none among 0"):
        _ = history.best


def test_a_history_comes_back_from_plain_data():
    class Cell(str):
        codes = (1, 2)

    history = History()
    history.tell(history.ask(Cell("a"), (1, 2), 5), Measurement(3.0, {"latency": 2.0}, {"size": 1.0}, 0.5))
    history.observe(Cell("a"), (1, 2), 6, Measurement(4.0))
    history.ask(Cell("a"), (1, 2), 7)
    document = json.loads(json.dumps(history.to_dict(), allow_nan=False))
    again = History.from_dict(document, lambda codes: Cell("a"))
    assert again == history and again != filled()
    again.tell(again.pending[0], Measurement(9.0))
    assert again.best.number == 2 and again.n_queries == 2 and again != history
