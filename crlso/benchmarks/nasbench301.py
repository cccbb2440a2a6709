"""NAS-Bench-301: predicted accuracies of cells of the DARTS space, from the official models or from a stand-in."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from crlso._base.types import Codes, Floats
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.files.booster import load_booster
from crlso.benchmarks.files.nb301_vector import NAMES, nb301_vectors
from crlso.random import Stream, seed_of
from crlso.spaces.darts import DARTS
from crlso.spaces.genotype import check_codes

__all__ = ["NASBench301"]

Member = Callable[[Codes], Floats]

_MODEL_FILE = "*surrogate_model.model"
_IDENTITY_OBJECTIVES = ("reg:squarederror", "reg:linear")
_MAX_CONFIG = 1 << 20  # bytes


class NASBench301(Benchmark):
    """Predicted validation accuracies of NAS-Bench-301 on CIFAR-10.

    NAS-Bench-301 is a surrogate benchmark: the value of a cell is what models fitted to about 60,000 trainings of 100
    epochs predict. There are no test accuracies. Make one with :meth:`from_official` from the models that the authors
    of the benchmark publish, or with :meth:`standin`, which needs no download and is **not** the benchmark.

    Parameters
    ----------
    members : sequence of callable
        Models of an ensemble: each turns codes (n, 28) into predictions (n,) in percent.
    name : str
        Of the benchmark.
    description : str
        What the values are.
    objective : str
        Name of the values in outputs.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or crlso.random.Stream, optional
        Seed of the noise; None: there is none.

    Attributes
    ----------
    space : crlso.spaces.DARTS
        The cells.
    name, description, objective : str
        As above.
    dataset : str
        ``"cifar10"``.

    Examples
    --------
    >>> bench = NASBench301.standin()
    >>> cell = [("sep_conv_3x3", i % 2) for i in range(8)]
    >>> genotype = {"normal": cell, "normal_concat": range(2, 6), "reduce": cell, "reduce_concat": range(2, 6)}
    >>> round(bench.evaluate(genotype), 1)
    95.1
    """

    dataset: str = "cifar10"

    def __init__(
        self,
        members: Sequence[Member],
        name: str,
        description: str,
        objective: str = "validation",
        rng: Any = None,
    ) -> None:
        if not members:
            raise ValueError("members: expected at least one model, got none")
        self._members = tuple(members)
        self._noise = None if rng is None else Stream(seed_of(rng))
        self.space = DARTS()
        self.name = name
        self.description = description
        self.objective = objective

    @classmethod
    def from_official(cls, path: str | PathLike[str], noise: bool = False, rng: object = None) -> NASBench301:
        """Read the official ensemble of xgboost models; xgboost is not needed.

        The models are read by a parser of this package, which refuses everything in a pickle that is not a booster.
        It was tested against models that xgboost 0.90, 1.2, 1.3, 1.6 and 2.1 wrote and against vectors that ConfigSpace
        0.4.12 made; the official files themselves were not at hand, so that this has **not** been run on them.

        Parameters
        ----------
        path : str or path
            The folder ``xgb_v1.0`` or ``xgb_v0.9`` of the benchmark: it has one folder per member, each with
            ``surrogate_model.model``, ``model_config.json`` and ``data_config.json``. Members are taken in the order
            of their sorted paths.
        noise : bool
            False: the value is the mean over the members. True: a normal number with the standard deviation of the
            members is added. It depends on the seed and the cell alone, so that asking again gives the same value.
        rng : int, numpy.random.Generator or numpy.random.SeedSequence, optional
            Seed of the noise; only and always with `noise`.

        Returns
        -------
        NASBench301

        Raises
        ------
        FileNotFoundError
            Where there is no such folder, no model in it, or no configuration beside a model.
        ValueError
            For a file that is broken or hostile, and for models of another kind: LightGBM, graph networks, run times,
            another encoding of cells.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(f"path: expected the folder of an ensemble of NAS-Bench-301, got {str(folder)!r}")
        files = sorted(file for file in folder.rglob(_MODEL_FILE) if file.is_file())
        if not files:
            raise FileNotFoundError(f"path: expected files {_MODEL_FILE} in {str(folder)!r}, got none")
        if rng is not None and not noise:
            raise ValueError("rng: expected None without noise, got one")
        if noise:
            rng = Stream(seed_of(rng))
        description = f"mean of {len(files)} official models of NAS-Bench-301"
        if noise:
            description += ", with noise"
        members = [_official_member(file) for file in files]
        return cls(members, "nasbench301", description, rng=rng)

    @classmethod
    def standin(cls) -> NASBench301:
        """A stand-in for the benchmark that comes with the package.

        A Gaussian process fitted to 725 predictions of NAS-Bench-301, from the genotype alone. It is a test bed for
        code and for comparing optimisers, **no oracle of CIFAR-10**: on the predictions it has a 10-fold
        cross-validated Kendall tau of 0.81, but on 1,000 genotypes of a wider space that were really trained only 0.2
        (on the 61 of them that are cells of this space: 0.3), less than the number of separable convolutions (0.6).
        The predictions that it knows lie between 91.2 and 94.5; hill climbing finds cells for which it says 95.8:
        its optimum is an extrapolation. Nothing is clipped.

        Returns
        -------
        NASBench301
            Named ``nasbench301-standin``.
        """
        from crlso.benchmarks.standin import load_standin

        model, scores = load_standin()
        description = (
            "stand-in fitted to 725 predictions of NAS-Bench-301 (10-fold cross-validated Kendall tau "
            f"{scores['kendall_tau']:.2f}), no oracle of CIFAR-10"
        )
        return cls(
            [functools.partial(_standin_member, model)],
            "nasbench301-standin",
            description,
            objective="validation (stand-in)",
        )

    def for_seed(self, seed: int) -> NASBench301:
        """With noise, a benchmark of the same models with the noise of this seed; else itself."""
        if self._noise is None:
            return self
        other = copy.copy(self)
        other._noise = Stream(seed_of(seed))
        return other

    @property
    def is_standin(self) -> bool:
        """Whether the values come from the stand-in."""
        return self.name == "nasbench301-standin"

    def __repr__(self) -> str:
        return f"NASBench301: {self.description}; value = predicted validation accuracy in percent after 100 epochs"

    def evaluate(self, cell: Any) -> float:
        """The value of one pair of cells.

        Parameters
        ----------
        cell : str, Genotype, mapping, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Predicted validation accuracy, percent.
        """
        return float(self.validation([self.space.cell(cell)])[0])

    def validation(self, cells: Any) -> Floats:
        """Predicted validation accuracy.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent: the mean over the members, with noise if the benchmark has it. Without noise, a value depends
            neither on the other rows nor on the number of threads.

        Raises
        ------
        TypeError, ValueError
            For what is no cell, and where a model predicts no finite number.
        """
        predictions = self._predictions(cells)
        mean: Floats = predictions.mean(axis=0)
        if self._noise is not None:
            keys = self.space.canonical_key(cells)
            normal = [self._noise.normal("noise", int(key), 1, "float64")[0] for key in keys]
            mean += predictions.std(axis=0) * normal
        return mean

    def spread(self, cells: Any) -> Floats:
        """Standard deviation of the members' predictions.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percentage points; 0 for the stand-in, which is one model.
        """
        deviation: Floats = self._predictions(cells).std(axis=0)
        return deviation

    def _predictions(self, cells: Any) -> Floats:
        """Shape (members, n)."""
        rows = check_codes(self.space.codes(cells))
        predictions = np.stack([member(rows) for member in self._members])
        if not np.isfinite(predictions).all():
            raise ValueError("codes: a model predicts a number that is not finite; its file may be broken")
        return predictions


