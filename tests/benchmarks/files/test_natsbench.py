"""NAS-Bench-201 from the official files and from nats_bench objects, against nats_bench's own answers."""

from __future__ import annotations

import bz2
import copy
import io
import logging
import os
import pickle
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from crlso._base.fingerprint import fingerprint
from crlso.benchmarks import NASBench201
from crlso.benchmarks.files import natsbench
from tests.fuzz.natsbench import CELL, check

INDICES = (0, 11, 284)
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")

# What nats_bench 1.8 says about the three genuine files: validation and test after 200 epochs, then after 12.
#   api = nats_bench.create("NATS-tss-v1_0-3ffb9-simple", "tss", fast_mode=True, verbose=False)
#   validation: api.get_more_info(i, dataset, iepoch=None, hp=hp, is_random=False)["valid-accuracy"] of "cifar10-valid",
#   "cifar100", "ImageNet16-120"; test: the same ["test-accuracy"] of "cifar10", "cifar100", "ImageNet16-120".
OFFICIAL = {
    (0, "cifar10"): (81.98266665690103, 85.86333333333334, 63.36399998046875, 69.55),
    (0, "cifar100"): (52.69999994710287, 52.913333294677734, 31.840000003051756, 31.259999963378906),
    (0, "ImageNet16-120"): (28.21111109246148, 26.6333332739936, 18.466666661580405, 16.999999966939292),
    (11, "cifar10"): (87.9399999983724, 91.58333333333333, 63.27799998413086, 74.0),
    (11, "cifar100"): (67.45333326416016, 67.6066666422526, 33.63999997253418, 32.76000000305176),
    (11, "ImageNet16-120"): (30.411111104329425, 30.166666602240667, 15.666666633605956, 14.733333302815755),
    (284, "cifar10"): (86.04666666341147, 88.79, 72.8759999975586, 79.46),
    (284, "cifar100"): (61.67999998779297, 62.13999997558594, 40.47999998168945, 39.44000000610352),
    (284, "ImageNet16-120"): (33.399999984741214, 32.466666556464304, 22.19999998474121, 21.733333333333334),
}


@pytest.fixture(scope="module")
def folder(shared):
    """The official folder with three of its result files."""
    return shared / "data/fixtures/NATS-tss-v1_0-3ffb9-simple"


@pytest.fixture
def own(folder, tmp_path):
    """A copy of the folder that a test may change."""
    copied = tmp_path / "own"
    copied.mkdir()
    for file in folder.iterdir():
        shutil.copyfile(file, copied / file.name)
    return copied


def answers(bench) -> list[tuple[float, ...]]:
    """Validation and test after 200 epochs, then after 12, of the three cells."""
    columns = [method(INDICES, epochs=epochs) for epochs in (200, 12) for method in (bench.validation, bench.test)]
    return list(zip(*(column.tolist() for column in columns)))


class Api:
    """Behaves as nats_bench's object of the topology space does, on the three genuine answers."""

    def __init__(self, order=None):
        self.archs = [str(cell) for cell in NASBench201().space.cells(np.arange(15625))]
        self.order = list(range(15625)) if order is None else order
        self.calls = []

    def __len__(self):
        return len(self.archs)

    def arch(self, index):
        """String at a position."""
        return self.archs[self.order[index]]

    def query_index_by_arch(self, arch):
        """Position of a string, -1 when absent."""
        return self.order.index(self.archs.index(arch)) if arch in self.archs else -1

    def get_more_info(self, index, dataset, iepoch=None, hp="12", is_random=True):
        """Only what each dataset has: CIFAR-10 is validated and tested under two names."""
        self.calls.append((index, dataset, hp))
        assert is_random is False and iepoch is None and hp in ("12", "200")
        name = "cifar10" if dataset == "cifar10-valid" else dataset
        if (self.order[index], name) not in OFFICIAL:
            raise AssertionError(f"invalid data path : {index}")
        validation, test = OFFICIAL[self.order[index], name][0 if hp == "200" else 2 :][:2]
        info = {"train-accuracy": 99.0}
        if dataset != "cifar10":
            info["valid-accuracy"] = validation
        info["test-accuracy"] = 1.0 if dataset == "cifar10-valid" else test
        return info


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS)
def test_files_and_objects_give_what_nats_bench_gives(folder, dataset):
    expected = [OFFICIAL[i, dataset] for i in INDICES]
    files = NASBench201.from_natsbench_dir(folder, dataset, allow_missing=True)
    np.testing.assert_allclose(answers(files), expected, rtol=0, atol=1e-12)
    live = NASBench201.from_nats_bench(Api(), dataset)
    np.testing.assert_array_equal(answers(live), expected)
    embedded = NASBench201(dataset)
    np.testing.assert_allclose(answers(files), answers(embedded), rtol=0, atol=4e-5)  # printed with four decimals
    for seed in range(3):
        got, known = (bench.validation(INDICES, seed=seed) for bench in (files, embedded))
        np.testing.assert_allclose(got, known, rtol=0, atol=5e-5)
    for bench in (files, live):
        assert bench.dataset == dataset and bench.evaluate(284) == pytest.approx(expected[2][0])
        np.testing.assert_array_equal(bench.parameters(INDICES), embedded.parameters(INDICES))


