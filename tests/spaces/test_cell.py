"""Cells are values, and are known by the name of their space in any process."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from crlso.spaces import Cell

from .examples import FREE_NODES, by_name, random_rows


def test_a_space_is_known_by_its_name_in_another_process():
    cell = FREE_NODES.cell("conv(0)+pool(0,1)+output(2)")
    code = (
        "import pickle, sys; cell = pickle.loads(sys.stdin.buffer.read()); "
        "from crlso.spaces import Cell; assert Cell(cell.space, cell.codes) == cell; print(cell)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(cell), capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(cell)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), [("nasbench201", 6), ("nasbench101", 26), ("darts", 28)])
def test_cells_of_the_benchmarks_are_known_by_name_in_a_new_process(name, n):
    code = f"from crlso.spaces.cell import Cell; print(Cell({name!r}, (0,) * {n}).space)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == name


@by_name
def test_cells_are_values(space):
    row, *others = random_rows(space, 50, seed=1)
    other = next(other for other in others if (other != row).any())
    cell = space.cell(row)
    assert pickle.loads(pickle.dumps(cell)) == cell == space.cell(row.tolist()) and len({cell, space.cell(row)}) == 1
    assert cell != space.cell(other) and all(type(code) is int for code in cell.codes)


@pytest.mark.parametrize("bad", [(True,) * 6, (1.0,) * 6, ("a",) * 6, (None,) * 6, 3, ([1],) * 6])
def test_codes_are_integers(bad):
    with pytest.raises(TypeError, match="codes: expected 6 integers from 0 to 4"):
        Cell("nasbench201", bad)
