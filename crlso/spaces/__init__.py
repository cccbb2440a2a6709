"""Spaces of cells to search.

:class:`CellSpace` makes a space of your own; the others are those of published benchmarks, with the same methods. A
space makes :class:`Cell` objects of text or codes and back, knows which cells are possible and which are equal, samples
them and finds neighbours. Importing this package makes the cells of all published spaces known by their names.

Examples
--------
>>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
>>> cell = space.cell("conv(0)+pool(0,1)+output(2)")
>>> cell.operations
('conv', 'pool')
>>> [(graph.labels, len(graph.edges)) for graph in cell.graphs]
[(('in', 'conv', 'pool', 'out'), 4)]
>>> len(space), len(space.neighbours(cell))
(43, 6)
"""

from crlso.spaces.cell import Cell
from crlso.spaces.darts import DARTS
from crlso.spaces.drawing import Graph
from crlso.spaces.named import space_named
from crlso.spaces.nasbench101 import NASBench101
from crlso.spaces.nasbench201 import NASBench201
from crlso.spaces.nasbenchmacro import NASBenchMacro
from crlso.spaces.space import CellSpace

__all__ = ["DARTS", "Cell", "CellSpace", "Graph", "NASBench101", "NASBench201", "NASBenchMacro", "space_named"]


def __dir__() -> list[str]:
    return __all__
