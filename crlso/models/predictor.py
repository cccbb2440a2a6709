"""The predictor: a graph network that learns the errors of cells from few labels (X. Rao et al., arXiv 2211.05950)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_number
from crlso._base.types import EpochProgress
from crlso.models import shapes
from crlso.models.base import CellRegressor, check_targets, train
from crlso.models.graph import CellBatch, CellEncoding, GraphTrunk
from crlso.models.targets import mean_and_deviation, standardise
from crlso.nn import MLP, Module, no_grad
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space, check_space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Predictor"]


class _Network(Module):
    """Message-passing layers, then an MLP on the concatenated node features of a cell."""

    def __init__(self, space: Space, width: int, layers: int, stream: Stream) -> None:
        self.trunk = GraphTrunk(space, width, layers, stream.child("trunk"))
        self.head = MLP([space.n_nodes * width, width, 1], stream.child("head"))

    def __call__(self, batch: CellBatch) -> Any:
        x = self.trunk.nodes(batch)
        flat = _core.reshape(x, (len(batch.graph), -1))
        return _core.reshape(self.head(flat), -1)


class Predictor(CellRegressor):
    """Regression on cells by message passing.

    An MLP maps the concatenated node features of the last layer to the error (arXiv 2211.05950, predictor). The method
    of the paper uses the predictions as pseudo-labels that shape the latent space.

    Parameters
    ----------
    space : Space
        Space of the cells.
    width, layers : int
        Width and number of the message-passing layers; at least 1 and 2.
    epochs : int
        Number of passes over the cells in training.
    batch_size : int
        Number of cells in a step of the training.
    learning_rate : float
        Learning rate of Adam in the first step. It falls to 0 along a cosine.
    weight_decay : float
        This times a parameter is added to its gradient.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Seed of the initial parameters and of the order of the cells.

    Attributes
    ----------
    network_ : Module
        The trained network.
    mean_, scale_ : float
        Mean and standard deviation of the targets, by which they are standardised for training.
    history_ : list of float
        Mean squared error of each epoch, in standardised units.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> cells = space.sample(20, rng=0)
    >>> Predictor(space, epochs=1, rng=0).fit(cells, np.linspace(0.1, 0.3, 20)).predict(cells).shape
    (20,)
    """

    _kind = "predictor"
    _least: ClassVar = {"width": 1, "layers": 2}

    def __init__(
        self,
        space: Space,
        *,
        width: int = 64,
        layers: int = 4,
        epochs: int = 200,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        rng: Any = 0,
    ) -> None:
        self.space = space
        self.width = width
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.rng = rng

    def _initialise(self) -> Stream:
        self._check_sizes()
        stream = Stream(seed_of(self.rng)).child("predictor")
        self.network_ = _Network(self.space, self.width, self.layers, stream)
        return stream

    def fit(self, cells: Any, y: npt.ArrayLike, *, on_epoch: EpochProgress | None = None) -> Self:
        """Train a new network on labelled cells.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.
        y : array_like, shape (n,)
            Errors of the cells, for example ``1 - accuracy / 100``; any finite numbers in any unit.
        on_epoch : callable, optional
            Called as ``on_epoch(done, epochs)`` after each epoch.

        Returns
        -------
        Predictor
            Itself.

        Raises
        ------
        TypeError, ValueError
            If `cells` are not cells of the space, or `y` is not one finite number per cell.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = Predictor(space, width=8, layers=2, epochs=3).fit(cells, errors)
        >>> model.n_features_in_
        6
        """
        codes = self.space.codes(cells)
        targets = check_targets(y, len(codes), dtype="float64")
        stream = self._initialise()
        self.mean_, self.scale_ = mean_and_deviation(targets)
        standardised = standardise(targets, self.mean_, self.scale_).astype(np.float32)
        encoding = CellEncoding(self.network_.trunk, codes)

        def loss(positions: npt.NDArray[np.int64], step: int) -> Any:
            return _core.mse(self.network_(encoding.batch(positions)), standardised[positions])

        self.history_ = train(
            self.network_.parameters(),
            loss,
            len(codes),
            stream,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            on_epoch=on_epoch,
        )
        return self

    def predict(self, cells: Any) -> npt.NDArray[np.float64]:
        """Predict the errors of cells.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Errors, in the units of the y given to :meth:`fit`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = Predictor(space, width=8, layers=2, epochs=3).fit(cells, errors)
        >>> model.predict(cells[:5]).shape
        (5,)
        """
        self._check_fitted()
        codes = self.space.codes(cells)
        encoding = CellEncoding(self.network_.trunk, codes)
        with no_grad():
            parts = [self.network_(batch).numpy() for batch in encoding.chunks()]
        standardised = np.concatenate(parts) if parts else np.zeros(0)
        return self.mean_ + self.scale_ * standardised.astype(np.float64)

    def _modules(self) -> dict[str, Module]:
        return {"network": self.network_}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an npz file without pickle; NotFittedError before :meth:`fit`.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = Predictor(space, width=8, layers=2, epochs=3).fit(cells, errors)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> bool((Predictor.load(path, space).predict(cells) == model.predict(cells)).all())
        True
        """
        params = {**self._saved_params(), "space": self.space.name}
        self._write_file(path, {**params, "mean_": self.mean_, "scale_": self.scale_})

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: Space) -> Self:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
            The file to read.
        space : Space
            Space of the saved model.

        Returns
        -------
        Predictor

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not such a file, or was written for another space.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = Predictor(space, width=8, layers=2, epochs=3).fit(cells, errors)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> Predictor.load(path, space).width
        8
        """
        file = cls._read_file(path, "mean_", "scale_")
        params = file.params
        check_space(params.pop("space"), space)
        with cls._reading(path):
            mean, scale = (
                check_number("mean_", params.pop("mean_")),
                check_number("scale_", params.pop("scale_"), above=0),
            )
            model = cls(space, **params)
            states = file.states(model._shapes())
            model._initialise()
            model._load_states(states)
        model.mean_, model.scale_ = mean, scale
        return model

    def _shapes(self) -> shapes.Shapes:
        """Names and shapes of the arrays in a file."""
        self._check_sizes()
        yield from shapes.inside("network/trunk", shapes.trunk(self.space, self.width, self.layers))
        sizes = [self.space.n_nodes * self.width, self.width, 1]
        yield from shapes.inside("network/head", shapes.mlp(sizes))
