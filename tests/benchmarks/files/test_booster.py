"""Boosters that xgboost wrote predict here what they predict there; broken and hostile ones are refused."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from crlso.benchmarks.files import booster as _booster
from crlso.benchmarks.files.booster import load_booster, parse_booster
from crlso.benchmarks.files.ubjson import parse_ubjson

FOLDER = Path(__file__).parents[2] / "data" / "boosters"
VERSIONS = ("0.90", "1.2.1", "1.3.3", "1.6.2", "2.1.4")
CASES = ("squarederror", "logistic", "poisson", "dart", "forest")
FORMS = {"0.90": "binary", "1.2.1": "binary", "1.3.3": "JSON", "1.6.2": "UBJSON", "2.1.4": "UBJSON"}


def stored(version: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"xgboost-{version}.npz") as file:
        return dict(file)


def pickled(version: str, case: str) -> bytes:
    return stored(version)[f"{case}.pickle"].tobytes()


def handle(version: str, case: str) -> bytes:
    """The buffer in a pickle, found by other means than the reader's."""
    parts = [
        arg.encode("latin1") if isinstance(arg, str) else bytes(arg)
        for _, arg, _ in pickletools.genops(pickled(version, case))
        if isinstance(arg, (str, bytes, bytearray))
    ]
    return max(parts, key=len)