@pytest.mark.slow
def test_every_answer_says_where_it_comes_from(folder):
    files = NASBench201.from_natsbench_dir(folder, allow_missing=True)
    live = NASBench201.from_nats_bench(Api())
    assert files.source == f"3 of 15625 files of NATS-Bench in {folder}"
    assert live.source.startswith("a ") and live.source.endswith(".Api object")
    for bench in (files, live):
        assert repr(bench).endswith(f", from {bench.source}") and bench.info(0)["source"] == bench.source
    assert NASBench201().source == "the table that comes with the package" and "from" not in repr(NASBench201())
    assert len(files.info(0)["validation_runs"]) == 3 and live.info(0)["validation_runs"] == []


def test_cells_without_a_file_raise(folder, own):
    with pytest.raises(
        FileNotFoundError, match=r"path: expected 15625 .* 15622 are missing, first 000001\.pickle\.pbz2"
    ):
        NASBench201.from_natsbench_dir(folder)
    (own / "000000.pickle.pbz2").unlink()
    bench = NASBench201.from_natsbench_dir(own, allow_missing=True)
    for ask in (bench.validation, bench.test, lambda cells: bench.validation(cells, epochs=12)):
        with pytest.raises(LookupError, match=r"2 of 15625 files .* for 2 of 3 cells, .* \(index 0\)"):
            ask([11, 0, 5])
    for ask in (lambda: bench.evaluate(0), bench.optimum, lambda: bench.regret(50), lambda: bench.info(0)):
        with pytest.raises(LookupError, match="no validation accurac"):
            ask()
    with pytest.raises(LookupError, match="no validation accuracies of single runs for"):
        bench.validation([0], seed=1)


@pytest.mark.slow
def test_the_order_of_the_meta_file_counts(own):
    with bz2.open(own / "meta.pickle.pbz2") as file:
        meta = pickle.load(file)
    strings = meta["meta_archs"]
    strings[0], strings[7] = strings[7], strings[0]
    write(own / "meta.pickle.pbz2", meta)
    with pytest.raises(ValueError, match=r"000000\.pickle\.pbz2: expected results of NATS-Bench: .* expected cell"):
        NASBench201.from_natsbench_dir(own, allow_missing=True)
    (own / "000000.pickle.pbz2").rename(own / "000007.pickle.pbz2")
    bench = NASBench201.from_natsbench_dir(own, allow_missing=True)
    np.testing.assert_allclose(answers(bench), [OFFICIAL[i, "cifar10"] for i in INDICES], rtol=0, atol=1e-12)


def write(path, value) -> None:
    """A compressed pickle as the authors write it."""
    with bz2.open(path, "wb") as file:
        pickle.dump(value, file, protocol=4)


