"""Pictures of cells and searches, in matplotlib alone (``pip install 'crlso[plot]'``).

Every function takes the axes to draw on and returns them, so that pictures can be combined.
"""

from crlso.plotting.cells import plot_cell
from crlso.plotting.curves import plot_comparison, plot_optimum, plot_trajectory
from crlso.plotting.fronts import plot_front

__all__ = ["plot_cell", "plot_comparison", "plot_front", "plot_optimum", "plot_trajectory"]


def __dir__() -> list[str]:
    return __all__