def load(data: bytes) -> _booster.Booster:
    return load_booster(io.BytesIO(data), "model")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_predicts_what_xgboost_predicts(version, case):
    arrays = stored(version)
    booster = load(arrays[f"{case}.pickle"].tobytes())
    x = arrays["x"]
    assert np.isnan(x).any()
    assert np.ptp(arrays[f"{case}.prediction"]) > 0.1
    np.testing.assert_allclose(booster.predict(x), arrays[f"{case}.prediction"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(booster.margin(x), arrays[f"{case}.margin"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_forms(version):
    """Each of the three forms of buffers is there."""
    buffer = handle(version, "squarederror")
    is_json = buffer[:2] == b'{"'
    is_binary = buffer[:1] != b"{"
    assert ("JSON" if is_json else "binary" if is_binary else "UBJSON") == FORMS[version]
    x = stored(version)["x"]
    booster = parse_booster(buffer, "model")
    np.testing.assert_array_equal(booster.predict(x), load(pickled(version, "squarederror")).predict(x))
    if version == "1.2.1":
        assert buffer.startswith(b"CONFIG-offset:")
        size = int.from_bytes(buffer[14:22], "little")
        raw = parse_booster(buffer[22 : 22 + size], "model")
        assert buffer[22:26] == b"binf"
        np.testing.assert_array_equal(raw.predict(x), booster.predict(x))


def test_a_row_does_not_depend_on_its_batch(monkeypatch):
    booster = load(pickled("2.1.4", "logistic"))
    x = stored("2.1.4")["x"]
    whole = booster.margin(x)
    assert whole.tolist() == [float(booster.margin(row[None])[0]) for row in x]
    monkeypatch.setattr(_booster, "_CHUNK", 3 * len(booster.roots))
    assert whole.tolist() == booster.margin(x).tolist()
    assert booster.margin(x[:0]).shape == (0,)


def test_input_of_another_width():
    booster = load(pickled("2.1.4", "logistic"))
    with pytest.raises(ValueError, match=r"x: expected shape \(n, 8\), got \(3, 7\)"):
        booster.predict(np.zeros((3, 7)))


class Hostile:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def as_booster(state: object) -> bytes:
    """The pickle of a Booster with this state, written by hand."""
    body = pickle.dumps(state, protocol=2)[2:-1]
    return b"\x80\x02cxgboost.core\nBooster\n)\x81" + body + b"b."


HOSTILE = {
    "exec": (pickle.dumps(Hostile(exec, "raise SystemExit"), 4), "builtins.exec is not allowed"),
    "open in a state": (as_booster({"handle": Hostile(open, "x", "w")}), "open is not allowed"),
    "another class": (b"\x80\x02cxgboost.sklearn\nXGBModel\n)\x81.", "xgboost.sklearn.XGBModel is not allowed"),
    "dotted name": (b"\x80\x04\x8c\x0cxgboost.core\x8c\x10Booster.__init__\x93.", "Booster.__init__ is not allowed"),
    "huge bytearray": (as_booster({"handle": Hostile(bytearray, 1 << 40)}), "expected bytes"),
    "other codec": (
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hexR.".replace(b"hexR", b"hex\x86R"),
        "expected text and 'latin1'",
    ),
    "protocol 0": (pickle.dumps([1], 0), "protocol 2 to 5"),
    "no booster": (pickle.dumps({"handle": bytearray(b"binf")}), "expected the pickle of a fitted xgboost Booster"),
    "not fitted": (as_booster({"handle": None}), "expected the pickle of a fitted xgboost Booster"),
    "state of another kind": (as_booster(3), "expected the pickle of a fitted xgboost Booster"),
    "state for the class": (b"\x80\x02cxgboost.core\nBooster\n}b.", "state for a type"),
    "empty": (b"", "protocol 2 to 5"),
    "empty buffer": (as_booster({"handle": bytearray(b"x")}), "expected 136 bytes at byte 0, got 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, message = HOSTILE[name]
    with pytest.raises(ValueError, match="model: expected") as caught:
        load(data)
    assert caught.match(message)
    assert not list(tmp_path.iterdir())


BINARY = "1.2.1"
HEAD = 22 + 4  # CONFIG-offset: and the size, then binf
STRINGS = HEAD + 136


def patched(buffer: bytes, offset: int, form: str, value: object) -> bytes:
    out = bytearray(buffer)
    struct.pack_into("<" + form, out, offset, value)
    return bytes(out)


def first_node(buffer: bytes) -> int:
    """Offset of the first node of the first tree in the binary form."""
    at = STRINGS
    for _ in range(2):
        at += 8 + int.from_bytes(buffer[at : at + 8], "little")
    return at + 160 + 148


BINARY_PATCHES = {
    "size of the model": (14, "q", 1 << 40, r"expected \d+ bytes at byte 8"),
    "base score": (HEAD, "f", float("nan"), "a base score between"),
    "features": (HEAD + 4, "I", 0, "at least one of the features"),
    "few features": (HEAD + 4, "I", 1, "a feature outside 0 to 0"),
    "classes": (HEAD + 8, "i", 3, "one output, got 3 classes"),
    "length of a text": (STRINGS, "Q", (1 << 64) - 1, r"expected \d+ bytes at byte"),
    "objective": (STRINGS + 8, "c", b"x", "one of the objectives .* got 'xeg:squarederror'"),
    "booster": (STRINGS + 8 + 16 + 8, "c", b"x", "a booster 'gbtree' or 'dart', got 'xbtree'"),
    "trees": (-160 - 148, "i", 1 << 30, r"expected \d+ bytes at byte|at least one of the nodes"),
    "negative trees": (-160 - 148, "i", -1, "a number of trees, got -1"),
    "size of leaves": (-160 - 148 + 28, "i", 5, "leaves of one number, got 5"),
    "nodes": (-148 + 4, "i", (1 << 31) - 1, r"expected \d+ bytes at byte"),
    "no nodes": (-148 + 4, "i", 0, "at least one of the nodes"),
    "left is the root": (4, "i", 0, "a child outside"),
    "left is right": (4, "i", 2, "form no tree"),
    "left of a far tree": (4, "i", 100, "a child outside"),
    "no right": (8, "i", -1, "a child outside"),
    "threshold": (16, "f", float("nan"), "a threshold is NaN"),
    "feature": (12, "I", 8, "a feature outside 0 to 7"),
}
OF_NODES = {"left is the root", "left is right", "left of a far tree", "no right", "threshold", "feature"}


@pytest.mark.parametrize("name", BINARY_PATCHES)
def test_broken_binary(name):
    buffer = handle(BINARY, "squarederror")
    offset, form, value, message = BINARY_PATCHES[name]
    if offset < 0 or name in OF_NODES:
        offset += first_node(buffer)
    with pytest.raises(ValueError, match="model: expected the buffer of an xgboost Booster: ") as caught:
        parse_booster(patched(buffer, offset, form, value), "model")
    assert caught.match(message)


def test_a_cycle_of_nodes_is_refused():
    buffer = handle(BINARY, "squarederror")
    first = first_node(buffer)
    lefts = [int.from_bytes(buffer[first + 20 * i + 4 : first + 20 * i + 8], "little", signed=True) for i in range(5)]
    inner = next(i for i in range(1, 5) if lefts[i] > 0)
    with pytest.raises(ValueError, match="the nodes form no tree"):
        parse_booster(patched(buffer, first + 20 * inner + 4, "i", inner), "model")


def document() -> dict:
    return json.loads(handle("1.3.3", "dart"))


def change(path: str, value: object) -> bytes:
    root = document()
    *parents, last = path.split("/")
    at = root
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return json.dumps(root).encode()


LEARNER = "Model/learner/"
TREE = LEARNER + "gradient_booster/gbtree/model/trees/0/"
CHANGES = {
    "no learner": ("Model/learner", None, "a dict called 'learner', got NoneType"),
    "text for a dict": (LEARNER + "gradient_booster", "x", "a dict called 'gradient_booster', got str"),
    "linear": (LEARNER + "gradient_booster/name", "gblinear", "'gbtree' or 'dart', got 'gblinear'"),
    "classes": (LEARNER + "learner_model_param/num_class", "3", "one output, got 3 classes"),
    "targets": (LEARNER + "learner_model_param/num_target", "2", "several targets"),
    "features": (LEARNER + "learner_model_param/num_feature", "9" * 5000, "the digits of an integer"),
    "base score": (LEARNER + "learner_model_param/base_score", "nan", "a base score between"),
    "huge base score": (LEARNER + "learner_model_param/base_score", "1e300", "margin is finite"),
    "base score of many": (LEARNER + "learner_model_param/base_score", "[1,2]", "could not convert"),
    "objective": (LEARNER + "objective/name", "survival:aft", "got 'survival:aft'"),
    "weights": (LEARNER + "gradient_booster/weight_drop", [1.0], "8 numbers called 'weight_drop'"),
    "infinite weights": (LEARNER + "gradient_booster/weight_drop", [1e300] * 8, "8 finite weights"),
    "nested numbers": (TREE + "split_conditions", [[1.0]] * 3, "called 'split_conditions'"),
    "short": (TREE + "left_children", [1, -1], "called 'left_children'"),
    "nodes": (TREE + "tree_param/num_nodes", "999999999", "999999999 numbers called"),
    "huge integer": (TREE + "split_indices", [10**400] * 3, "numbers called 'split_indices'"),
    "fraction": (TREE + "left_children", [1.5, -1, -1], "integers from -1 to 2\\*\\*31 - 1 called 'left_children'"),
    "categorical": (TREE + "split_type", [1, 0, 0], "numerical splits"),
    "infinite leaf": (TREE + "split_conditions", [0.5, 1e300, 1.0], "a leaf is not finite"),
}


def three_nodes(root: dict) -> None:
    """Make the first tree one split with two leaves, so that the changes know its shape."""
    tree = root["Model"]["learner"]["gradient_booster"]["gbtree"]["model"]["trees"][0]
    tree["tree_param"]["num_nodes"] = "3"
    tree.pop("categories", None)
    tree.update(
        left_children=[1, -1, -1],
        right_children=[2, -1, -1],
        split_indices=[0, 0, 0],
        split_conditions=[0.5, 1.0, 2.0],
        default_left=[True, False, False],
        split_type=[0, 0, 0],
    )


@pytest.mark.parametrize("name", CHANGES)
def test_broken_documents(name, monkeypatch):
    root = document()
    three_nodes(root)
    monkeypatch.setitem(globals(), "document", lambda: json.loads(json.dumps(root)))
    assert len(parse_booster(change("Model/learner/extra", 1), "model").roots) == 8
    path, value, message = CHANGES[name]
    with pytest.raises(ValueError, match="model: expected the buffer of an xgboost Booster: ") as caught:
        parse_booster(change(path, value), "model")
    assert caught.match(message)


@pytest.mark.parametrize("data", [b'{"a":' * 10**6, b"{L" + b"\0" * 7 + b"\1a[" + b"[" * 10**6, b"{}", b"{", b"[]"])
def test_deep_and_small_documents(data):
    with pytest.raises(ValueError, match="model: expected the buffer"):
        parse_booster(data, "model")


def test_a_long_chain_of_nodes_is_refused():
    root = document()
    tree = root["Model"]["learner"]["gradient_booster"]["gbtree"]["model"]["trees"][0]
    n = 100001
    inner = n // 2
    tree["tree_param"]["num_nodes"] = str(n)
    tree.update(
        left_children=[2 * i + 1 for i in range(inner)] + [-1] * (n - inner),
        right_children=[2 * i + 2 for i in range(inner)] + [-1] * (n - inner),
        split_indices=[0] * n,
        split_conditions=[0.5] * n,
        default_left=[False] * n,
        split_type=[0] * n,
    )
    assert parse_booster(json.dumps(root).encode(), "model").depth == 16
    chain = list(range(1, n, 2))
    left, right = [-1] * n, [-1] * n
    for i, child in enumerate(chain):
        at = 0 if i == 0 else chain[i - 1]
        left[at], right[at] = child, child + 1
    tree.update(left_children=left, right_children=right)
    with pytest.raises(ValueError, match="form no tree"):
        parse_booster(json.dumps(root).encode(), "model")


def test_ubjson():
    data = b"{i\x01aSU\x02hiU\x01b[U\xffI\x01\x00l\x00\x01\x00\x00d\x3f\x80\x00\x00]i\x01c[$I#i\x02\x00\x01\xff\xff"
    data += b"i\x01d[#i\x03TFZi\x01e{#i\x01i\x01fD\x40\x00" + b"\0" * 6 + b"}"
    value = parse_ubjson(data)
    typed = value.pop("c")
    assert typed.tolist() == [1, -1]
    assert value == {"a": "hi", "b": [255, 256, 65536, 1.0], "d": [True, False, None], "e": {"f": 2.0}}


UBJSON_ERRORS = {
    b"[$T#L" + b"\x7f" + b"\xff" * 7: "an array of numbers",
    b"[$d#L" + b"\x7f" + b"\xff" * 7: r"expected \d+ bytes at byte",
    b"[$d#i\xff": "expected -4 bytes at byte",
    b"[#L" + b"\x7f" + b"\xff" * 7 + b"T": "expected 1 bytes at byte 12, got 0",
    b"SL" + b"\x7f" + b"\xff" * 7: r"expected \d+ bytes at byte",
    b"Si\xff": "expected -1 bytes at byte",
    b"Si\x01\xff": "not UTF-8",
    b"SZ": "an integer at byte 1",
    b"Q": "an unknown marker",
    b"TT": "the end of the data at byte 1",
    b"[" * 100: "nested more than 64 deep",
}


@pytest.mark.parametrize("data", UBJSON_ERRORS)
def test_broken_ubjson(data):
    with pytest.raises(ValueError, match="UBJSON: ") as caught:
        parse_ubjson(data)
    assert caught.match(UBJSON_ERRORS[data])


def mutated(random: np.random.Generator, data: bytes) -> bytes:
    out = bytearray(data)
    kind = random.integers(4)
    if kind == 0:
        del out[int(random.integers(len(out))) :]
    elif kind == 1:
        for at in random.integers(len(out), size=random.integers(1, 5)):
            out[at] ^= 1 << int(random.integers(8))
    elif kind == 2:
        at = int(random.integers(len(out) - 8))
        out[at : at + 8] = random.bytes(8)
    else:
        a, b = sorted(random.integers(len(out), size=2).tolist())
        del out[a : min(b, a + 64)]
    return bytes(out)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("of", ["pickle", "buffer", "head"])
def test_mutations(version, of):
    """A damaged file is refused with a ValueError, or is a booster that predicts finite numbers."""
    random = np.random.default_rng(VERSIONS.index(version))
    x = stored(version)["x"][:3]
    data = pickled(version, "dart") if of == "pickle" else handle(version, "dart")
    messages = []
    for _ in range(150):
        if of == "head":  # where most of what is checked stands
            broken = mutated(random, data[:600]) + data[600:]
        else:
            broken = mutated(random, data)
        try:
            booster = load(broken) if of == "pickle" else parse_booster(broken, "model")
        except ValueError as error:
            messages.append(str(error))
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                assert booster.margin(x).shape == (3,) if booster.n_features == 8 else True
    assert len(messages) > 20
    assert all(message.startswith("model: expected") for message in messages)


def test_against_the_real_one():
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not needed")
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 6)).astype(np.float32)
    x[random.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x) @ random.standard_normal(6)
    trained = xgboost.train({"max_depth": 6}, xgboost.DMatrix(x, label=y), num_boost_round=50)
    booster = load(pickle.dumps(trained))
    np.testing.assert_allclose(booster.predict(x), trained.predict(xgboost.DMatrix(x)), rtol=1e-5, atol=1e-5)
