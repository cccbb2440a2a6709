"""Files of models: damaged and hostile ones are a ValueError, before a network is made or memory is taken."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crlso.models import GraphVAE, ICNNSurrogate, LatentGP, Predictor
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201

SPACE = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
CODES = SPACE.all_codes()
ERRORS = np.linspace(0.1, 0.3, len(CODES))


def predictor() -> Any:
    return Predictor(SPACE, width=3, layers=2, epochs=1).fit(CODES, ERRORS)


def latent_gp() -> Any:
    return LatentGP(SPACE).fit(CODES, ERRORS)


def surrogate() -> Any:
    return ICNNSurrogate(width=3, layers=2, epochs=1).fit(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0))


def vae() -> Any:
    return GraphVAE(SPACE, width=3, latent=2, layers=2, epochs=1).fit(CODES)


def shaped_vae() -> Any:
    inner = ICNNSurrogate(width=2, layers=1)
    return GraphVAE(SPACE, width=3, latent=2, layers=3, epochs=1, surrogate=inner, max_norm=None).fit(CODES, ERRORS)


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Path], Any]]] = {
    "Predictor": (predictor, lambda path: Predictor.load(path, SPACE)),
    "LatentGP": (latent_gp, lambda path: LatentGP.load(path, SPACE)),
    "ICNNSurrogate": (surrogate, ICNNSurrogate.load),
    "GraphVAE": (vae, lambda path: GraphVAE.load(path, SPACE)),
    "GraphVAE with a surrogate": (shaped_vae, lambda path: GraphVAE.load(path, SPACE)),
}


def contents(model: Any) -> list[Any]:
    """All that a file keeps of a model."""
    own = ("space", "surrogate", "rng", "surrogate__rng")  # a file holds the seeds that rng gave
    params = {key: value for key, value in model.get_params().items() if key not in own}
    learned = [getattr(model, name, None) for name in ("mean_", "scale_", "weight_", "noise_")]
    if isinstance(model, LatentGP):
        return [params, learned, model.codes_.tolist(), model.values_.tolist()]
    arrays = {
        f"{module}/{name}": array.tolist()
        for module, network in model._modules().items()
        for name, array in network.state().items()
    }
    return [params, learned, arrays]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with a few of them changed, cut off, left out, repeated, or made longer."""
    kind, at = int(rng.integers(6)), int(rng.integers(len(data)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + int(rng.integers(1, 50)) :]
    if kind == 2:
        return data[:at] + data[at : at + int(rng.integers(1, 50))] + data[at:]
    changed = bytearray(data)
    if kind == 3:  # in the table of contents, which no checksum covers
        at = len(data) - 1 - int(rng.integers(min(len(data), 60 * data.count(b"PK\x01\x02") + 22)))
    for offset in range(int(rng.integers(1, 4)) if kind == 4 else 1):
        changed[(at + offset) % len(data)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_a_value_error_or_the_same_model(kind, tmp_path):
    make, load = KINDS[kind]
    path = tmp_path / "model"
    model = make()
    model.save(path)
    good, expected = path.read_bytes(), contents(model)
    assert contents(load(path)) == expected
    rng = np.random.default_rng(0)
    messages: list[str] = []
    for _ in range(120):
        path.write_bytes(mutated(good, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy remarks on headers that look like those of Python 2
                loaded = load(path)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert contents(loaded) == expected
    assert len(messages) > 60
    assert all(m.startswith(("path: expected a file saved by", "space: expected the space")) for m in messages)


@pytest.mark.parametrize(
    "space", [SPACE, NASBench101(), NASBench201(), DARTS(), CellSpace(operations_on="nodes")], ids=repr
)
def test_shapes_are_those_of_the_networks(space):
    inner = ICNNSurrogate(width=5, layers=3)
    vae = GraphVAE(space, width=4, latent=3, layers=4, surrogate=inner).initialise()
    vae.surrogate_ = ICNNSurrogate(**inner.get_params()).initialise(3)
    predictor = Predictor(space, width=6, layers=2)
    predictor._initialise()
    for model in (vae, predictor):
        arrays = {
            f"{module}/{name}": array.shape
            for module, network in model._modules().items()
            for name, array in network.state().items()
        }
        assert dict(model._shapes()) == arrays
    assert dict(inner._shapes(3)) == {name: array.shape for name, array in vae.surrogate_.network_.state().items()}


# ---- hostile archives --------------------------------------------------------------------------------------------


def rewritten(
    data: bytes, change: Callable[[zipfile.ZipInfo, bytes], Any], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """The archive with the members that ``change(info, content)`` returns."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", compression) as target:
        for info in source.infolist():
            for name, content in change(info, source.read(info)):
                target.writestr(name, content)
    return out.getvalue()


def npy(shape: tuple[int, ...], descr: str = "<f4", data: bytes = b"") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def saved(tmp_path: Path, width: int) -> bytes:
    model = ICNNSurrogate(width=2, layers=1).initialise(2)
    model.width = width
    model.save(tmp_path / "good")
    return (tmp_path / "good").read_bytes()


def load(tmp_path: Path, data: bytes) -> tuple[str, int]:
    """The message of the error, and the most memory that was taken on the way."""
    path = tmp_path / "bad"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="path: expected a file saved by ICNNSurrogate") as caught:
            ICNNSurrogate.load(path)
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def meta(info: zipfile.ZipInfo, content: bytes) -> list[tuple[str, bytes]]:
    """The one member "meta" of an archive, for `rewritten`."""
    return [("meta.npy", content)] if "meta" in info.filename else []


BIG = 1 << 14


def test_a_compressed_archive_is_refused_before_it_grows(tmp_path):
    zeros = npy((BIG, BIG // 64), data=bytes(BIG * BIG // 16))
    data = rewritten(
        saved(tmp_path, 2),
        lambda info, x: [(info.filename, zeros if "weights.0" in info.filename else x)],
        zipfile.ZIP_DEFLATED,
    )
    message, memory = load(tmp_path, data)
    assert "neither compressed nor encrypted" in message
    assert len(data) < 200_000 and memory < 4_000_000 < len(zeros)


def test_a_header_larger_than_its_array_is_refused_before_memory_is_taken(tmp_path):
    shapes = {"input_weight": (BIG, 2), "weights.0": (BIG, BIG), "skips.0": (BIG, 2), "input_bias": (BIG,)}
    shapes["output_weight"] = (1, BIG)
    data = rewritten(
        saved(tmp_path, BIG),
        lambda info, x: [(info.filename, npy(shapes[name]) if (name := info.filename[8:-4]) in shapes else x)],
    )
    message, memory = load(tmp_path, data)
    assert "expected an array that fills its part of the file" in message and memory < 4_000_000


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """The table of contents may name one array many times."""
    good = bytearray(saved(tmp_path, 2))
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        start = archive.start_dir
        offset = archive.getinfo("meta.npy").header_offset
    entries, names = [], 0
    for i in range(300):
        name = f"n{i:07d}.npy".encode()
        size = struct.pack("<II", 900, 900)
        entries.append(
            b"PK\x01\x02" + bytes(16) + size + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name
        )
        names += 1
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, names, names, sum(map(len, entries)), start, 0)
    message, _ = load(tmp_path, bytes(good[:start]) + b"".join(entries) + end)
    assert "in the file, got more" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda info, x: [(info.filename, x)] * (1 + ("meta" in info.filename)), "different names"),
        (lambda info, x: [(info.filename.removesuffix(".npy"), x)], "expected arrays with different names"),
        (lambda info, x: [] if "meta" in info.filename else [(info.filename, x)], "expected an array meta"),
        (lambda info, x: meta(info, npy((), "<U9", bytes(36))), "JSONDecodeError|Expecting"),
        (lambda info, x: meta(info, npy((), "<U300000", bytes(1200000))), "short text"),
        (lambda info, x: meta(info, npy((2,), "<U9", bytes(72))), "short text"),
        (lambda info, x: [(info.filename, b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118)], "expected an array, got"),
        (lambda info, x: [(info.filename, b"\x93NUMPY\x03\x00" + x[8:])], r"expected an array, got KeyError"),
        (lambda info, x: [(info.filename, x[:-1] if "skip" in info.filename else x)], "fills its part"),
        (lambda info, x: [(info.filename, x.replace(b"<f4", b"<i4"))], "expected real numbers"),
        (lambda info, x: [(info.filename, x.replace(b"(1, 2)", b"(2, 1)"))], "expected shape"),
        (lambda info, x: [(info.filename, x.replace(b"(1, 2)", b"(-1,-2)"))], "fills its part|expected an array|shape"),
    ],
)  # fmt: skip
def test_what_else_is_no_file_of_a_model(tmp_path, change, words):
    good = saved(tmp_path, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile remarks on equal names, NumPy on old headers
        message, memory = load(tmp_path, rewritten(good, change))
    assert memory < 8_000_000
    with pytest.raises(ValueError, match=words):
        raise ValueError(message)


def test_deep_json_is_refused(tmp_path):
    text = np.array("[" * 100_000)
    out = io.BytesIO()
    np.savez(out, meta=text)
    message, _ = load(tmp_path, out.getvalue())
    assert "Recursion" in message or "short text" in message


def test_an_encrypted_member_is_refused(tmp_path):
    good = bytearray(saved(tmp_path, 2))
    good[good.index(b"PK\x01\x02") + 8] |= 1
    assert "neither compressed nor encrypted" in load(tmp_path, bytes(good))[0]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ICNNSurrogate.load(tmp_path / "none")
