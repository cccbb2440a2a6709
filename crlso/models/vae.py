"""The graph VAE: a variational autoencoder of cells, whose latent space a jointly trained convex surrogate shapes.

Source: X. Rao et al., arXiv 2211.05950.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_members
from crlso._base.types import EpochProgress
from crlso._core import Tensor
from crlso.assets import asset_path
from crlso.models import shapes
from crlso.models.base import CellModel, check_points, check_targets, train
from crlso.models.frozen import FrozenDecoder, FrozenEncoder
from crlso.models.graph import CellBatch, CellEncoding, GraphTrunk
from crlso.models.surrogate import ICNNSurrogate
from crlso.nn import SLOPE, Linear, Module
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space, check_is_space, check_space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AuxiliaryHeads", "GraphVAE"]


class _Encoder(Module):
    """Message-passing layers, whose features are summed over nodes; two affine heads for mean and log variance."""

    def __init__(self, space: Space, width: int, latent: int, layers: int, stream: Stream, dtype: str) -> None:
        self.trunk = GraphTrunk(space, width, layers, stream.child("trunk"), dtype=dtype)
        scale = 1.0 / space.n_nodes  # keeps the sum over nodes at unit scale
        self.mu = Linear(width, latent, stream.child("mu"), gain=scale, dtype=dtype)
        self.log_variance = Linear(width, latent, stream.child("log_variance"), gain=0.1 * scale, dtype=dtype)

    def __call__(self, batch: CellBatch) -> tuple[Tensor, Tensor]:
        weight = _core.concat([self.mu.weight, self.log_variance.weight])
        bias = _core.concat([tensor for tensor in (self.mu.bias, self.log_variance.bias) if tensor is not None])
        both = self.trunk.pooled(batch, weight, bias)
        latent = self.mu.weight.shape[0]
        return both.slice(0, latent, axis=1), both.slice(latent, 2 * latent, axis=1)

    def freeze(self) -> _core.FrozenEncoder:
        """Return a snapshot of the map to the means, whose weights are packed once."""
        return self.trunk.freeze(self.mu.weight, self.mu.bias)


class _Block(Module):
    """Residual block ``h + B leaky_relu(A h + a) + b``."""

    def __init__(self, width: int, stream: Stream, dtype: str) -> None:
        self.inner = Linear(width, width, stream.child("inner"), activation="leaky_relu", dtype=dtype)
        self.outer = Linear(width, width, stream.child("outer"), dtype=dtype)

    def __call__(self, h: Tensor) -> Tensor:
        return h + self.outer(self.inner(h))


class _Decoder(Module):
    """``tanh(affine z)``, two residual blocks, and an affine map to the logits: (n, sum of cardinalities)."""

    def __init__(self, space: Space, width: int, latent: int, stream: Stream, dtype: str) -> None:
        self.groups = space.layout.groups
        self.first = Linear(latent, width, stream.child("first"), activation="tanh", dtype=dtype)
        self.blocks = [_Block(width, stream.child(f"block{i}"), dtype) for i in range(2)]
        self.logits = Linear(width, sum(space.cardinalities), stream.child("logits"), dtype=dtype)

    def __call__(self, z: Any) -> Tensor:
        h = self.first(z)
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.logits(h)
        return logits

    def freeze(self) -> _core.FrozenDecoder:
        """Return a snapshot whose weights are packed once."""
        inside = [layer for block in self.blocks for layer in (block.inner, block.outer)]
        return _core.FrozenDecoder([(layer.weight, layer.bias) for layer in (self.first, *inside, self.logits)], SLOPE)

    def cross_entropy(self, logits: Tensor, codes: npt.NDArray[np.integer[Any]]) -> Tensor:
        """Return the cross entropy of codes (n, codes per cell), summed over codes and averaged over cells."""
        parts, first = [], 0
        for begin, end, k in self.groups:
            width = (end - begin) * k
            part = logits if len(self.groups) == 1 else _core.slice(logits, first, first + width, axis=1)
            parts.append(_core.softmax_cross_entropy(_core.reshape(part, (-1, end - begin, k)), codes[:, begin:end]))
            first += width
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class AuxiliaryHeads(Protocol):
    """Protocol of heads that are trained together with a :class:`GraphVAE`.

    They make its latents predict something besides the cell; :class:`crlso.models.SideInformation` is an example.

    Attributes
    ----------
    name : str
        Name of the random stream that the training uses.
    """

    name: str

    def initialise(self, latent: int, stream: Stream) -> list[Module]:
        """Make new heads and return them; :meth:`GraphVAE.fit` trains their parameters.

        Parameters
        ----------
        latent : int
            Length of a latent.
        stream : Stream
            Source of the initial values.
        """

    def loss(self, z: Tensor, positions: npt.NDArray[np.int64]) -> Tensor:
        """Return the loss of a batch as a Tensor of one element.

        Parameters
        ----------
        z : Tensor, shape (n, latent)
            Sampled latents.
        positions : ndarray of int64, shape (n,)
            Positions of their cells among those given to :meth:`GraphVAE.fit`.
        """


class GraphVAE(CellModel):
    """Variational autoencoder of cells, as CR-LSO uses it (arXiv 2211.05950).

    The loss of a batch is a sum of up to three terms, each averaged over cells:

    - the cross entropy of the codes, summed over codes;
    - `kl_weight` times the KL divergence from N(0, 1), summed over latent dimensions;
    - if targets are given, `surrogate_weight` times the squared error of an input-convex network on the latents.

    The decoder and this network, which is trained jointly, see sampled latents ``mu + sigma_scale * sigma * noise``.
    :meth:`encode` returns mu.

    Parameters
    ----------
    space : Space
        Space of the cells.
    width, latent, layers : int
        Width of hidden layers, number of latent dimensions (both at least 1), and number of message-passing layers (at
        least 2).
    epochs : int
        Number of passes over the cells in training.
    batch_size : int
        Number of cells in a step of the training.
    learning_rate : float
        Learning rate of Adam in the first step. It falls to 0 along a cosine.
    betas : tuple of float
        Decay rates of the two moments of Adam.
    weight_decay : float
        This times a parameter is added to its gradient.
    max_norm : float, optional
        Largest global norm of the gradients, to which they are clipped; None does not clip.
    kl_weight, surrogate_weight, sigma_scale : float
        Weights of the loss, and scale of the sampled noise.
    surrogate : ICNNSurrogate, optional
        Its parameters are those of the network that is trained jointly if targets are given. The object itself is not
        trained.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Seed of the initial parameters, the order of the cells and the noise.

    Attributes
    ----------
    encoder_, decoder_ : Module
        The trained networks.
    surrogate_ : ICNNSurrogate or None
        The jointly trained surrogate; None if no targets were given.
    history_ : list of float
        Mean loss of each epoch.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> vae = GraphVAE(space, width=16, epochs=1, rng=0).fit(space.all_codes()[:512])
    >>> vae.decode(vae.encode([0, 1, 2])).shape
    (3, 6)
    """

    _kind = "graph-vae"
    _least: ClassVar = {"width": 1, "latent": 1, "layers": 2}

    def __init__(
        self,
        space: Space,
        *,
        width: int = 64,
        latent: int = 16,
        layers: int = 3,
        epochs: int = 15,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 3e-5,
        max_norm: float | None = 5.0,
        kl_weight: float = 0.005,
        surrogate_weight: float = 1.0,
        sigma_scale: float = 0.01,
        surrogate: ICNNSurrogate | None = None,
        rng: Any = 0,
    ) -> None:
        self.space = space
        self.width = width
        self.latent = latent
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.betas = betas
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.kl_weight = kl_weight
        self.surrogate_weight = surrogate_weight
        self.sigma_scale = sigma_scale
        self.surrogate = surrogate
        self.rng = rng

    def initialise(self, *, dtype: str = "float32") -> Self:
        """Make a new encoder and decoder without training them.

        Parameters
        ----------
        dtype : {'float32', 'float64'}
            Type of the parameters.

        Returns
        -------
        GraphVAE
            Itself.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> GraphVAE(NASBench201(), width=8, latent=4).initialise().encode([6111]).shape
        (1, 4)
        """
        self._check_sizes()
        self._stream = self._new_stream()
        self._dtype = dtype
        sizes = (self.space, self.width, self.latent)
        self.encoder_ = _Encoder(*sizes, self.layers, self._stream.child("encoder"), dtype)
        self.decoder_ = _Decoder(*sizes, self._stream.child("decoder"), dtype)
        self.surrogate_: ICNNSurrogate | None = None
        self.history_: list[float] = []
        return self

    def _new_stream(self) -> Stream:
        return Stream(seed_of(self.rng)).child("vae")

    def loss(
        self,
        batch: CellBatch,
        codes: npt.NDArray[np.integer[Any]],
        noise: npt.ArrayLike,
        targets: Any = None,
        head_loss: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of one batch; the class says what it consists of.

        Parameters
        ----------
        batch : CellBatch
            n cells.
        codes : ndarray of int, shape (n, codes per cell)
            Codes of the same cells.
        noise : array_like, shape (n, latent)
            Standard normal numbers of the model's dtype.
        targets : array_like, shape (n,), optional
            Errors for the surrogate.
        head_loss : callable, optional
            Takes the sampled latents (n, latent) and returns the loss of auxiliary heads, which is added.

        Returns
        -------
        Tensor
            One element.
        """
        self._check_fitted()
        check_members("batch", batch, ("graph", "kinds", "rows"), "a CellBatch")
        mu, log_variance = self.encoder_(batch)
        z = _core.gaussian(mu, log_variance, noise, scale=self.sigma_scale)
        total = self.decoder_.cross_entropy(self.decoder_(z), codes)
        total = total + _core.kl_normal(mu, log_variance) * self.kl_weight
        if targets is not None and self.surrogate_ is not None:
            total = total + _core.mse(self.surrogate_.network_(z), targets) * self.surrogate_weight
        return total if head_loss is None else total + head_loss(z)

    def fit(
        self,
        cells: Any,
        targets: npt.ArrayLike | None = None,
        *,
        heads: AuxiliaryHeads | None = None,
        warm_start: bool = False,
        on_epoch: EpochProgress | None = None,
    ) -> Self:
        """Train on cells.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts. No accuracy is needed.
        targets : array_like, shape (n,), optional
            Measured or predicted errors, for the surrogate that shapes the latent space. Their squared error is part
            of the loss: they should be of order 1, as ``1 - accuracy`` is.
        heads : AuxiliaryHeads, optional
            Heads to train jointly, for example :class:`crlso.models.SideInformation`.
        warm_start : bool
            Whether to start from the present parameters of a fitted or pretrained model instead of new ones.
        on_epoch : callable, optional
            Called as ``on_epoch(done, epochs)`` after each epoch.

        Returns
        -------
        GraphVAE
            Itself.

        Raises
        ------
        TypeError, ValueError
            If there are no cells, `cells` are not cells of the space, or `targets` is not one finite number per cell.
        NotFittedError
            With `warm_start`, if the model was never fitted.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> model.n_features_in_
        6
        """
        codes = self.space.codes(cells)
        if len(codes) == 0:
            raise ValueError("cells: expected at least one, got none")
        errors = None if targets is None else check_targets(targets, len(codes), "targets")
        if heads is not None:
            check_members("heads", heads, ("name", "initialise", "loss"), "auxiliary heads")
        if warm_start:
            self._check_fitted()
            self._stream = self._new_stream()
        else:
            self.initialise()
        stream = self._stream if heads is None else Stream(seed_of(self.rng)).child(heads.name)
        modules: list[Module] = [self.encoder_, self.decoder_]
        modules += [] if heads is None else heads.initialise(self.latent, stream)
        if errors is not None:
            self.surrogate_ = self._new_surrogate(float(errors.mean()))
            modules.append(self.surrogate_.network_)
        encoding = CellEncoding(self.encoder_.trunk, codes)
        classes = codes.astype(np.int64)

        def loss(positions: npt.NDArray[np.int64], step: int) -> Tensor:
            noise = stream.normal("noise", step, (len(positions), self.latent))
            wanted = None if errors is None else errors[positions]
            head_loss = None if heads is None else lambda z: heads.loss(z, positions)
            return self.loss(encoding.batch(positions), classes[positions], noise, wanted, head_loss)

        self.history_ = train(
            [tensor for module in modules for tensor in module.parameters()],
            loss,
            len(codes),
            stream,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            max_norm=self.max_norm,
            on_epoch=on_epoch,
        )
        return self

    def _new_surrogate(self, mean: float) -> ICNNSurrogate:
        """Make a surrogate with the parameters of the given one, which does not change."""
        if self.surrogate is not None and not isinstance(self.surrogate, ICNNSurrogate):
            raise TypeError(f"surrogate: expected an ICNNSurrogate or None, got {type(self.surrogate).__name__}")
        params = {"rng": self.rng} if self.surrogate is None else self.surrogate.get_params(deep=False)
        return ICNNSurrogate(**params).initialise(self.latent, mean)

    @classmethod
    def pretrained(cls, space: Space) -> Self:
        """Load the model of a space that comes with crlso; it was trained on cells alone, without any accuracy.

        Parameters
        ----------
        space : Space
            :class:`crlso.spaces.NASBench101` or :class:`crlso.spaces.DARTS`.

        Returns
        -------
        GraphVAE

        Raises
        ------
        FileNotFoundError
            If the space has no pretrained model.

        Examples
        --------
        >>> from crlso.spaces import DARTS
        >>> space = DARTS()
        >>> GraphVAE.pretrained(space).encode(space.sample(2, rng=0)).shape
        (2, 64)
        """
        check_is_space(space)
        asset = space.shipped.encoder
        if asset is None:
            raise FileNotFoundError(
                f"space: expected one with a pretrained model (NASBench101, DARTS), got {space.name:.200}; "
                "fit a GraphVAE of its cells instead"
            )
        return cls.load(asset_path(asset), space)

    def encode(self, cells: Any) -> npt.NDArray[np.float32]:
        """Return the latents of cells: the means, without noise.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float32, shape (n, latent)
            One latent for each cell, in their order.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> model.encode(cells[:3]).shape
        (3, 4)
        """
        return self.freeze_encoder().encode(cells)

    def freeze_encoder(self) -> FrozenEncoder:
        """Return a snapshot of the encoder that is fast for many calls with few cells each.

        :meth:`encode` makes such a snapshot in every call, which pays off only for many cells.

        Returns
        -------
        FrozenEncoder
            It does not change when the model is trained again.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> encoder = GraphVAE(NASBench201(), width=16, rng=0).initialise().freeze_encoder()
        >>> encoder.encode([0, 1, 2]).shape
        (3, 16)
        """
        self._check_fitted()
        return FrozenEncoder(self.space, self.encoder_.freeze())

    def transform(self, cells: Any) -> npt.NDArray[np.float32]:
        """Return the latents of cells, as :meth:`encode` does: the step of a pipeline before a regression.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float32, shape (n, latent)
            One latent for each cell, in their order.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> cells = NASBench201().sample(8, rng=0)
        >>> GraphVAE(NASBench201(), width=8, epochs=1, rng=0).fit_transform(cells).shape
        (8, 16)
        """
        return self.encode(cells)

    def fit_transform(self, cells: Any, targets: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
        """Train on cells, see :meth:`fit`, and return their latents, shape (n, latent).

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.
        targets : array_like, shape (n,), optional
            Errors of the cells, see :meth:`fit`.

        Returns
        -------
        ndarray of float32, shape (n, latent)
            One latent for each cell, in their order.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> model.fit_transform(cells).shape
        (20, 4)
        """
        return self.fit(cells, targets).encode(cells)

    def decode(self, z: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the codes of the most likely cells at latents.

        In spaces with free edges the cells are pruned, and some may be invalid; check them with ``space.valid``.

        Parameters
        ----------
        z : array_like, shape (n, latent)
            Latents of n cells.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            One cell for each latent.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        TypeError, ValueError
            If `z` has another shape or holds anything but finite real numbers.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> model.decode(model.encode(cells[:3])).shape
        (3, 6)
        """
        decoder = self.freeze_decoder()
        return decoder.decode(check_points(z, self.latent, self._dtype))

    def freeze_decoder(self) -> FrozenDecoder:
        """Return a snapshot of the decoder that is fast for many calls with few latents each.

        :meth:`decode` makes such a snapshot in every call, which pays off only for many latents.

        Returns
        -------
        FrozenDecoder
            It does not change when the model is trained again.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> decoder = GraphVAE(NASBench201(), width=16, rng=0).initialise().freeze_decoder()
        >>> decoder.decode(np.zeros((3, 16))).shape
        (3, 6)
        """
        self._check_fitted()
        return FrozenDecoder(self.space, self.decoder_.freeze())

    def score(self, cells: Any, y: Any = None) -> float:
        """Return the share of cells that ``decode(encode(cells))`` reproduces exactly.

        Parameters
        ----------
        cells : array_like
            At least one cell: anything that ``space.codes`` accepts.
        y : object
            Ignored; scikit-learn passes it.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If there are no cells.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> 0 <= model.score(cells) <= 1
        True
        """
        codes = self.space.codes(cells)
        if len(codes) == 0:
            raise ValueError("cells: expected at least one, got none")
        return float((self.decode(self.encode(codes)) == codes).all(axis=1).mean())

    def _modules(self) -> dict[str, Module]:
        modules: dict[str, Module] = {"encoder": self.encoder_, "decoder": self.decoder_}
        if self.surrogate_ is not None:
            modules["surrogate"] = self.surrogate_.network_
        return modules

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model and its jointly trained surrogate to an npz file without pickle.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> bool((GraphVAE.load(path, space).encode(cells) == model.encode(cells)).all())
        True
        """
        params = self._saved_params()
        surrogate = None if self.surrogate_ is None else self.surrogate_._saved_params()
        self._write_file(path, {**params, "space": self.space.name, "surrogate": surrogate})

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
        GraphVAE

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
        >>> cells = space.sample(20, rng=0)
        >>> model = GraphVAE(space, width=8, latent=4, epochs=2).fit(cells)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> GraphVAE.load(path, space).latent
        4
        """
        file = cls._read_file(path)
        params = file.params
        check_space(params.pop("space"), space)
        with cls._reading(path):
            surrogate = params.pop("surrogate")
            if surrogate is not None:
                surrogate = ICNNSurrogate(**surrogate).set_params(**ICNNSurrogate._checked_params(surrogate))
            model = cls(space, **params, surrogate=surrogate)
            states = file.states(model._shapes())
            model.initialise()
            if surrogate is not None:
                model.surrogate_ = surrogate.initialise(model.latent)
            model._load_states(states)
        return model

    def _shapes(self) -> shapes.Shapes:
        """Names and shapes of the arrays in a file."""
        self._check_sizes()
        width, latent = self.width, self.latent
        yield from shapes.inside("encoder/trunk", shapes.trunk(self.space, width, self.layers))
        for head in ("mu", "log_variance"):
            yield from shapes.inside(f"encoder/{head}", shapes.linear(width, latent))
        yield from shapes.inside("decoder/first", shapes.linear(latent, width))
        for i, layer in itertools.product(range(2), ("inner", "outer")):
            yield from shapes.inside(f"decoder/blocks.{i}.{layer}", shapes.linear(width, width))
        yield from shapes.inside("decoder/logits", shapes.linear(width, sum(self.space.cardinalities)))
        if self.surrogate is not None:
            yield from shapes.inside("surrogate", self.surrogate._shapes(latent), "/")
