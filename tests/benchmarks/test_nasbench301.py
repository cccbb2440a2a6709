"""NAS-Bench-301: the vectors of cells, the reader of official ensembles, and the stand-in."""

from __future__ import annotations

import ast
import csv
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crlso.benchmarks import NASBench301
from crlso.benchmarks.files.nb301_vector import NAMES, nb301_vectors
from crlso.benchmarks.standin import N_FEATURES, features, load_standin
from crlso.models.base import kendall_tau
from crlso.spaces.genotype import EDGES, OPERATIONS, parse_genotype

DATA = Path(__file__).parents[1] / "data"


def random_codes(n: int, seed: int = 0) -> np.ndarray:
    """Uniformly drawn cells."""
    random = np.random.default_rng(seed)
    codes = np.zeros((n, 28), dtype=np.uint8)
    for first, node in [(cell + EDGES.index((0, node)), node) for cell in (0, 14) for node in range(2, 6)]:
        slots = first + np.argsort(random.random((n, node)), axis=1)[:, :2]
        np.put_along_axis(codes, slots, random.integers(1, 8, (n, 2)).astype(np.uint8), axis=1)
    return codes


@pytest.fixture(scope="module")
def vectors() -> dict:
    """What ConfigSpace makes of 40 genotypes."""
    return json.loads((DATA / "nb301_vectors.json").read_text())


@pytest.fixture(scope="module")
def known_codes(vectors) -> np.ndarray:
    return np.array([parse_genotype(text) for text in vectors["genotypes"]])


def test_vectors_are_those_of_configspace(vectors, known_codes):
    assert list(NAMES) == vectors["names"]
    expected = np.array(vectors["vectors"])
    np.testing.assert_allclose(nb301_vectors(known_codes), expected, rtol=1e-12, atol=0)
    assert (np.ptp(expected, axis=0) > 0).sum() == 28 + 6


@pytest.fixture
def ensemble(tmp_path) -> Path:
    """A folder as NAS-Bench-301 writes it; its members were written by xgboost 1.2.1."""
    with np.load(DATA / "boosters" / "ensemble.npz") as file:
        for i in range(3):
            folder = tmp_path / "xgb" / "20200919-135720-6" / f"ensemble_member_{i}"
            folder.mkdir(parents=True)
            (folder / "surrogate_model.model").write_bytes(file[f"member_{i}"].tobytes())
            (folder / "data_config.json").write_text(json.dumps({"seed": 6 + i}))
            (folder / "model_config.json").write_text(json.dumps({"model": "xgb", "param:bananas_enc": False}))
    return tmp_path / "xgb"


@pytest.fixture(scope="module")
def ensemble_predictions() -> np.ndarray:
    with np.load(DATA / "boosters" / "ensemble.npz") as file:
        return file["predictions"]


def test_official_ensemble(ensemble, ensemble_predictions, known_codes, vectors):
    bench = NASBench301.from_official(ensemble)
    np.testing.assert_allclose(bench.validation(known_codes), ensemble_predictions.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(bench.spread(known_codes), ensemble_predictions.std(axis=0), rtol=1e-3, atol=1e-5)
    assert bench.evaluate(vectors["genotypes"][3]) == bench.validation(known_codes)[3]
    assert bench.validation(known_codes[:0]).shape == (0,)
    assert not bench.is_standin
    assert repr(bench) == (
        "NASBench301: mean of 3 official models of NAS-Bench-301; "
        "value = predicted validation accuracy in percent after 100 epochs"
    )


def test_noise(ensemble):
    quiet = NASBench301.from_official(str(ensemble))
    codes = quiet.space.sample(2000, rng=0)
    again = NASBench301.from_official(ensemble, noise=True, rng=3)
    first = again.validation(codes)
    noise = (first - quiet.validation(codes)) / quiet.spread(codes)
    assert noise.std() == pytest.approx(1.0, rel=0.06) and abs(noise.mean()) < 4 / 2000**0.5
    assert len(np.unique(noise)) == 2000
    # Noise is a function of the seed and the cell: neither order nor number of calls matters.
    np.testing.assert_array_equal(again.validation(codes[::-1])[::-1], first)
    np.testing.assert_array_equal([again.evaluate(row) for row in codes[:20]], first[:20])
    np.testing.assert_array_equal(NASBench301.from_official(ensemble, noise=True, rng=3).validation(codes), first)
    np.testing.assert_array_equal(again.for_seed(3).validation(codes), first)
    assert (again.for_seed(4).validation(codes) != first).any()
    assert quiet.for_seed(3) is quiet
    assert "with noise" in repr(again)
    with pytest.raises(TypeError, match="rng: randomness must be explicit"):
        NASBench301.from_official(ensemble, noise=True)
    with pytest.raises(ValueError, match="rng: expected None without noise"):
        NASBench301.from_official(ensemble, rng=0)


def member(ensemble: Path, name: str) -> Path:
    return ensemble / "20200919-135720-6" / "ensemble_member_1" / name


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": "lgb"}, "expected a model 'xgb', which predicts accuracies, got 'lgb'"),
        ({"model": "xgb_time"}, "got 'xgb_time'"),
        ({}, "got None"),
        ({"model": "xgb", "param:bananas_enc": True}, "BANANAS path encodings"),
        ([], "expected a JSON object"),
    ],
)
def test_models_of_other_kinds(ensemble, config, message):
    file = member(ensemble, "model_config.json")
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message) as caught:
        NASBench301.from_official(ensemble)
    assert "ensemble_member_1" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, "\xff"])
