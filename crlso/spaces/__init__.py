"""Spaces of cells: what can be searched."""

from crlso.spaces.cell import Cell
from crlso.spaces.darts import DARTS
from crlso.spaces.nasbench101 import NASBench101
from crlso.spaces.nasbench201 import NASBench201
from crlso.spaces.space import CellSpace

__all__ = ["DARTS", "Cell", "CellSpace", "NASBench101", "NASBench201"]
