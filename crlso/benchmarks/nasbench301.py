"""NAS-Bench-301: predicted accuracies of cells of the DARTS space, from the official models or from a stand-in.

Source: A. Zela, J. Siems, L. Zimmer, J. Lukasik, M. Keuper, F. Hutter, "Surrogate NAS Benchmarks: Going Beyond the
Limited Search Spaces of Tabular NAS Benchmarks", arXiv 2008.09777.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from crlso._base.files import open_regular, read_bytes
from crlso._base.names import native_names
from crlso._base.types import Codes, Floats
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.darts_network import network_parameters
from crlso.benchmarks.files.booster import Booster, load_booster
from crlso.benchmarks.files.nb301_vector import NAMES, nb301_vectors
from crlso.benchmarks.measures import Measure
from crlso.benchmarks.standin import StandIn, features, load_standin
from crlso.random import Stream, seed_of
from crlso.spaces.darts import DARTS
from crlso.spaces.genotype import check_codes

__all__ = ["NASBench301"]

Member = Callable[[Codes], Floats]

_MODEL_FILE = "*surrogate_model.model"
_IDENTITY_OBJECTIVES = ("reg:squarederror", "reg:linear")
_MAX_MODEL, _MAX_CONFIG = 1 << 28, 1 << 20  # bytes


class NASBench301(Benchmark):
    """Predicted validation accuracies of NAS-Bench-301 on CIFAR-10.

    NAS-Bench-301 is a surrogate benchmark: models that were fitted to about 60,000 trainings of 100 epochs predict the
    value of a cell. There are no test accuracies. :meth:`from_official` reads the models that the authors of the
    benchmark publish. :meth:`standin` needs no download but is **not** the benchmark.

    Parameters
    ----------
    members : sequence of callable
        Models of an ensemble. Each takes codes, uint8 (n, 28), and returns predictions in percent, (n,).
    name : str
        Name of the benchmark.
    description : str
        What the values are, for people.
    objective : str
        Name of the values, which labels results.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or crlso.random.Stream, optional
        Seed of the noise; by default there is no noise.

    Attributes
    ----------
    space : crlso.spaces.DARTS
        Space of the cells.
    name, description, objective : str
        As above.
    dataset : str
        ``"cifar10"``.

    Raises
    ------
    ValueError
        If there are no members.

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
    @native_names
    def from_official(cls, path: str | PathLike[str], noise: bool = False, rng: object = None) -> NASBench301:
        """Read the official ensemble of xgboost models, without xgboost.

        A parser of this package reads the models and rejects pickles of anything but a booster. It was tested with
        models that xgboost 0.90, 1.2, 1.3, 1.6 and 2.1 wrote, and with vectors that ConfigSpace 0.4.12 made. The
        official files were not available, so it has **not** been run on them.

        Parameters
        ----------
        path : str or path
            The folder ``xgb_v1.0`` or ``xgb_v0.9`` of the benchmark. It contains one folder per member, each with
            ``surrogate_model.model``, ``model_config.json`` and ``data_config.json``. Members are read in the order of
            their sorted paths.
        noise : bool
            Whether normal noise with the standard deviation of the members' predictions is added to their mean. The
            noise is a function of the seed and the cell, so repeated evaluations of a cell return the same value.
        rng : int, numpy.random.Generator or numpy.random.SeedSequence, optional
            Seed of the noise; required with `noise`, and an error without.

        Returns
        -------
        NASBench301

        Raises
        ------
        FileNotFoundError
            If the folder, a model in it, or the configuration next to a model does not exist.
        TypeError
            If `noise` is True and `rng` is not a source of randomness.
        ValueError
            If a file is broken or hostile, or a model is of another kind: LightGBM, graph networks, run times, or
            another encoding of cells.

        Examples
        --------
        >>> bench = NASBench301.from_official("xgb_v1.0", noise=True, rng=0)  # doctest: +SKIP
        >>> bench.objective  # doctest: +SKIP
        'validation'
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
        """Return the stand-in for the benchmark that comes with the package.

        It is a Gaussian process that was fitted to 725 predictions of NAS-Bench-301 and uses the genotype alone. Use it
        to test code and to compare optimisers; it is **no oracle of CIFAR-10**:

        - Its 10-fold cross-validated Kendall tau on the predictions is 0.81.
        - Its Kendall tau on 1,000 trained genotypes of a wider space is only 0.2, and 0.3 on the 61 of them in this
          space. Counting separable convolutions gives 0.6.
        - The 725 predictions are between 91.2 and 94.5, but hill climbing finds cells with a value of 95.8. So its
          optimum is an extrapolation. Values are not clipped.

        Returns
        -------
        NASBench301
            With the name ``nasbench301-standin``.

        Examples
        --------
        >>> NASBench301.standin().objective
        'validation (stand-in)'
        """
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
        """Return a benchmark with the same models and the noise of this seed; without noise, the benchmark itself.

        Parameters
        ----------
        seed : int
            Seed of the noise.

        Returns
        -------
        NASBench301
            A copy that shares the models; a benchmark without noise returns itself.

        Examples
        --------
        >>> bench = NASBench301.standin()
        >>> bench.for_seed(3) is bench
        True
        """
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
        """Return the value of one pair of a normal and a reduction cell.

        Parameters
        ----------
        cell : str, Genotype, mapping, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Predicted validation accuracy, percent.

        Examples
        --------
        >>> bench = NASBench301.standin()
        >>> cells = bench.space.sample(2, rng=0)
        >>> round(bench.evaluate(cells[0]), 2)
        92.81
        """
        return float(self.validation([self.space.cell(cell)])[0])

    @property
    def measures(self) -> dict[str, Measure]:
        """The value and the parameters in millions, by name."""
        return {
            "value": Measure("value", "%"),
            "parameters": Measure("parameters", "million", self.parameters),
        }

    def parameters(self, cells: Any) -> Floats:
        """Return the numbers of parameters of the networks: 8 cells, the first with 32 channels, without other heads.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the layers of the networks.

        Examples
        --------
        >>> bench = NASBench301.standin()
        >>> cells = bench.space.sample(2, rng=0)
        >>> bench.parameters(cells).round(2)
        array([0.82, 0.95])
        """
        return network_parameters(check_codes(self.space.codes(cells)))

    def validation(self, cells: Any) -> Floats:
        """Return the predicted validation accuracies of cells.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent: the mean over the members, plus noise if the benchmark has noise. A value does not depend on the
            other cells or on the number of threads.

        Raises
        ------
        TypeError, ValueError
            If `cells` are not cells of the space, or a model predicts a number that is not finite.

        Examples
        --------
        >>> bench = NASBench301.standin()
        >>> cells = bench.space.sample(2, rng=0)
        >>> bench.validation(cells).round(2)
        array([92.81, 93.46])
        """
        predictions = self._predictions(cells)
        mean: Floats = predictions.mean(axis=0)
        if self._noise is not None:
            keys = self.space.canonical_key(cells)
            normal = [self._noise.normal("noise", int(key), 1, "float64")[0] for key in keys]
            mean += predictions.std(axis=0) * normal
        return mean

    def spread(self, cells: Any) -> Floats:
        """Return the standard deviations of the members' predictions.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percentage points; 0 for the stand-in, which has one member.

        Examples
        --------
        >>> bench = NASBench301.standin()
        >>> cells = bench.space.sample(2, rng=0)
        >>> bench.spread(cells).shape
        (2,)
        """
        deviation: Floats = self._predictions(cells).std(axis=0)
        return deviation

    def _predictions(self, cells: Any) -> Floats:
        """Return the predictions of all members, shape (members, n)."""
        rows = check_codes(self.space.codes(cells))
        predictions = np.stack([member(rows) for member in self._members])
        if not np.isfinite(predictions).all():
            raise ValueError("codes: a model predicts a number that is not finite; its file may be broken")
        return predictions


def _official_member(file: Path) -> Member:
    """Read the model in a file, and check it by the configurations next to it."""
    _read_config(file.with_name("data_config.json"))  # must exist, but its paths of training data are not needed
    config = _read_config(file.with_name("model_config.json"))
    kind = config.get("model")
    if kind != "xgb":
        raise ValueError(f"{file}: expected a model 'xgb', which predicts accuracies, got {kind!r:.60}")
    if config.get("param:bananas_enc"):
        raise ValueError(f"{file}: expected a model of ConfigSpace vectors, got one of BANANAS path encodings")
    with open_regular(file, _MAX_MODEL) as opened:
        booster = load_booster(opened, str(file))
    if booster.n_features != len(NAMES):
        raise ValueError(f"{file}: expected a model of {len(NAMES)} features, got {booster.n_features}")
    if booster.objective not in _IDENTITY_OBJECTIVES:
        raise ValueError(f"{file}: expected the objective 'reg:squarederror', got {booster.objective!r}")
    return functools.partial(_boosted_member, booster)


# Members are partial functions, because closures cannot be sent to other processes.


def _standin_member(model: StandIn, codes: Codes) -> Floats:
    predicted: Floats = model.predict(features(codes))
    return predicted


def _boosted_member(booster: Booster, codes: Codes) -> Floats:
    predicted: Floats = booster.predict(nb301_vectors(codes)).astype(np.float64)
    return predicted


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a configuration of NAS-Bench-301, found no file")
    data = read_bytes(file, _MAX_CONFIG)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: expected JSON: {error!s:.200}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file}: expected a JSON object, got {type(config).__name__}")
    return config
