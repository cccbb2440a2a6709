"""The restricted unpickler against the standard library's pickler, and against hostile streams."""

from __future__ import annotations

import array
import collections
import copyreg
import datetime
import functools
import io
import operator
import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest

from crlso.benchmarks.files.unpickle import restricted_load

PROTOCOLS = range(2, 6)


def load(stream: bytes, allowed=None, **options):
    """Read a stream under the name 'file x'."""
    return restricted_load(io.BytesIO(stream), allowed or {}, "file x", **options)


def same(a, b) -> bool:
    """Equality that tells types and NaN apart."""
    return repr(a) == repr(b)


PLAIN = [
    None,
    True,
    False,
    *(sign * (2**k + d) for sign in (1, -1) for k in (0, 7, 8, 15, 16, 31, 32, 62) for d in (-1, 0, 1)),
    -(2**63),
    2**63 - 1,
    0.0,
    -0.0,
    1e-310,
    1.5e300,
    float("inf"),
    float("nan"),
    "",
    "é\ud800\U0001f600",
    "x" * 300,
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4, "five"),
    [],
    [1],
    list(range(2500)),
    {},
    {"a": 1},
    {i: str(i) for i in range(2500)},
    {("cifar10", 777): {"acc": [1.5, None, (True, "x")]}},
    [["shared"] * 3] * 3,
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_of_every_protocol(protocol):
    for value in PLAIN:
        assert same(load(pickle.dumps(value, protocol)), value)
        assert same(load(pickletools.optimize(pickle.dumps(value, protocol))), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_and_sets_where_the_protocol_has_them(protocol):
    if protocol >= 3:
        assert load(pickle.dumps([b"", b"x" * 10, b"y" * 1000], protocol)) == [b"", b"x" * 10, b"y" * 1000]
    if protocol >= 4:
        assert load(pickle.dumps({1, "two", ("three", 3)}, protocol)) == {1, "two", ("three", 3)}
    if protocol >= 5:
        assert same(load(pickle.dumps(bytearray(b"abc"), protocol)), bytearray(b"abc"))


def test_identity_is_kept():
    shared = [1]
    first, second, whole = load(pickle.dumps((shared, shared, [shared])))
    assert first is second is whole[0]


class Stub:
    """Receives its state as attributes."""


STUB_BEFORE = dict(vars(Stub))


class Setter:
    """Receives its state by a method."""

    def __setstate__(self, state):
        self.got = state


class Official:
    """What the writer of a file has; the reader has a stub."""

    def __init__(self):
        self.handle, self.names = b"\x00buffer", ["a", "b"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stub", [Stub, Setter])
def test_state_goes_to_stubs(protocol, stub):
    allowed = {
        (Official.__module__, "Official"): stub,
        ("_codecs", "encode"): lambda text, encoding: text.encode("latin-1"),
    }
    got = load(pickle.dumps(Official(), protocol), allowed)
    state = vars(got) if stub is Stub else got.got
    assert type(got) is stub and state == {"handle": b"\x00buffer", "names": ["a", "b"]}


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


class Persistent(pickle.Pickler):
    """Writes an instance of Stub as a persistent object."""

    def persistent_id(self, value):
        """Any id."""
        return "id" if isinstance(value, Stub) else None


def persistent(protocol: int) -> bytes:
    """A stream with a persistent object."""
    buffer = io.BytesIO()
    Persistent(buffer, protocol).dump(Stub())
    return buffer.getvalue()


HOSTILE = [
    Calls(os.system, "exit 3"),
    Calls(eval, "1 + 1"),
    Calls(exec, "pass"),
    Calls(getattr, Calls(getattr, "", "__class__"), "__mro__"),
    print,
    Calls(operator.attrgetter, "a.b"),
    functools.partial(int, "3"),
    Calls(copyreg._reconstructor, Stub, object, None),
    Calls(copyreg.add_extension, "os", "system", 1),
    Calls(np.load, "x.npy"),
    np.zeros(3),
    collections.OrderedDict(a=1),
    array.array("d", [1.0]),
    datetime.timedelta(3),
    Calls(subprocess.Popen, ["true"]),
]


class FirstGlobal(pickle.Unpickler):
    """The standard library's reader, which stops at the first global."""

    def find_class(self, module, name):
        """Tell its name."""
        raise pickle.UnpicklingError(f"{module}.{name}")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda value: repr(value)[:30])
def test_globals_are_refused(hostile, protocol):
    dumped = pickle.dumps(hostile, protocol)
    with pytest.raises(pickle.UnpicklingError) as first:
        FirstGlobal(io.BytesIO(dumped), fix_imports=False).load()
    with pytest.raises(ValueError, match=r"^file x: expected a pickle of plain values, got at byte") as error:
        load(dumped)
    reason = f"global {first.value} is not allowed" if protocol >= 2 else "expected protocol 2 to 5"
    assert reason in str(error.value)


def text(value: str) -> bytes:
    """Instruction for a short string."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def stream(*instructions: bytes) -> bytes:
    """Instructions as a stream of protocol 4."""
    return b"\x80\x04" + b"".join(instructions) + b"."


ALLOWED = {("m", "Stub"): Stub, ("m", "Setter"): Setter, ("m", "make"): lambda *a: a, ("m", "bad"): lambda: 1 // 0}
STUB = text("m") + text("Stub") + b"\x93"
MAKE = text("m") + text("make") + b"\x93"


def test_the_helpers_of_these_tests_make_streams_that_work():
    assert load(stream(MAKE, b"K\x01K\x02\x86R"), ALLOWED) == (1, 2)
    assert vars(load(stream(STUB, b")R}", text("a"), b"K\x01sb"), ALLOWED)) == {"a": 1}
    assert type(load(b"\x80\x02cm\nStub\n)\x81.", ALLOWED)) is Stub


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        # Names are looked up as they stand: a dot leads nowhere, whichever side it is on.
        (text("m") + text("Stub.__init__") + b"\x93", "global m.Stub.__init__ is not allowed"),
        (text("m.Stub") + text("__init__") + b"\x93", "global m.Stub.__init__ is not allowed"),
        (text("os") + text("path.os.system") + b"\x93", "global os.path.os.system is not allowed"),
        (b"cos\nsystem\n", "global os.system is not allowed"),
        # Nor does a name reach a terminal as it is.
        (text("m\n") + text("\x1b[2J") + b"\x93", r"global m\\n\.\\x1b\[2J is not allowed"),
        (b"K\x01" + text("Stub") + b"\x93", "the name of a global is not a str"),
        # Calls.
        (b"K\x01)R", "a call of something that is not an allowed global"),
        (text("m") + b")R", "a call of something that is not an allowed global"),
        (STUB + b")R)R", "a call of something that is not an allowed global"),
        (MAKE + b"]R", "a call of something that is not an allowed global"),
        (MAKE + b")\x81", "an instance of something that is not an allowed class"),
        (STUB + b")R)\x81", "an instance of something that is not an allowed class"),
        (STUB + b"K\x01\x85R", "malformed .TypeError"),
        (text("m") + text("bad") + b"\x93)R", "malformed .ZeroDivisionError"),
        # State: never for a class, a function or a value of another type.
        (STUB + b"}b", "state for a type, which is not an allowed class"),
        (MAKE + b"}b", "state for a function, which is not an allowed class"),
        (b"]}b", "state for a list, which is not an allowed class"),
        (STUB + b")R}K\x01K\x02sb", "that is not a dict of attributes"),
        (STUB + b")RN}\x86b", "that is not a dict of attributes"),
        # Items.
        (STUB + b")R(K\x01K\x02u", "items of a dict are added to a Stub"),
        (b"}K\x01a", "items of a list are added to a dict"),
        (b")(K\x01e", "items of a list are added to a tuple"),
        (b"](K\x01\x90", "items of a set are added to a list"),
        (b"}(K\x01u", "a key without a value"),
        # Keys whose hash could take for ever, or that cannot be hashed.
        (b"})K\x01s", "a tuple as a key"),
        (b"}K\x01K\x02\x86K\x01s", "a tuple as a key"),
        (b"}" + text("a") + b")\x86K\x01s", "a tuple as a key"),
        (b"}]K\x01s", "a list as a key"),
        (b"}NK\x01s", "a NoneType as a key"),
        (b"}" + STUB + b")RK\x01s", "a Stub as a key"),
        (b"\x8f(]\x90", "a list as a key"),
        # What is not of this machine: extension codes, persistent objects, buffers, old and rare instructions.
        *((code + b"\x01\x00\x00\x00", "is not allowed") for code in (b"\x82", b"\x83", b"\x84")),
        (b"Pid\n", "instruction b'P' is not allowed"),
        (text("id") + b"Q", "instruction b'Q' is not allowed"),
        (b"\x97", "is not allowed"),
        (b"\x98", "is not allowed"),
        (b"(ios\nsystem\n", "instruction b'i' is not allowed"),
        (b"(cos\nsystem\no", "global os.system is not allowed"),
        (STUB + b")}\x92", "is not allowed"),
        (b"N2", "instruction b'2' is not allowed"),
        # Lengths and memo slots that are not there.
        (b"\x8e" + b"\xff" * 7 + b"\x7f", "the stream is truncated"),
        (b"\x96" + b"\xff" * 8, "the stream is truncated"),
        (b"\x8d" + b"\xff" * 8, "the stream is truncated"),
        (b"X\xff\xff\xff\x7fabc", "the stream is truncated"),
        (b"B\xff\xff\xff\xff", "the stream is truncated"),
        (b"\x8b\xff\xff\xff\x7f", "is not allowed"),
        (b"\x8a\x09" + b"\x01" * 9, "an integer of 9 bytes"),
        (b"h\x05", "malformed .KeyError"),
        (b"j\xff\xff\xff\xff", "malformed .KeyError"),
        (b"q\x05", "malformed .IndexError"),
        (b"\x94", "malformed .IndexError"),
        # Stack.
        (b"", "malformed .ValueError"),
        (b"NN", "malformed .ValueError"),
        (b"(N", "the pickle ends before the file"),
        (b"t", "malformed .IndexError"),
        (b"N\x86", r"a tuple of [123] values, the stack has [01]"),
        (b"N(\x85", r"a tuple of [123] values, the stack has [01]"),
        (b"N.N", "the pickle ends before the file"),
        (text("\u00e9")[:-1], "malformed .UnicodeDecodeError"),
    ],
)
def test_instructions_are_refused(instructions, message):
    with pytest.raises(ValueError, match=r"^file x: ") as error:
        load(stream(instructions), ALLOWED)
    error.match(message)
    assert dict(vars(Stub)) == STUB_BEFORE


def test_a_memo_slot_is_no_size():
    assert load(stream(b"]r\xff\xff\xff\xff", b"j\xff\xff\xff\xff", b"\x86")) == ([], [])


def test_the_extension_registry_is_not_consulted():
    copyreg.add_extension("os", "system", 77)
    try:
        assert pickle.loads(stream(b"\x82\x4d")) is os.system
        with pytest.raises(ValueError, match=r"instruction .* is not allowed"):
            load(stream(b"\x82\x4d"))
    finally:
        copyreg.remove_extension("os", "system", 77)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_persistent_objects_and_outside_buffers_are_refused(protocol):
    with pytest.raises(ValueError, match="instruction b'Q' is not allowed"):
        load(persistent(protocol))
    if protocol == 5:
        outside = pickle.dumps(pickle.PickleBuffer(b"abc"), protocol, buffer_callback=lambda _: False)
        with pytest.raises(ValueError, match="is not allowed"):
            load(outside)


def test_every_truncation_and_anything_after_the_end_is_an_error():
    whole = pickle.dumps({("a", 1): [1.5, "text", None, 300, b"bytes"], "b": {1, 2}})
    assert load(whole)
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"^file x: expected a pickle of plain values, got at byte"):
            load(whole[:end])
    with pytest.raises(ValueError, match="the pickle ends before the file"):
        load(whole + b".")


@pytest.mark.slow
def test_sizes_are_bounded():
    with pytest.raises(ValueError, match="file x: expected a pickle of at most 1000 bytes, got more"):
        load(pickle.dumps(b"x" * 1000), max_bytes=1000)
    with pytest.raises(ValueError, match="more than 1000000 instructions"):
        load(stream(b"]" * 1_000_001))


@pytest.mark.slow
def test_nested_values_neither_overflow_nor_take_for_ever():
    deep = load(stream(b")" + b"\x85" * 500_000))
    assert isinstance(deep, tuple) and len(deep) == 1
    del deep
    pairs = b")\x94" + b"".join(b"h" + bytes([i]) + b"\x86\x94" for i in range(90))  # of pairs of pairs: 2 ** 90 leaves
    with pytest.raises(ValueError, match="a tuple as a key"):
        load(stream(b"}", pairs, b"K\x01s"))


def test_nothing_is_imported():
    code = (
        "import io, pickle, sys; from crlso.benchmarks.files.unpickle import restricted_load\n"
        "try: restricted_load(io.BytesIO(b'\\x80\\x02cantigravity\\nfly\\n.'), {}, 'x')\n"
        "except ValueError: pass\n"
        "assert 'antigravity' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
