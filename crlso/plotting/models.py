"""Plots of models: predicted against true ranks, and the losses of training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_numbers
from crlso._base.colours import SERIES
from crlso._base.types import Floats
from crlso.models.base import kendall_tau
from crlso.plotting.axes import add_legend, axes_or_new, finish, need_matplotlib

__all__ = ["plot_ranks", "plot_training"]

_RANKS, _TRAINING = (3.6, 3.6), (5.2, 3.4)  # inches


def plot_ranks(predicted: npt.ArrayLike, true: npt.ArrayLike, ax: Any = None) -> Any:
    """Plot predicted against true ranks, rank 1 for the highest value; the title has Kendall's tau-b.

    Parameters
    ----------
    predicted, true : array_like, shape (n,)
        Predictions and values of at least two cells; high ones are good. Of a surrogate that predicts errors, give
        ``-surrogate.predict(z)``. Equal numbers have the mean of their ranks.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If there are not equally many finite numbers, at least two.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> from crlso.models import LatentGP
    >>> bench = NASBench201("cifar10")
    >>> codes = bench.space.sample(60, rng=0)
    >>> values = bench.values(codes)
    >>> model = LatentGP(bench.space).fit(codes[:30], values[:30])
    >>> ax = plot_ranks(model.predict(codes[30:]), values[30:])
    """
    need_matplotlib("plot_ranks")
    n = np.asarray(true).size
    known, guessed = check_numbers("true", true, n), check_numbers("predicted", predicted, n)
    if n < 2:
        raise ValueError(f"true: expected at least two numbers, got {n}")
    ax = axes_or_new(ax, _RANKS)
    ax.plot([1, n], [1, n], color="#8a8a8a", linewidth=1.0, linestyle=":", zorder=1)
    ax.scatter(
        _ranks(known), _ranks(guessed), s=max(4.0, min(22.0, 4000 / n)), color=SERIES[0], alpha=0.6, linewidths=0
    )
    finish(ax, f"Kendall's tau = {kendall_tau(guessed, known):.3f} ({n} cells)", "true rank", "predicted rank")
    ax.set_xlim(0, n + 1)
    ax.set_ylim(0, n + 1)
    ax.set_aspect("equal")
    return ax


def _ranks(values: Floats) -> Floats:
    """Ranks from 1 for the highest value; equal ones have the mean of theirs."""
    inverse, counts = np.unique(-values, return_inverse=True, return_counts=True)[1:]
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return ranks


def plot_training(models: Any, ax: Any = None) -> Any:
    """Plot the losses of the epochs in which models were trained, on a logarithmic axis.

    Parameters
    ----------
    models : object, sequence of numbers, or mapping of str to these
        Fitted models with ``history_``, the mean loss of each epoch, or such losses, by names.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If a model has no losses, or they are not finite numbers. Models that were read from files have none.

    Examples
    --------
    >>> from crlso.models import ICNNSurrogate
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> ax = plot_training(ICNNSurrogate(width=8, epochs=5).fit(z, (z**2).sum(axis=1)))
    """
    need_matplotlib("plot_training")
    named = models if isinstance(models, Mapping) else {type(models).__name__: models}
    curves = {str(name): _losses(name, model) for name, model in named.items()}
    if not curves:
        raise ValueError("models: expected at least one, got none")
    ax = axes_or_new(ax, _TRAINING)
    for (name, losses), colour in zip(curves.items(), itertools.cycle(SERIES)):
        ax.plot(np.arange(1, len(losses) + 1), losses, color=colour, linewidth=1.6, label=name)
    finish(ax, "", "epochs", "mean loss")
    if all((losses > 0).all() for losses in curves.values()):
        ax.set_yscale("log")
    ax.set_xlim(left=1)
    add_legend(ax)
    return ax


def _losses(name: Any, model: Any) -> Floats:
    found = getattr(model, "history_", model)
    if isinstance(found, (str, bytes)) or not np.iterable(found):
        raise TypeError(f"models: expected fitted models with history_, or losses, got {type(model).__name__}")
    losses = check_numbers(f"losses of {name!s:.60}", list(found), len(list(found)), "epoch")
    if not len(losses):
        raise ValueError(f"models: expected losses of at least one epoch, got none of {name!s:.60}")
    return losses