@pytest.mark.slow
def test_the_cache_is_read_instead_of_the_files(own, tmp_path, monkeypatch, caplog):
    cache = tmp_path / "cache.npz"
    with caplog.at_level(logging.INFO, logger="crlso"):
        first = NASBench201.from_natsbench_dir(own, "cifar100", cache=cache, allow_missing=True)
    assert "0 of 3 files" in caplog.text and [p.name for p in tmp_path.glob("*.part")] == []
    with np.load(cache, allow_pickle=False) as archive:
        assert archive["cifar10/runs"].shape == (15625, 3)
    with monkeypatch.context() as patch:
        patch.setattr(natsbench, "read_result", None)
        for dataset in DATASETS:
            bench = NASBench201.from_natsbench_dir(own, dataset, cache=cache, allow_missing=True)
            np.testing.assert_allclose(answers(bench), [OFFICIAL[i, dataset] for i in INDICES], rtol=0, atol=1e-12)
        assert answers(NASBench201.from_natsbench_dir(own, "cifar100", cache=cache, allow_missing=True)) == answers(
            first
        )
        with pytest.raises(FileNotFoundError, match="15622 are missing"):
            NASBench201.from_natsbench_dir(own, cache=cache)
    (own / "000011.pickle.pbz2").unlink()
    bench = NASBench201.from_natsbench_dir(own, "cifar100", cache=cache, allow_missing=True)
    assert bench.evaluate(284) == first.evaluate(284)
    with pytest.raises(LookupError, match="2 of 15625 files"):
        bench.evaluate(11)


@pytest.mark.slow
@pytest.mark.slow
def test_a_file_that_was_edited_in_place_is_read_again(own, tmp_path):
    cache = tmp_path / "cache.npz"
    NASBench201.from_natsbench_dir(own, cache=cache, allow_missing=True)
    before = cache.read_bytes()
    file = next(file for file in sorted(own.iterdir()) if not file.name.startswith("meta"))
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))  # other content of the same size
    NASBench201.from_natsbench_dir(own, cache=cache, allow_missing=True)
    assert cache.read_bytes() != before


def test_a_file_that_is_no_cache_is_not_overwritten(folder, tmp_path):
    good = tmp_path / "good.npz"
    NASBench201.from_natsbench_dir(folder, cache=good, allow_missing=True)
    with np.load(good) as archive:
        columns = dict(archive)
    broken = {
        "text": b"my thesis",
        "empty": b"",
        "cut": good.read_bytes()[:-100],
        "pickle": pickle.dumps(columns),
        "other": {"a": np.zeros(3)},
        "format": columns | {"format": np.array("other")},
        "shape": columns | {"cifar10/val12": np.zeros(3)},
        "dtype": columns | {"cifar10/val12": np.zeros(15625, dtype=np.int64)},
        "range": columns | {"cifar10/val12": np.full(15625, 101.0)},
        "object": columns | {"cifar10/val12": np.array([None] * 15625)},
    }
    for name, content in broken.items():
        path = tmp_path / f"{name}.npz"
        if isinstance(content, dict):
            np.savez(path, **content)
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(ValueError, match=rf"cache: expected a file that this function wrote, got .*{name}\.npz"):
            NASBench201.from_natsbench_dir(folder, cache=path, allow_missing=True)
        assert path.read_bytes() == before


