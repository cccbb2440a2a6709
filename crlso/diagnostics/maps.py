"""Maps of latent spaces: cells as points of the plane."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_members
from crlso._base.types import Codes, Floats
from crlso.models import shipped_latents, shipped_vaes
from crlso.spaces import space_named

__all__ = ["LatentMap", "latent_map", "principal_axes", "space_of"]


@dataclasses.dataclass(frozen=True)
class LatentMap:
    """Cells of a search, and others of the space around them, as points of the plane.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        The trials, in order.
    background : ndarray, shape (m, 2)
        Random cells of the space.
    what : str
        What was projected, and how, as text.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=5)
    >>> latent_map(study, background=20).points.shape
    (5, 2)
    """

    points: Floats
    background: Floats
    what: str


def latent_map(
    study: Any, model: Any = None, space: Any = None, projector: Any = None, background: int = 1000
) -> LatentMap:
    """Return where the cells of a search are in a latent space, in two dimensions.

    Parameters
    ----------
    study : Study
        A search with at least one trial.
    model : object, optional
        With ``encode(cells)``, such as :class:`crlso.models.GraphVAE`: latents (n, d) of canonical cells. By default,
        the encoders that come with crlso for the space, and one-hot codes of the cells where there are none.
    space : Space, optional
        By default that of the cells.
    projector : object, optional
        With ``fit_transform(x)``, such as UMAP or t-SNE, which returns points (n, 2). By default, the two principal
        axes.
    background : int
        Number of random cells of the space to put on the map too.

    Returns
    -------
    LatentMap
        Points of the trials and of random cells, and a text on what was projected.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, the study has no trial, or latents or points are not finite numbers.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=5)
    >>> latent_map(study).points.shape
    (5, 2)
    """
    check_members("study", study, ("history", "trials"), "a Study")
    if not study.trials:
        raise ValueError("study: expected trials, got none")
    check_int("background", background, 0)
    codes = study.history.rows_of(study.trials)
    around = codes[:0]
    space = space_of(study) if space is None else space
    if space is not None:
        check_members("space", space, ("canonicalise", "sample_up_to", "classes"), "a space of cells")
    if space is not None and background:
        around = space.canonicalise(space.sample_up_to(background, rng=0))
    encode, what = _encoder(space, model)
    cells = np.concatenate([around, codes])
    latents = _checked("model", encode(cells), len(cells))
    if projector is None:
        points, how = latents @ principal_axes(latents), "the two principal axes"
    else:
        check_members("projector", projector, ("fit_transform",), "an object with fit_transform")
        points, how = projector.fit_transform(latents), type(projector).__name__
    points = _checked("projector", points, len(cells), 2)
    return LatentMap(points[len(around) :], points[: len(around)], f"{what}, by {how}")


def space_of(study: Any) -> Any:
    """Return the space of the cells of a study; None if they do not say it."""
    try:
        return space_named(study.trials[0].cell.space)
    except (AttributeError, TypeError, ValueError):
        return None


def principal_axes(x: npt.ArrayLike) -> Floats:
    """Return the two directions in which points vary most, shape (d, 2); the largest entry of each is positive.

    Parameters
    ----------
    x : array_like, shape (n, d)

    Examples
    --------
    >>> np.abs(principal_axes([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 1.0, 1.0]]).round(2) + 0.0).T.tolist()
    [[0.97, 0.25, 0.0], [0.25, 0.97, 0.0]]
    """
    points = np.asarray(x, dtype=np.float64)
    covariance = np.atleast_2d(np.cov(points, rowvar=False)) if len(points) > 1 else np.eye(points.shape[1])
    vectors = np.linalg.eigh(covariance)[1][:, ::-1]
    axes = np.zeros((points.shape[1], 2))
    axes[:, : min(2, points.shape[1])] = vectors[:, :2]
    signs: Floats = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return np.asarray(axes * np.where(signs == 0, 1.0, signs))


def _encoder(space: Any, model: Any) -> tuple[Callable[[Codes], Any], str]:
    """A function that returns latents of canonical cells, and what they are."""
    if model is not None:
        check_members("model", model, ("encode",), "a model with encode(cells)")
        return model.encode, f"latents of {type(model).__name__}"
    shipped = "latents of the encoder that comes with crlso"
    if space is not None and hasattr(space, "shipped"):
        latents = shipped_latents(space)
        if latents is not None:
            return (lambda codes: latents[0][space.classes().locate(codes)]), shipped
        for vae in shipped_vaes(space)[:1]:
            return vae.encode, shipped
    return _one_hot, "one-hot codes of the cells"


def _one_hot(codes: Codes) -> Floats:
    columns = [codes[:, i, None] == np.unique(codes[:, i]) for i in range(codes.shape[1])]
    return np.concatenate(columns, axis=1).astype(np.float64)


def _checked(name: str, given: Any, n: int, width: int | None = None) -> Floats:
    found = np.asarray(given, dtype=np.float64)
    shape = f"({n}, {'d' if width is None else width})"
    if found.ndim != 2 or len(found) != n or (width is not None and found.shape[1] != width):
        raise ValueError(f"{name}: expected an array of shape {shape}, got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return found
