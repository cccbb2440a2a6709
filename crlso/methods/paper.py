"""CR-LSO as published: descent on a convex surrogate in the latent space of a graph VAE."""

from __future__ import annotations

import copy
import logging
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_choice, check_int, check_number
from crlso._base.types import Floats
from crlso.methods.base import Optimiser
from crlso.models import FrozenDecoder, GraphVAE, ICNNSurrogate, Predictor
from crlso.models.targets import mean_and_deviation, standardise
from crlso.spaces.base import Preset, Space
from crlso.spaces.keys import Classes

__all__ = ["PaperCRLSO"]

_log = logging.getLogger(__name__)

PARENTS = 10  # number of best evaluated cells that a round starts from
TRIES_PER_NOISE = 50  # number of step sizes tried from one noisy latent
STEPS = 62  # optimisation steps per epoch on NAS-Bench-201, to which presets refer; smaller spaces get more epochs
CALIBRATION = 500  # number of cells used to choose the noise
BISECTIONS = 12
SPREAD = (
    0.13  # standard deviation of the errors that the models see; that of 1 - accuracy on NAS-Bench-201 is 0.10 to 0.15
)
GRID = 2.0**16  # steps per standard deviation to which errors are rounded
FARTHEST = 32.0  # standard deviations to which errors are clipped, and interquartile ranges for those of the sample
NOISES = 10  # noisy latents tried before a neighbour is taken: 500 tries in total


class _Round(NamedTuple):
    """A round: each query proposes a cell from the next of its parents, the best cells of all."""

    number: int
    first: int  # number of queries before it
    latents: npt.NDArray[np.float32]  # of the parents
    codes: npt.NDArray[np.uint8]


