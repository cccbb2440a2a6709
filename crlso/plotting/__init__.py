"""Pictures of cells, searches, models and latent spaces, in matplotlib alone (``pip install 'crlso[plot]'``).

Every function takes the axes to draw on and returns them, so that pictures can be combined.
"""

from crlso.plotting.cells import plot_cell
from crlso.plotting.curves import plot_comparison, plot_optimum, plot_trajectory
from crlso.plotting.fronts import plot_front
from crlso.plotting.latents import plot_latent_map, plot_segment
from crlso.plotting.models import plot_ranks, plot_training

__all__ = [
    "plot_cell",
    "plot_comparison",
    "plot_front",
    "plot_latent_map",
    "plot_optimum",
    "plot_ranks",
    "plot_segment",
    "plot_training",
    "plot_trajectory",
]


def __dir__() -> list[str]:
    return __all__
