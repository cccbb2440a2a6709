"""Layouts: names of spaces, and arguments of which no space can be made."""

from __future__ import annotations

import pytest

import crlso
from crlso.benchmarks import Function
from crlso.spaces import Cell, CellSpace
from crlso.spaces.layout import layout_from_name, layout_of

from .examples import COMPLETE, SPACES


@pytest.mark.parametrize("space", SPACES[:6], ids=lambda space: space.name)
def test_names_give_the_layout_back(space):
    assert layout_from_name(space.name) == layout_of(space.name) == space.layout
    assert CellSpace(nodes=3, operations=("a", "b", "c")) == COMPLETE and hash(COMPLETE) == hash(
        CellSpace(3, "a b c".split())
    )


@pytest.mark.parametrize(
    "name",
    [
        "cells[]",
        "cells[nodes=4;inputs=1;on=edges;edges=free;max=None;ops=a,a]",
        "cells[nodes=99;inputs=1;on=edges;edges=free;max=None;ops=a]",
        "cells[nodes=4;inputs=1;on=edges;edges=0-9;max=None;ops=a]",
        "cells[nodes=4;inputs=1;on=edges;edges=0-1.x;max=None;ops=a]",
        "cells[nodes=04;inputs=1;on=edges;edges=free;max=None;ops=a]",
        "x" * 10000,
    ],
)
def test_names_of_no_space_are_refused(name):
    with pytest.raises(ValueError, match="space: expected"):
        Cell(name, (0,))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"nodes": 1}, ValueError, "nodes: expected 2 to 16, got 1"),
        ({"nodes": 17}, ValueError, "nodes"),
        ({"nodes": 4.0}, TypeError, "nodes: expected an int"),
        ({"input_nodes": 4}, ValueError, "input_nodes: expected fewer"),
        ({"operations": []}, ValueError, "operations: expected 1 to 200"),
        ({"operations": "conv"}, TypeError, "operations: expected a sequence"),
        ({"operations": ["a", "a"]}, ValueError, "different names"),
        ({"operations": ["a|b"]}, ValueError, "operations: expected names without"),
        ({"operations": [1]}, TypeError, "operations: expected names"),
        ({"operations": ["output"]}, ValueError, "operations"),
        ({"operations_on": "both"}, ValueError, "operations_on: expected"),
        ({"edges": "some"}, ValueError, "edges: expected 'complete'"),
        ({"edges": [(1, 0)]}, ValueError, "source < target"),
        ({"edges": []}, ValueError, "edges"),
        ({"edges": 3}, TypeError, "edges"),
        ({"edges": [(0, 1, 2)]}, TypeError, "edges"),
        ({"max_edges": 3}, ValueError, "None without edges='free'"),
        ({"max_edges": 0, "edges": "free"}, ValueError, "max_edges"),
        ({"max_edges": "3", "edges": "free"}, TypeError, "max_edges"),
        ({"nodes": 2, "operations_on": "nodes"}, ValueError, "room for an operation"),
    ],
)
def test_spaces_that_cannot_be(arguments, error, words):
    with pytest.raises(error, match=words):
        CellSpace(**{"nodes": 4, "operations": ["a", "b"], **arguments})


def test_roles_of_operations_are_declared_and_part_of_the_name():
    space = CellSpace(3, ["a", "b", "c"], zero=["b"], identity=["a"])
    assert space.layout.dead_operations == {1} and space.layout.identities == {0}
    assert layout_from_name(space.name) == space.layout
    assert (
        space != CellSpace(3, ["a", "b", "c"]) and CellSpace(3, ["none", "skip"]).layout.dead_operations == frozenset()
    )
    for roles, error, message in (
        ({"zero": "b"}, TypeError, "zero: expected a sequence of operations, got str"),
        ({"zero": ["d"]}, ValueError, "zero: expected one of a, b, c, got 'd'"),
        (
            {"identity": ["b"], "zero": ["b", "c"]},
            ValueError,
            "identity: expected other operations than those of zero, got b",
        ),
    ):
        with pytest.raises(error, match=message):
            CellSpace(3, ["a", "b", "c"], **roles)


@pytest.mark.parametrize("method", ["gp", "evolution", "local", "random"])
def test_a_search_does_not_depend_on_the_names_of_operations(method):
    def cells(names, **roles):
        space = CellSpace(4, names, **roles)
        bench = Function(space, lambda cell: float(sum(i * (7 * code % 5) for i, code in enumerate(cell.codes))))
        return [trial.cell.codes for trial in crlso.search(bench, method, 30, 1).trials]

    assert cells(["none", "skip", "conv"]) == cells(["a", "b", "c"])
    assert cells(["none", "skip", "conv"], zero=["none"]) == cells(["a", "b", "c"], zero=["a"])