def test_broken_configurations(ensemble, text):
    member(ensemble, "data_config.json").write_text(text, encoding="latin1")
    with pytest.raises(ValueError, match=r"data_config.json: expected (a )?JSON"):
        NASBench301.from_official(ensemble)


def test_a_configuration_that_is_too_large(ensemble):
    config = member(ensemble, "data_config.json")
    config.write_text(config.read_text() + " " * 2**20)
    with pytest.raises(ValueError, match=r"data_config.json: expected a file of at most 1048576 bytes"):
        NASBench301.from_official(ensemble)


def test_missing_files(ensemble, tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected the folder of an ensemble"):
        NASBench301.from_official(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"path: expected files \*surrogate_model.model"):
        NASBench301.from_official(tmp_path / "empty")
    member(ensemble, "model_config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"model_config\.json: expected a configuration"):
        NASBench301.from_official(ensemble)


def test_models_that_do_not_fit(ensemble):
    with np.load(DATA / "boosters" / "xgboost-1.2.1.npz") as file:
        member(ensemble, "surrogate_model.model").write_bytes(file["squarederror.pickle"].tobytes())
    with pytest.raises(ValueError, match="expected a model of 56 features, got 8"):
        NASBench301.from_official(ensemble)
    member(ensemble, "surrogate_model.model").write_bytes(pickle.dumps(print, 4))
    with pytest.raises(ValueError, match=r"ensemble_member_1.*builtins.print is not allowed"):
        NASBench301.from_official(ensemble)


# The stand-in.


@pytest.fixture(scope="module")
def standin() -> NASBench301:
    return NASBench301.standin()


def test_standin_says_what_it_is(standin):
    tau = load_standin()[1]["kendall_tau"]
    assert standin.is_standin
    assert (standin.name, standin.objective, standin.dataset) == (
        "nasbench301-standin",
        "validation (stand-in)",
        "cifar10",
    )
    assert (
        f"stand-in fitted to 725 predictions of NAS-Bench-301 (10-fold cross-validated Kendall tau {tau:.2f})"
        in repr(standin)
    )
    assert "no oracle of CIFAR-10" in repr(standin)
    assert 0.79 < tau < 0.83


@pytest.fixture(scope="module")
def predictions_of_the_benchmark(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = json.loads((shared / "data" / "darts" / "nb301_725_surrogate.json").read_text())["cifar10"].values()
    return np.array([parse_genotype(row["arch"]) for row in rows]), np.array([row["val_accuracy"] for row in rows])


def plain_kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The kernel of the documentation, with loops over cells and operations and 64-bit integers."""
    from crlso.assets import open_npz

    with open_npz("nb301_standin.npz") as asset:
        counts, edges, operations = (asset[f"{name}_weights"].astype(int) for name in ("count", "edge", "operation"))
    distance = np.zeros((len(left), len(right)), dtype=np.int64)
    for cell in range(2):
        a, b = (codes[:, 14 * cell : 14 * cell + 14].astype(int) for codes in (left, right))
        for operation in range(7):
            difference = (a == operation + 1).sum(axis=1)[:, None] - (b == operation + 1).sum(axis=1)
            distance += counts[cell, operation] * difference**2
        both = (a[:, None] > 0) & (b > 0)
        distance += edges[cell] * (8 - both.sum(axis=2))
        distance += operations[cell] * (8 - (both & (a[:, None] == b)).sum(axis=2))
    return np.exp(-distance / 4096)


@pytest.mark.slow
def test_standin_is_the_process_that_it_says(standin, predictions_of_the_benchmark):
    """Predictions and cross-validated tau again, from the data, the stored weights and noise, and linear algebra."""
    codes, values = predictions_of_the_benchmark
    kernel = plain_kernel(codes, codes)
    coefficients = standin_coefficients()
    cells = random_codes(200)
    expected = values.mean() + plain_kernel(cells, codes) @ coefficients
    np.testing.assert_allclose(standin.validation(cells), expected, rtol=0, atol=1e-9)
    residuals = values - values.mean() - kernel @ coefficients
    ratio = np.median(residuals / coefficients)
    np.testing.assert_allclose(residuals, ratio * coefficients, atol=1e-8)
    order = np.random.default_rng(11).permutation(len(values))
    predicted = np.empty(len(values))
    for out in np.array_split(order, 10):
        known = np.setdiff1d(order, out)
        inner = kernel[np.ix_(known, known)] + ratio * np.eye(len(known))
        solved = np.linalg.solve(inner, values[known] - values[known].mean())
        predicted[out] = values[known].mean() + kernel[np.ix_(out, known)] @ solved
    assert kendall_tau(predicted, values) == pytest.approx(load_standin()[1]["kendall_tau"], abs=0.01)


def standin_coefficients() -> np.ndarray:
    from crlso.assets import open_npz

    with open_npz("nb301_standin.npz") as asset:
        return asset["coefficients"]


def test_standin_is_no_oracle(standin, shared):
    """Against really trained genotypes, most of which are outside of the space: weak, as the documentation says."""
    model, _ = load_standin()
    with (shared / "data" / "darts" / "darts_cifar10_1000_trained.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    values = np.array([float(accuracy) for _, accuracy in rows])
    described = np.zeros((len(rows), N_FEATURES), dtype=np.float32)
    members, codes = [], []
    for i, (text, _) in enumerate(rows):
        call = ast.parse(text, mode="eval").body
        fields = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        for cell, name in enumerate(("normal", "reduce")):
            for edge, (operation, source) in enumerate(fields[name]):
                if operation != "none":
                    slot, kind = 14 * cell + EDGES.index((source, 2 + edge // 2)), OPERATIONS.index(operation)
                    described[i, 7 * slot + kind] += 1
                    described[i, 196 + slot] = 1
                    described[i, 224 + 7 * cell + kind] += 1
        try:
            codes.append(parse_genotype(text))
            members.append(i)
        except ValueError:
            continue
    np.testing.assert_array_equal(features(np.array(codes)), described[members])
    predicted = model.predict(described)
    assert kendall_tau(predicted, values) == pytest.approx(0.215, abs=0.02)
    np.testing.assert_array_equal(standin.validation(np.array(codes)), predicted[members])
    assert len(members) == 61
    assert kendall_tau(predicted[members], values[members]) == pytest.approx(0.32, abs=0.03)
    separable = described[:, 224:].reshape(-1, 2, 7)[:, :, 3:5].sum(axis=(1, 2))
    assert kendall_tau(separable, values) == pytest.approx(0.576, abs=0.01)


def test_standin_extrapolates(standin):
    """Nothing is clipped: the best cells are above all that it was fitted to."""
    normal = [("skip_connect", 0), ("skip_connect", 1), ("sep_conv_3x3", 1), ("sep_conv_5x5", 2)]
    normal += [("sep_conv_3x3", 0), ("sep_conv_5x5", 1)] * 2
    reduce = [("sep_conv_3x3", 0), ("sep_conv_5x5", 1)]
    reduce += [("sep_conv_5x5", 0), ("sep_conv_5x5", 1)] * 2 + [("sep_conv_3x3", 0), ("sep_conv_5x5", 1)]
    best = {"normal": normal, "normal_concat": range(2, 6), "reduce": reduce, "reduce_concat": range(2, 6)}
    assert standin.evaluate(best) == pytest.approx(95.80, abs=0.02)
    values = standin.validation(random_codes(5000))
    assert 90 < values.min() < values.max() < 95


def test_standin_does_not_depend_on_the_batch(standin):
    codes = random_codes(1500, seed=1)  # more than one chunk
    values = standin.validation(codes)
    np.testing.assert_array_equal(values[:40], [standin.validation(row[None])[0] for row in codes[:40]])
    np.testing.assert_array_equal(values[::-1], standin.validation(codes[::-1]))
    assert standin.validation(codes[:0]).shape == (0,)


@pytest.mark.slow
def test_standin_does_not_depend_on_threads():
    code = """if True:
        import numpy, crlso.benchmarks
        half = [4, 4, 4, 0, 2, 0, 3, 4, 0, 0, 7, 0, 0, 6]
        other = [half[:i] + [v] + half[i + 1:] for i in range(14) if half[i] for v in range(1, 8)]
        codes = numpy.array([[*a, *b] for a in other for b in other[::3]])
        print(crlso.benchmarks.NASBench301.standin().validation(codes).tobytes().hex())"""
    printed = set()
    for threads in ("1", "2", "4"):
        env = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "CRLSO_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert len(printed.pop()) > 1000


def test_invalid_cells(standin):
    with pytest.raises(ValueError, match=r"cells: expected shape \(n, 28\), got \(28,\)"):
        standin.validation(np.zeros(28, dtype=np.uint8))
    with pytest.raises(ValueError, match="codes: expected two edges into each node, got 0 into node 2"):
        standin.validation(np.zeros((1, 28), dtype=np.uint8))
    with pytest.raises(ValueError, match="genotype: expected"):
        standin.evaluate("Genotype()")
    broken = NASBench301([lambda codes: np.where(np.arange(len(codes)) == 1, np.nan, 93.0)], "broken", "of this test")
    assert broken.validation(random_codes(1)) == [93.0]
    with pytest.raises(ValueError, match="a number that is not finite"):
        broken.validation(random_codes(2))
    with pytest.raises(ValueError, match="members: expected at least one model"):
        NASBench301([], "none", "nothing")


def test_benchmarks_can_be_sent_to_other_processes(ensemble):
    for bench in (NASBench301.standin(), NASBench301.from_official(ensemble)):
        cells = bench.space.sample(5, rng=0)
        there = pickle.loads(pickle.dumps(bench))
        np.testing.assert_array_equal(there.validation(cells), bench.validation(cells))