def test_a_failed_conversion_leaves_no_cache(own, tmp_path):
    (own / "000284.pickle.pbz2").write_bytes(b"BZh91AY&SY")
    with pytest.raises(ValueError, match=r"000284\.pickle\.pbz2"):
        NASBench201.from_natsbench_dir(own, cache=tmp_path / "cache.npz", allow_missing=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own"]


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        NASBench201.from_natsbench_dir(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"meta\.pickle\.pbz2"):
        NASBench201.from_natsbench_dir(tmp_path, allow_missing=True)
    with pytest.raises(ValueError, match="dataset: expected one of"):
        NASBench201.from_natsbench_dir(tmp_path, "mnist")


class System:
    """Would run a command when unpickled."""

    def __reduce__(self):
        return os.system, ("touch ran",)


def hostile(genuine: dict) -> dict[str, tuple[object, str]]:
    """Name -> results that are wrong in one place, and what the message must say."""

    def changed(value, *keys):
        other = copy.deepcopy(genuine)
        target = other
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value
        return other

    accuracies = ("200", "all_results", ("cifar100", 888), "eval_acc1es")
    laughs = []
    for _ in range(60):
        laughs = [laughs, laughs]
    return {
        "system": (changed(System(), "200", "clear_net_done"), r"global (posix|nt)\.system is not allowed"),
        "array": (changed(np.zeros(3), *accuracies, "x-valid@199"), "is not allowed"),
        "object": (
            changed(np.dtype(object), "12", "arch_index"),
            "malformed .ValueError: expected the name of a number",
        ),
        "list": ([1], "TypeError"),
        "no epochs": ({"12": genuine["12"]}, "KeyError: '200'"),
        "arch": (changed("other", "12", "arch_str"), "got 'other'"),
        "no seeds": (changed([], "200", "dataset_seed", "cifar100"), "1 to 3 seeds of cifar100"),
        "many seeds": (changed([1, 2, 3, 4], "200", "dataset_seed", "cifar100"), "1 to 3 seeds of cifar100"),
        "odd seeds": (changed([777, (777,)], "200", "dataset_seed", "cifar100"), "1 to 3 seeds of cifar100"),
        "other seed": (changed([777, 1], "200", "dataset_seed", "cifar100"), "KeyError"),
        "nan": (changed(float("nan"), *accuracies, "x-valid@199"), "accuracy in percent at x-valid@199, got nan"),
        "large": (changed(100.5, *accuracies, "x-test@199"), "accuracy in percent at x-test@199, got 100.5"),
        "true": (changed(True, *accuracies, "x-valid@199"), "got True"),
        "laughs": (changed(laughs, *accuracies, "x-valid@199"), "got a list"),
    }


@pytest.fixture(scope="module")
def genuine(folder):
    """Results of one cell as plain values."""
    with bz2.open(folder / "000000.pickle.pbz2") as file:
        return pickle.load(file)


def read(value, protocol: int = 4) -> dict[str, np.ndarray]:
    """What the reader makes of results as they would be in a file."""
    return natsbench.read_result(io.BytesIO(pickle.dumps(value, protocol)), "file x", CELL)


def test_wrong_and_hostile_results_are_refused(genuine):
    assert read(genuine)["cifar100/test200"] == OFFICIAL[0, "cifar100"][1]
    for name, (value, message) in hostile(genuine).items():
        with pytest.raises(ValueError, match=r"^file x: expected ") as error:
            read(value)
        assert re.search(message, str(error.value)), name
        assert len(str(error.value)) < 1000
    assert not os.path.exists("ran")


def test_a_hostile_file_in_a_folder_is_named(own):
    write(own / "000284.pickle.pbz2", {"200": System()})
    with pytest.raises(ValueError, match=r"000284\.pickle\.pbz2: .* global (posix|nt)\.system is not allowed"):
        NASBench201.from_natsbench_dir(own, allow_missing=True)
    assert not os.path.exists("ran")


def test_the_command_of_the_hostile_file_would_have_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(System()))
    assert os.path.exists("ran")


def test_numpy_numbers_are_read_as_they_are(genuine):
    results = copy.deepcopy(genuine)
    for kind in (np.float64, np.float32, np.float16, np.int64, np.uint8):
        for seed in (777, 888, 999):
            results["200"]["all_results"]["cifar100", seed]["eval_acc1es"]["x-valid@199"] = kind(61.5)
        assert read(results)["cifar100/val200"] == float(kind(61.5))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [3, 5])
def test_other_protocols_give_the_same(genuine, protocol):
    for name, value in read(genuine, protocol).items():
        np.testing.assert_array_equal(value, read(genuine)[name])


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        (None, "a list of cell strings at meta_archs"),
        ([1, 2], "a list of cell strings at meta_archs"),
        ([], "expected each of 15625 cells once, got 0 in 0 strings"),
        ([CELL, CELL], "expected each of 15625 cells once, got 1 in 2 strings"),
        (["64:64:64:64:64"], "expected cells of NAS-Bench-201 at meta_archs"),
    ],
)
def test_wrong_meta_files_are_refused(own, strings, message):
    write(own / "meta.pickle.pbz2", {"meta_archs": strings})
    with pytest.raises(ValueError, match=r"meta\.pickle\.pbz2: ") as error:
        NASBench201.from_natsbench_dir(own, allow_missing=True)
    assert error.match(message)


