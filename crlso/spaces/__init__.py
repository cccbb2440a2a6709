"""Spaces of cells: what can be searched."""

from crlso.spaces.cell import Cell, CellFormat
from crlso.spaces.nasbench201 import NASBench201

__all__ = ["Cell", "CellFormat", "NASBench201"]