def _official_member(file: Path) -> Member:
    """The model in a file, whose configurations stand beside it."""
    _read_config(file.with_name("data_config.json"))  # says where the training data were; nothing of it is needed
    config = _read_config(file.with_name("model_config.json"))
    kind = config.get("model")
    if kind != "xgb":
        raise ValueError(f"{file}: expected a model 'xgb', which predicts accuracies, got {kind!r:.60}")
    if config.get("param:bananas_enc"):
        raise ValueError(f"{file}: expected a model of ConfigSpace vectors, got one of BANANAS path encodings")
    with file.open("rb") as opened:
        booster = load_booster(opened, str(file))
    if booster.n_features != len(NAMES):
        raise ValueError(f"{file}: expected a model of {len(NAMES)} features, got {booster.n_features}")
    if booster.objective not in _IDENTITY_OBJECTIVES:
        raise ValueError(f"{file}: expected the objective 'reg:squarederror', got {booster.objective!r}")
    return functools.partial(_boosted_member, booster)


# Members are partial functions rather than closures, which could not be sent to other processes.


def _standin_member(model: Any, codes: Codes) -> Floats:
    from crlso.benchmarks.standin import features

    predicted: Floats = model.predict(features(codes))
    return predicted


def _boosted_member(booster: Any, codes: Codes) -> Floats:
    predicted: Floats = booster.predict(nb301_vectors(codes)).astype(np.float64)
    return predicted


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a configuration of NAS-Bench-301, found no file")
    with file.open("rb") as opened:
        data = opened.read(_MAX_CONFIG + 1)
    try:
        config = json.loads(data) if len(data) <= _MAX_CONFIG else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: expected JSON: {error!s:.200}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file}: expected a JSON object of at most {_MAX_CONFIG} bytes")
    return config