class PaperCRLSO(Optimiser):
    """CR-LSO as published: gradient descent on a convex surrogate in the latent space of a graph VAE.

    1. Random cells are evaluated; they count as queries. The negated values, shifted and scaled to a standard
       deviation of 0.13, are the errors: that is what ``1 - accuracy`` has on NAS-Bench-201, and so neither the unit of
       the values nor an offset matters.
    2. A predictor trained on them gives pseudo-labels for all cells. With these, a graph VAE and an input-convex
       network f, the surrogate of the error in the latent space, are trained together.
    3. In each round, f is fine-tuned on the latents of all evaluated cells. Then the latents of the 10 best cells
       are moved by noise and by one gradient step of size eta on f, and decoded.
    4. If the decoded cell was seen before, the step is repeated with ``eta + 0.2``; after 50 steps, new noise is
       drawn; after 500, the best unseen neighbour of the cell is proposed.

    Parameters
    ----------
    space : CellSpace
        If it has more than 20,000 cells, the VAE is trained on a random sample.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
    labels : int, optional
        Number of random cells. By default as published: 300 of 500 queries (600 of 900 on NAS-Bench-101), and three
        fifths of a smaller budget.
    preset : {'fast', 'paper'}
        Model sizes and training lengths; 'paper' has the published ones. See ``space.presets``.
    gradient : bool
        False leaves out the gradient step, so that latents move by noise alone (ablation).
    convex : bool
        False drops the constraint on the weights of the surrogate (ablation).
    regulariser : bool
        False trains the VAE without the surrogate term. The surrogate is then trained on its latents, with the same
        pseudo-labels and number of epochs (ablation).
    noise : float, optional
        Standard deviation of the noise added to latents; by default that of the preset. 'paper' uses the published
        0.5 (0.05 on NAS-Bench-101). 'fast' uses 0.15 on NAS-Bench-201, chosen on CIFAR-10: half of the standard
        deviation of the latents. With 0.5, a move changes three of six edges; below 0.1, most moves decode to cells
        seen before. On other spaces, the noise is chosen so that half of the moves by noise alone change the cell.
    step : float
        Initial step size eta, and its increment.

    Attributes
    ----------
    predictor, vae, surrogate
        The trained models; None until the random cells are evaluated.
    diagnostics : dict
        Among others ``latent_moves`` and ``neighbours``, the numbers of proposals from the latent space and from
        neighbours. ``retries`` is the number of steps that decoded to no new cell before a latent move.

    Raises
    ------
    TypeError, ValueError
        If an option is invalid.

    References
    ----------
    Rao et al.: CR-LSO: convex neural architecture optimization in the latent space of graph variational autoencoder
    with input convex neural networks. arXiv 2211.05950.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> optimiser = PaperCRLSO(NASBench201(), rng=0, budget=500)
    >>> optimiser.ask().number
    0
    """

    name = "cr-lso-paper"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        labels: int | None = None,
        preset: str = "fast",
        gradient: bool = True,
        convex: bool = True,
        regulariser: bool = True,
        noise: float | None = None,
        step: float = 0.2,
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.preset: Preset = space.presets[check_choice("preset", preset, space.presets)]
        if labels is None:
            enough = self.budget >= self.preset.queries
            labels = self.preset.labels if enough else min(self.preset.labels, max(2, 3 * self.budget // 5))
        self.labels = min(check_int("labels", labels, 2), self.budget)
        noise = self.preset.noise if noise is None else noise
        self.noise = None if noise is None else check_number("noise", noise, above=0)
        self.step = check_number("step", step, above=0)
        self.gradient, self.convex, self.regulariser = bool(gradient), bool(convex), bool(regulariser)
        self.predictor: Predictor | None = None
        self.vae: GraphVAE | None = None
        self.surrogate: ICNNSurrogate | None = None
        self._descent: _core.FrozenICNN | None = None  # the surrogate of the current round
        self._decoder: FrozenDecoder | None = None
        self._scale = (0.0, 1.0)  # centre and scale of the values
        self._all = self._training_cells()
        self._sample = self._draw_sample()
        self._first_unseen = 0  # all cells of the sample before this one were seen
        self._round: _Round | None = None
        self.diagnostics.update(labels=self.labels, latent_moves=0, retries=0, neighbours=0)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds; the models are frozen again by the next :meth:`ask`."""
        return {**super().__getstate__(), "_descent": None, "_decoder": None}

    # -- rounds ---------------------------------------------------------------------------------------------------

    def _next(self) -> npt.ArrayLike:
        number, complete = self.history.n_asked, self.history.complete
        if number < self.labels or len(complete) < 2:
            codes = self._next_of_sample()
            if codes is not None:
                return codes
        if len(complete) < 2:
            raise RuntimeError(f"search: expected at least 2 values of {number} cells, got {len(complete)}")
        if self.vae is None:
            self._train()
        begun = self._round
        if begun is None or number == begun.first + len(begun.codes):
            begun = self._begin_round()
        self._freeze()
        return self._propose(begun, number - begun.first)

    def _next_of_sample(self) -> npt.NDArray[np.uint8] | None:
        """The next cell of the random sample whose class was not seen; None if there is none."""
        while self._first_unseen < len(self._sample):
            codes: npt.NDArray[np.uint8] = self._sample[self._first_unseen]
            if not self.seen(codes[None])[0]:
                return codes
            self._first_unseen += 1
        return None

    def _training_cells(self) -> npt.NDArray[np.uint8]:
        """All cells, or a random sample of a large space."""
        if self.is_listed:
            every: npt.NDArray[np.uint8] = self.space.all_codes()
            return every
        wanted = max(self.preset.cells, self.labels)
        drawn: npt.NDArray[np.uint8] = self.space.sample_up_to(wanted, rng=self.stream.child("cells").seed)
        if len(drawn) < self.labels:
            raise ValueError(f"labels: expected at most about {len(drawn)} (the cells found), got {self.labels}")
        return drawn

    def _draw_sample(self) -> npt.NDArray[np.uint8]:
        """One cell of each class of the training cells, in random order."""
        classes = Classes.among(self._all, self.space.canonicalise, self.space.canonical_key)
        return classes.codes[self.stream.permutation("sample", 0, len(classes))]

    @property
    def _errors(self) -> Floats:
        """Errors of the evaluated cells, shape (n,): their negated values on the scale of the published errors.

        The scale is set once, when the models are trained. Errors are rounded to a grid, so that the last digits of
        values, which a change of unit moves, do not decide what is asked for.
        """
        scores = np.clip(standardise(self.history.values, *self._scale), -FARTHEST, FARTHEST)
        return -SPREAD * np.rint(scores * GRID) / GRID

    def _train(self) -> None:
        """Train the models. They are kept together at the end: an interrupted training is done again."""
        self._scale = _centre_and_scale(self.history.values)
        with self.phase("predictor"):
            predictor = Predictor(
                self.space, learning_rate=self.preset.predictor_rate, rng=self.stream.child("predictor").seed
            ).fit(self.history.rows, self._errors, on_epoch=lambda done, total: self.report("predictor", done, total))
            targets = predictor.predict(self._all)
        with self.phase("graph VAE"):
            vae, surrogate = self._trained_vae(targets)
            reconstruction = vae.score(self._all)
            level = logging.INFO if reconstruction >= 0.99 else logging.WARNING
            _log.log(level, "the graph VAE reconstructs %.2f %% of all cells exactly", 100 * reconstruction)
            noise = self._calibrated_noise(vae) if self.noise is None else self.noise
        self.diagnostics.update(reconstruction=reconstruction, noise=noise)
        vars(self).update(predictor=predictor, surrogate=surrogate, vae=vae, noise=noise)

    def _freeze(self) -> None:
        """Take the snapshots that proposals use, where they are missing."""
        assert self.vae is not None and self.surrogate is not None
        if self._decoder is None:
            self._decoder = self.vae.freeze_decoder()
        if self._descent is None:
            self._descent = self.surrogate.freeze()

    def _trained_vae(self, targets: npt.NDArray[np.float64]) -> tuple[GraphVAE, ICNNSurrogate]:
        preset = self.preset
        surrogate = ICNNSurrogate(
            width=preset.surrogate_width, convex=self.convex, rng=self.stream.child("surrogate").seed
        )
        epochs = max(preset.epochs, preset.epochs * STEPS // -(-len(self._all) // preset.batch_size))
        vae = GraphVAE.pretrained(self.space) if preset.pretrained else GraphVAE(self.space)
        if not preset.pretrained:
            vae.set_params(width=preset.width, latent=preset.latent)
        vae.set_params(
            batch_size=preset.batch_size,
            kl_weight=preset.kl_weight,
            epochs=epochs,
            learning_rate=preset.learning_rate,
            betas=preset.betas,
            surrogate=surrogate,
            rng=self.stream.child("vae").seed,
        )
        vae.fit(
            self._all,
            targets if self.regulariser else None,
            warm_start=preset.pretrained,
            on_epoch=lambda done, total: self.report("graph VAE", done, total),
        )
        if vae.surrogate_ is not None:
            surrogate = vae.surrogate_
        else:
            surrogate.set_params(epochs=epochs, batch_size=vae.batch_size)
            surrogate.fit(vae.encode(self._all), targets)
        surrogate.set_params(epochs=50, batch_size=64, input_noise=0.05, label_noise=0.01)
        return vae, surrogate

    def _calibrated_noise(self, vae: GraphVAE) -> float:
        """Find the noise at which half of the moves decode to another cell, by bisection.

        Cells are compared as they are decoded without noise, so that cells that do not come back do not count as moved.
        """
        decoder = vae.freeze_decoder()
        cells = self._all[self.stream.permutation("calibration", 0, len(self._all))[:CALIBRATION]]
        latents = vae.encode(cells)
        keys = self.space.canonical_key(decoder.decode(latents))
        normal = self.stream.normal("calibration", 0, latents.shape)
        low, high = 0.0, 4.0 * float(latents.std())
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            moved = self.space.canonical_key(decoder.decode(latents + np.float32(middle) * normal)) != keys
            low, high = (low, middle) if moved.mean() > 0.5 else (middle, high)
        return high

    def _begin_round(self) -> _Round:
        """Fine-tune the surrogate, and choose the cells from which the next proposals start."""
        assert self.vae is not None and self.surrogate is not None
        number = 1 if self._round is None else self._round.number + 1
        codes, errors, values = self.history.rows, self._errors, self.history.values
        latents = self.vae.encode(codes)
        # A copy is tuned, so that an interrupted round begins again with the same surrogate.
        surrogate = copy.deepcopy(self.surrogate).fit(latents, errors, warm_start=True)
        best = _core.smallest(-values, min(PARENTS, len(values)))
        begun = _Round(number, self.history.n_asked, latents[best], codes[best])
        tau = surrogate.score(latents, errors)
        self.diagnostics.update(rounds=number, surrogate_tau=tau)
        vars(self).update(surrogate=surrogate, _round=begun, _descent=None)
        _log.info("round %d: best of %d values %.6g, surrogate's tau %.3f", number, len(values), values.max(), tau)
        return begun

    # -- proposals ------------------------------------------------------------------------------------------------

    def _propose(self, begun: _Round, parent: int) -> npt.NDArray[np.uint8]:
        assert self._decoder is not None
        for attempt in range(NOISES):
            candidates = self._decoder.decode(self._moves(begun.latents[parent], attempt))
            fresh = np.flatnonzero(self.space.valid(candidates) & ~self.seen(candidates))
            if fresh.size:
                self.count(latent_moves=1, retries=attempt * TRIES_PER_NOISE + int(fresh[0]))
                chosen: npt.NDArray[np.uint8] = candidates[fresh[0]]
                return chosen
        self.count(neighbours=1)
        return self._best_unseen_neighbour(begun.codes[parent])

    def _moves(self, latent: npt.NDArray[np.float32], attempt: int) -> npt.NDArray[np.float32]:
        """Latents to try: steps of growing size from one noisy latent, or new noise each without the gradient."""
        assert self._descent is not None
        scale: Any = np.float32(self.noise)
        purpose, number = "latent noise", len(self.trials) * NOISES + attempt
        if not self.gradient:
            return latent + scale * self.stream.normal(purpose, number, (TRIES_PER_NOISE, latent.size))
        start = latent + scale * self.stream.normal(purpose, number, (1, latent.size))
        return self._descent.descend(start, self.step * np.arange(1, TRIES_PER_NOISE + 1))

    def _best_unseen_neighbour(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The unseen neighbour with the lowest predicted error, or else the best unseen cell of all."""
        assert self.vae is not None and self.surrogate is not None
        for candidates in (self.space.neighbours(codes), self._all):
            unseen = candidates[~self.seen(candidates)]
            if len(unseen):
                chosen: npt.NDArray[np.uint8] = unseen[int(self.surrogate.predict(self.vae.encode(unseen)).argmin())]
                return chosen
        raise RuntimeError("search: expected an unseen class in the space, got none")


def _centre_and_scale(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of values, after far outliers (a mark for failures, say) were moved nearer."""
    exponent = int(np.frexp(np.abs(values).max())[1]) + 2  # differences of extreme values must not overflow
    small = np.ldexp(values, -exponent)
    low, middle, high = np.quantile(small, (0.25, 0.5, 0.75))
    reach = FARTHEST * (high - low)
    if reach > 0:
        small = np.clip(small, middle - reach, middle + reach)
    return mean_and_deviation(np.ldexp(small, exponent))
