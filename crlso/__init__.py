"""Neural architecture search in a convex latent space (CR-LSO, arXiv 2211.05950), with its core in C."""

from crlso._core import GraphBatch, Tensor, get_num_threads, set_num_threads
from crlso._version import __version__

__all__ = ["GraphBatch", "Tensor", "__version__", "get_num_threads", "set_num_threads"]
