"""The reader of NAS-Bench-101's files: a genuine record, files of a writer of its own, damage of every kind."""

from __future__ import annotations

import base64
import json
import logging
import os
import struct
import tracemalloc

import numpy as np
import pytest

from crlso import _core
from crlso.benchmarks.files.tfrecord import load_tfrecord, read_tfrecord
from tests.fuzz.tfrecord import check as fuzz

from ...twins import nasbench101 as twin
from ...twins import tfrecord_writer as writer

CHAIN = (1, *[0] * 4, 1, *[0] * 14, 0, 1, *[0] * 4)  # input, conv3x3, output
HALF = [(0.0, 0.0, 0.1, 0.1, 0.1), (54.0, 1.0, 0.2, 0.2, 0.2)]


@pytest.fixture(scope="module")
def genuine(shared) -> bytes:
    """One record of the published file, 4 epochs."""
    return (shared / "data/fixtures/nasbench101_one_record.tfrecord").read_bytes()


def cells(n: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Different cells, in canonical form."""
    rng, found = np.random.default_rng(seed), {}
    while len(found) < n:
        found[twin.canonical(twin.random_codes(rng))] = None
    return list(found)


def chain(evaluations=None, parameters: int = 7, name: str | None = None, epochs=108, bits=None, ops=None) -> bytes:
    """One frame of the cell CHAIN, whole or with something wrong."""
    final = [*HALF, (108.0, 2.0, 1.0, 0.9, 0.8)]
    message = writer.metrics(final if evaluations is None else evaluations, parameters, 3.0)
    texts = writer.graph_texts(CHAIN)
    name = twin.module_hash(CHAIN) if name is None else name
    return writer.frame(writer.payload(name, epochs, bits or texts[0], ops or texts[1], message))


def refuses(tmp_path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tfrecord"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_tfrecord(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_checksums_are_those_of_rfc_3720(data, crc):
    assert _core.crc32c(data) == writer.crc32c(data) == crc
    assert _core.crc32c(memoryview(bytearray(data))) == crc


def test_checksum_refuses_text():
    with pytest.raises(TypeError):
        _core.crc32c("text")


def test_the_genuine_record(genuine, tmp_path, shared):
    path = tmp_path / "one.tfrecord"
    path.write_bytes(genuine)
    found = read_tfrecord(path, epochs=4)
    with np.load(shared / "data/nasbench101/nb101.npz") as table:
        assert found.parameters.tolist() == [table["params"][0]]
    hashes = np.load(shared / "data/nasbench101/nb101_hash_md5.npy")
    assert _core.nb101_hash(found.codes).tobytes() == hashes[0].tobytes()
    # The final doubles stand in the base64 text; they are read here by their places alone.
    message = base64.b64decode(json.loads(genuine[12:-4])[4])
    _, seconds, _, validation, test = (struct.unpack_from("<d", message, 97 + 9 * i)[0] for i in range(5))
    assert [found.validation[0], found.test[0], found.seconds[0]] == [100 * validation, 100 * test, seconds]
    assert 0.3 < validation < 0.4 and validation * 9984 == pytest.approx(round(validation * 9984), abs=1e-3)
    assert found.repeats.tolist() == [1]


def test_the_writer_makes_the_genuine_bytes(genuine):
    name, epochs, bits, operations, text = json.loads(genuine[12:-4])
    message = base64.b64decode(text)
    evaluations = [struct.unpack_from("<xdxdxdxdxd", message, 2 + 47 * i) for i in range(3)]
    (total,) = struct.unpack_from("<d", message, len(message) - 8)
    again = writer.metrics(evaluations, 8555530, total)
    assert again == message
    assert writer.frame(writer.payload(name, epochs, bits, operations, again)) == genuine


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 10,000 records: 1,250 cells, three trainings for 108 epochs and five for 12; and what is in it."""
    rng, chosen = np.random.default_rng(1), cells(1250)
    values = rng.integers(0, 9985, (len(chosen), 8, 2)) / 9984
    seconds, parameters = rng.uniform(100, 5000, (len(chosen), 8)), rng.integers(1, 5e7, len(chosen))
    frames = (
        writer.record(codes, 108 if run < 3 else 12, *values[i, run], seconds[i, run], int(parameters[i]))
        for run in rng.permutation(8)
        for i, codes in enumerate(chosen)
    )
    path = writer.write(tmp_path_factory.mktemp("large") / "large.tfrecord", frames)
    return path, np.array(chosen, np.uint8), 100 * values[:, :3].mean(axis=1), seconds[:, :3].mean(axis=1), parameters


@pytest.mark.slow
def test_ten_thousand_records_come_back(large, caplog):
    path, codes, values, seconds, parameters = large
    found = read_tfrecord(path)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_allclose(np.stack([found.validation, found.test], axis=1), values, rtol=1e-14)
    np.testing.assert_allclose(found.seconds, seconds, rtol=1e-14)
    np.testing.assert_array_equal(found.parameters, parameters)
    assert (found.repeats == 3).all() and not caplog.records
    found = read_tfrecord(path, epochs=12)
    assert (found.repeats == 5).all()
    assert [record.message for record in caplog.records] == [f"{path}: 1250 of 1250 cells do not have 3 records"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(large):
    tracemalloc.start()
    read_tfrecord(large[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert os.path.getsize(large[0]) > 3_500_000 and peak < 1_500_000


def test_vertices_that_lead_nowhere_are_left_out(tmp_path):
    rng = np.random.default_rng(5)
    for _ in range(300):
        n = int(rng.integers(2, 8))
        upper = np.triu(rng.random((n, n)) < 0.4, 1)
        operations = rng.integers(1, 4, n - 2).tolist()
        place = [*range(n - 1), 6]
        codes = twin.prune(operations, {(place[a], place[b]) for a, b in np.argwhere(upper).tolist()})
        bits = "".join("01"[bit] for bit in upper.ravel().tolist())
        names = ",".join(["input", *(twin.OPERATIONS[k - 1] for k in operations), "output"])
        if codes is None or sum(codes[5:]) > 9:
            refuses(tmp_path, chain(bits=bits, ops=names), "path from input to output" if codes is None else "9 edges")
            continue
        path = tmp_path / "cell.tfrecord"
        path.write_bytes(chain(bits=bits, ops=names, name=twin.module_hash(codes)))
        assert tuple(read_tfrecord(path).codes[0].tolist()) == codes


def test_truncated_files_name_the_byte(genuine, tmp_path):
    for length in range(1, len(genuine), 3):
        refuses(tmp_path, genuine[:length], r"byte (0|12): .*truncated")
    refuses(tmp_path, chain() + genuine[:5], rf"byte {len(chain())}: .*truncated")


def test_flipped_bits_are_found(genuine, tmp_path):
    path = tmp_path / "flipped.tfrecord"
    for bit in range(0, 8 * len(genuine), 7):  # one in each byte, or two
        damaged = bytearray(genuine)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"byte (0|12): the checksum"):
            read_tfrecord(path, epochs=4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected records of 108 epochs, got none among 0"),
        (b"PK\x03\x04" + bytes(100), "byte 0: the checksum of a frame's length"),
        (b"\x1f\x8b" + bytes(9), "byte 0: expected a frame's head"),
        (
            struct.pack("<Q", 1 << 60) + writer.masked(struct.pack("<Q", 1 << 60)),
            f"byte 0: expected a payload of at most 65536 bytes, got {1 << 60}",
        ),
        (writer.frame(b""), "byte 12: Expecting value"),
        (writer.frame(b"\xff\xfe["), "byte 12: 'utf-8' codec"),
        (writer.frame(b"[" * 60000), "byte 12: maximum recursion"),
        (writer.frame(b'["a", 108, "b", "c"]'), "byte 12: expected a list of module hash"),
        (writer.frame(b'["a", true, "b", "c", "d"]'), "byte 12: expected a list of module hash"),
        (writer.frame(b'["zz", 108, "b", "c", "d"]'), "byte 12: non-hexadecimal"),
        (writer.frame(b'["", 108, "b", "c", "!!!!"]'), "byte 12: "),
        (chain(epochs=36), "expected records of 108 epochs, got none among 1"),
        (chain(evaluations=HALF), "byte 12: metrics: expected 3 evaluations, got 2"),
        (chain(evaluations=[*HALF, (1.0, 2.0, 1.0, float("nan"), 0.8)]), "byte 12: metrics: expected accuracies"),
        (chain(evaluations=[*HALF, (1.0, 2.0, 1.0, 0.9, 1.2)]), "byte 12: metrics: expected accuracies"),
        (chain(evaluations=[*HALF, (1.0, 2.0, 1.0, 0.9)]), "byte 12: metrics: expected accuracies"),
        (chain(evaluations=[*HALF, (1.0, float("inf"), 1.0, 0.9, 0.8)]), "byte 12: metrics: expected a training time"),
        (chain(parameters=0), "byte 12: metrics: expected a number of parameters"),
        (chain(name="00" * 16), "byte 0: the module hash is not that of the record's cell"),
        (chain() + chain(parameters=8), rf"byte {len(chain()) + 12}: expected 7 parameters as in an earlier"),
        (chain(bits="010001000" + "0" * 7), "byte 12: cell: expected the bits of an n x n matrix"),
        (chain(bits="010002000"), "byte 12: cell: expected the bits"),
        (chain(bits="010001100"), "byte 12: cell: expected edges from lower"),
        (chain(ops="input,conv5x5,output"), "byte 12: cell: expected input, conv3x3-bn-relu"),
        (chain(ops="output,maxpool3x3,input"), "byte 12: cell: expected input, conv3x3-bn-relu"),
    ],
)
def test_broken_records_name_the_byte(content, message, tmp_path):
    refuses(tmp_path, content, message)


@pytest.mark.parametrize(
    "message",
    [b"\x80" * 20, b"\x0b", b"\x0a\x05ab", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0d\x00", b"\x09\x00"],
)
def test_broken_metrics_are_refused(message, tmp_path):
    texts = writer.graph_texts(CHAIN)
    payload = writer.payload(twin.module_hash(CHAIN), 108, *texts, message)
    refuses(tmp_path, writer.frame(payload), "byte 12: metrics: ")


@pytest.mark.parametrize("epochs", [0, 200, True, 108.0, "108", None])
def test_epochs_are_those_of_the_benchmark(epochs, tmp_path):
    with pytest.raises(ValueError, match="epochs: expected one of 4, 12, 36, 108"):
        read_tfrecord(tmp_path / "nothing", epochs)


@pytest.mark.slow
def test_thousands_of_mutations_never_surprise(genuine):
    """Values, sums and payloads of the genuine record are changed at random, with and without right checksums."""
    rng = np.random.default_rng(7)
    outcomes = {fuzz(genuine, epochs=4)}
    assert outcomes == {"read"}
    for _ in range(4000):
        payload = bytearray(genuine[12:-4])
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(payload)))
            kind = int(rng.integers(4))
            if kind == 0:
                payload[at] = int(rng.integers(256))
            elif kind == 1:
                del payload[at : at + int(rng.integers(1, 9))]
            elif kind == 2:
                payload[at:at] = rng.bytes(int(rng.integers(1, 9)))
            else:
                payload[at] ^= 1 << int(rng.integers(8))
            if not payload:
                break
        outcomes.add(fuzz(writer.frame(bytes(payload)), epochs=4))
        metrics = bytearray(base64.b64decode(json.loads(genuine[12:-4])[4]))
        for at in rng.integers(len(metrics), size=int(rng.integers(1, 4))).tolist():
            metrics[at] = int(rng.integers(256))
        parts = json.loads(genuine[12:-4])[:4]
        outcomes.add(fuzz(writer.frame(writer.payload(*parts, bytes(metrics))), epochs=4))
    assert outcomes == {"read", "refused"}


# ---- cache ----


@pytest.fixture
def source(tmp_path):
    """A small file."""
    return writer.write(tmp_path / "a.tfrecord", [chain()] * 3)


def same(a, b) -> bool:
    return all(np.array_equal(x, vars(b)[name]) and x.dtype == vars(b)[name].dtype for name, x in vars(a).items())


def test_a_file_is_converted_once(source, monkeypatch):
    first = load_tfrecord(source)
    assert sorted(path.name for path in source.parent.iterdir()) == ["a.tfrecord", "a.tfrecord.108.npz"]
    monkeypatch.setattr("crlso.benchmarks.files.tfrecord.read_tfrecord", None)
    assert same(load_tfrecord(source), first) and same(first, read_tfrecord(source))


def test_a_changed_file_is_converted_again(source, tmp_path):
    cache = tmp_path / "cache.npz"
    load_tfrecord(source, cache=cache)
    writer.write(source, [chain(parameters=9)] * 3)
    assert load_tfrecord(source, cache=cache).parameters.tolist() == [9]
    writer.write(source, [chain(epochs=36, parameters=11)])
    assert load_tfrecord(source, 36, cache).parameters.tolist() == [11]
    with pytest.raises(ValueError, match="got none among 1 records"):
        load_tfrecord(source, 108, cache)
    assert load_tfrecord(source, 36, cache).parameters.tolist() == [11]


def test_a_foreign_or_damaged_cache_is_left_alone(source, tmp_path):
    cache = tmp_path / "cache.npz"
    load_tfrecord(source, cache=cache)
    whole = cache.read_bytes()
    foreign, array = tmp_path / "foreign.npz", tmp_path / "array.npy"
    np.savez(foreign, meta=np.array(json.dumps({"kind": "other"})))
    np.save(array, np.arange(3))
    contents = [b"", b"text", foreign.read_bytes(), array.read_bytes(), whole[:-30], whole[:200] + whole[230:]]
    for content in contents:
        cache.write_bytes(content)
        with pytest.raises(ValueError, match=r"cache: expected a cache of crlso or no file at .*cache\.npz"):
            load_tfrecord(source, cache=cache)
        assert cache.read_bytes() == content
    with np.load(tmp_path / "cache.npz" if cache.write_bytes(whole) else None) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, value in (("validation", [np.nan]), ("codes", np.zeros((2, 26), np.uint8)), ("repeats", [3.0])):
        np.savez(cache, **{**arrays, name: np.array(value)})
        with pytest.raises(ValueError, match=r"cache: expected \w+ of shape"):
            load_tfrecord(source, cache=cache)
    for name, value in (("validation", [101.0]), ("test", [-1.0]), ("seconds", [-1.0]), ("repeats", [-1])):
        np.savez(cache, **{**arrays, name: np.array(value)})
        with pytest.raises(ValueError, match=rf"cache: expected {name} in its range"):
            load_tfrecord(source, cache=cache)


def test_a_cache_that_cannot_be_written_is_no_failure(source, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="crlso"):
        found = load_tfrecord(source, cache=tmp_path / "missing" / "cache.npz")
    assert found.parameters.tolist() == [7] and "could not be written" in caplog.text
