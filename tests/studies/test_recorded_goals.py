"""Searches for known measures ask for the recorded cells: what is learned beside them changes none."""

from __future__ import annotations

import pytest

from crlso.benchmarks import NASBench201
from crlso.studies import search

BENCH = NASBench201("cifar10")
GOALS = {
    "front": {"objectives": ["value", "-latency:pixel3"]},
    "bound": {"constraints": {"latency:pixel3": 5.0}},
    "both": {"objectives": ["value", "flops"], "constraints": {"latency:pixel3": 5.0}},
}
BUDGETS = {"front": 40, "bound": 30, "both": 30}  # with which they were recorded
# Canonical keys of the cells, of the first 24 queries.
RECORDED = {
    "cr-lso/front": """
        8549 14822 10433 8509 11894 15312 13523 11468 7812 0 3911 1277 651 1903 6527 677 11028 7902 25 7918
        10903 7777 4032 652
    """,
    "cr-lso/bound": """
        7857 3687 6812 6439 12731 2504 4034 3281 3937 7812 12687 3662 6512 1302 7821 7412 7407 7662 7161 13912
        7037 7657 6412 7637
    """,
    "cr-lso/both": """
        7857 3687 6812 6439 12731 2504 4034 3281 7812 3937 12687 6562 7687 7811 7807 7754 7821 7662 13912 7186
        7037 6412 7161 7777
    """,
    "gp/front": """
        8549 14822 10433 8509 6583 5413 10964 12238 11894 15312 13523 11468 12223 10214 11164 11542 4032 7162
        7657 6527 7812 7902 11162 7787
    """,
    "gp/bound": """
        7857 3687 6812 6439 7152 7682 6602 7777 12731 2504 4034 3281 7662 7637 2527 7139 7162 6537 7186 13912
        7782 7161 4657 7812
    """,
    "gp/both": """
        7857 3687 6812 6439 7152 7682 6602 7777 12731 2504 4034 3281 7662 7637 2527 7139 7812 7811 6562 7807
        7412 4657 7161 7687
    """,
    "nsga2/front": """
        9606 11491 8894 9817 13628 14252 8893 9284 9802 7459 11812 14612 8798 14738 10239 11513 8532 3917
        13987 3473 1278 7007 10241 8388
    """,
    "nsga2/bound": """
        2529 4254 1252 9027 6431 7632 7657 6414 7049 15231 13282 6434 7446 7134 3407 7681 6487 7152 12777 6127
        25 7061 6509 6432
    """,
    "nsga2/both": """
        2529 4254 1252 9027 6431 7632 7657 6414 7049 15231 13282 6434 7446 7134 3407 7681 6487 7152 12777 6127
        25 7061 6509 6432
    """,
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_cells(name):
    method, what = name.split("/")
    study = search(
        BENCH,
        method,
        BUDGETS[what],
        0,
        progress=False,
        callbacks=[lambda study, trial: trial.number < 23 or study.stop()],
        **GOALS[what],
    )
    assert [study.history.key_of(trial) for trial in study.trials] == [*map(int, RECORDED[name].split())]