@pytest.mark.slow
def test_damaged_and_exploding_compressed_files_are_refused(own):
    path = own / "000011.pickle.pbz2"
    whole = path.read_bytes()
    for other in (0, 284):
        (own / f"{other:06d}.pickle.pbz2").unlink()
    bomb = bz2.compress(pickle.PROTO + b"\x04" + b"N" * (1 << 24))
    assert len(bomb) < 1000
    damaged = [whole[:-1], whole[: len(whole) // 2], b"", b"PK\x03\x04", whole[:5000] + b"\xff" + whole[5001:], bomb]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"000011\.pickle\.pbz2: expected a (bzip2 file|pickle of)"):
            NASBench201.from_natsbench_dir(own, allow_missing=True)


@pytest.mark.slow
def test_random_damage_gives_nothing_but_clear_errors(folder):
    generator = random.Random(20)
    sources = []
    for name in ("000000.pickle.pbz2", "meta.pickle.pbz2"):
        with bz2.open(folder / name) as file:
            sources.append(file.read())
    # Short pieces from the start of a file reach deep into the machine at little cost; whole files are slow.
    for n in range(3000):
        data = bytearray(sources[n % 2][: generator.choice((20, 200, 2000))] + b"u" * generator.randrange(3) + b".")
        for _ in range(generator.randrange(1, 5)):
            position = generator.randrange(2, len(data))
            data[position : position + generator.randrange(3)] = generator.randbytes(generator.randrange(3))
        check(bytes(data))
    for n in range(10):
        data = bytearray(sources[0])
        data[generator.randrange(len(data))] ^= 1 << n % 8
        check(bytes(data))


def test_the_fuzz_target_can_fail(monkeypatch):
    monkeypatch.setattr(natsbench, "_means", lambda *arguments: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        check(pickle.dumps({"200": {"arch_str": CELL}}, protocol=4))


def test_objects_are_asked_once_for_means_and_never_at_random():
    api = Api()
    bench = NASBench201.from_nats_bench(api, "cifar-10")
    assert api.calls == []
    for _ in range(2):
        bench.validation([284, 0]), bench.test([284])
    assert api.calls == [(284, "cifar10-valid", "200"), (0, "cifar10-valid", "200"), (284, "cifar10", "200")]
    with pytest.raises(ValueError, match=r"seed: expected None, because a .*Api object has means only; got 1"):
        bench.validation([0], seed=1)


def test_objects_in_another_order():
    order = np.random.default_rng(5).permutation(15625).tolist()
    bench = NASBench201.from_nats_bench(Api(order), "cifar100")
    np.testing.assert_array_equal(answers(bench), [OFFICIAL[i, "cifar100"] for i in INDICES])


def test_objects_without_a_value_raise():
    api = Api()
    bench = NASBench201.from_nats_bench(api)
    for ask in (lambda: bench.evaluate(5), bench.optimum):
        with pytest.raises(
            LookupError, match=r"Api object: no validation accuracy after 200 epochs for \|.*: invalid data path"
        ):
            ask()
    api.get_more_info = lambda *a, **k: {"test-accuracy": float("nan")}
    bench = NASBench201.from_nats_bench(api)
    with pytest.raises(LookupError, match="valid-accuracy"):
        bench.evaluate(0)
    with pytest.raises(LookupError, match="expected an accuracy in percent at test-accuracy, got nan"):
        bench.test([0])
    api.archs[9] = "gone"
    with pytest.raises(LookupError, match="no architecture"):
        bench.evaluate(9)


@pytest.mark.parametrize("name", ["__len__", "arch", "query_index_by_arch", "get_more_info"])
def test_wrong_objects_are_told_what_they_lack(name):
    methods = {key: value for key, value in vars(Api).items() if key != name}
    with pytest.raises(TypeError, match=f"api: expected a nats_bench object, got Other without method {name}"):
        NASBench201.from_nats_bench(type("Other", (), methods)())


def test_other_search_spaces_are_refused():
    api = Api()
    api.archs = ["64:64:64:64:64"] * 32768
    with pytest.raises(ValueError, match="api: expected 15625 architectures, got 32768"):
        NASBench201.from_nats_bench(api)
    api.archs = api.archs[:15625]
    with pytest.raises(ValueError, match="api: expected the topology search space of NATS-Bench"):
        NASBench201.from_nats_bench(api)


@pytest.mark.slow
def test_reading_needs_no_other_package(folder):
    code = (
        "import sys; from crlso.benchmarks import NASBench201\n"
        f"NASBench201.from_natsbench_dir({str(folder)!r}, allow_missing=True)\n"
        "assert not {'torch', 'nats_bench', 'tensorflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_objects_are_identified_by_their_folder_and_some_accuracies(monkeypatch):
    def identity(folder):
        api = Api()
        api.archive_dir = folder
        return fingerprint(NASBench201.from_nats_bench(api))

    first = identity("a")
    assert first == identity("a") != identity("b")
    monkeypatch.setitem(OFFICIAL, (0, "cifar10"), (1.0, 2.0, 3.0, 4.0))
    assert identity("a") != first
