"""Restricted reader of pickles, which makes plain values and runs no code of the pickle.

The unpickler of the standard library is unsafe for hostile data. A stream can name any function of any module, or use
the extension registry, which bypasses ``find_class``. It can declare lengths and memo slots that exhaust the memory,
or nest keys so deeply that hashing them overflows the C stack.

So this module executes the instructions itself, and only those that writers of protocols 2 to 5 emit for plain values
and for objects of allowed classes.

Source of the format: the comments of ``pickletools`` in the standard library.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any

__all__ = ["restricted_load"]

# An instruction makes at most about 200 bytes of objects in addition to its own bytes, so two limits bound the memory.
# A result file of NAS-Bench-201 has 50,000 instructions; a booster is mostly one byte string.
_MAX_BYTES = 1 << 28
_MAX_INSTRUCTIONS = 1_000_000
_MAX_INTEGER_BYTES = 8

# Errors that become a ValueError: an allowed callable may raise any of these if it rejects its arguments.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def restricted_load(
    file: IO[bytes],
    allowed: Mapping[tuple[str, str], object],
    what: str,
    *,
    max_bytes: int = _MAX_BYTES,
) -> object:
    """Read one pickle that contains only plain values and allowed globals.

    Plain values are None, bool, int (of at most 8 bytes), float, str, bytes, bytearray, tuple, list, dict and set. Keys
    of a dict and members of a set must be a str, an int or a pair (str, int).

    Global names are looked up in `allowed`; nothing is imported and no attribute is followed. Only values of `allowed`
    are called, and only instances of its classes get a state. It is passed to their ``__setstate__``; without this
    method, a dict becomes their attributes.

    Parameters
    ----------
    file : binary file
        File that contains the pickle and nothing else, of at most `max_bytes` bytes.
    allowed : mapping of (str, str) to object
        Maps module and name in the stream to their replacement: a class or a function of the caller. It must be safe to
        call with any arguments. ``bytearray``, for example, is not, because it accepts a size.
    what : str
        Description of the file, with which messages begin.
    max_bytes : int
        Maximum length of the stream.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the stream is too long, truncated or malformed, names a global that is not allowed (the message names it), or
        uses other instructions: persistent objects, extension codes, or buffers outside the stream.

    Examples
    --------
    >>> import io
    >>> restricted_load(io.BytesIO(pickle.dumps({"accuracy": 91.5})), {}, "result")
    {'accuracy': 91.5}
    >>> restricted_load(io.BytesIO(pickle.dumps(print, protocol=3)), {}, "result")
    Traceback (most recent call last):
    ...
    ValueError: result: expected a pickle of plain values, got at byte 18: global builtins.print is not allowed
    """
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{what}: expected a pickle of at most {max_bytes} bytes, got more")
    machine = _Machine(data, allowed)
    try:
        return machine.run()
    except _BROKEN as error:
        reason = str(error) if isinstance(error, _Refusal) else f"malformed ({type(error).__name__}: {error!s:.200})"
        raise ValueError(f"{what}: expected a pickle of plain values, got at byte {machine.at}: {reason}") from error


class _Refusal(ValueError):
    """Error of a stream that does something forbidden; the message is for the user."""


class _Machine:
    """The pickle machine: the stack, the stacks below its marks, and the memo."""

    def __init__(self, data: bytes, allowed: Mapping[tuple[str, str], object]) -> None:
        self._data = data
        self.at = 0
        self._allowed = allowed
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> object:
        data, instructions = self._data, _INSTRUCTIONS
        if len(data) < 2 or data[:1] != pickle.PROTO or not 2 <= data[1] <= 5:
            raise _Refusal(f"expected protocol 2 to 5, the stream begins with {data[:8]!r}")
        for _ in range(_MAX_INSTRUCTIONS):
            code = data[self.at]
            self.at += 1
            if code == _STOP:
                return self._result()
            instruction = instructions.get(code)
            if instruction is None:
                raise _Refusal(f"instruction {bytes([code])!r} is not allowed")
            instruction(self)
        raise _Refusal(f"more than {_MAX_INSTRUCTIONS} instructions")

    def _result(self) -> object:
        (result,) = self._stack
        if self._below or self.at != len(self._data):
            raise _Refusal("the pickle ends before the file")
        return result

    # Arguments of instructions.

    def _bytes(self, size: int) -> bytes:
        """Read the next bytes. The slice allocates no more than the data, whatever length the stream declares."""
        start = self.at
        self.at = start + size
        taken = self._data[start : self.at]
        if len(taken) != size:
            raise _Refusal("the stream is truncated")
        return taken

    def _counted(self, width: int) -> bytes:
        return self._bytes(int.from_bytes(self._bytes(width), "little"))

    def _line(self) -> str:
        end = self._data.index(b"\n", self.at)
        text = self._data[self.at : end].decode()
        self.at = end + 1
        return text

    def _items(self) -> list[Any]:
        """Remove and return the values above the last mark."""
        items = self._stack
        self._stack = self._below.pop()
        return items

    # Instructions.

    def proto(self) -> None:
        self._bytes(1)

    def frame(self) -> None:
        self._bytes(8)  # length of the frame, which only helps to read slow files

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def none(self) -> None:
        self._stack.append(None)

    def true(self) -> None:
        self._stack.append(True)

    def false(self) -> None:
        self._stack.append(False)

    def int1(self) -> None:
        self._stack.append(self._data[self.at])
        self.at += 1

    def int2(self) -> None:
        self._stack.append(int.from_bytes(self._bytes(2), "little"))

    def int4(self) -> None:
        self._stack.append(int.from_bytes(self._bytes(4), "little", signed=True))

    def long1(self) -> None:
        # Longer integers could have equal hashes, which would make a dict quadratic.
        size = self._data[self.at]
        if size > _MAX_INTEGER_BYTES:
            raise _Refusal(f"an integer of {size} bytes")
        self._stack.append(int.from_bytes(self._counted(1), "little", signed=True))

    def float8(self) -> None:
        self._stack.append(_FLOAT.unpack_from(self._data, self.at)[0])
        self.at += 8

    def text1(self) -> None:
        start = self.at + 1
        self.at = start + self._data[self.at]
        self._stack.append(self._data[start : self.at].decode("utf-8", "surrogatepass"))

    def text4(self) -> None:
        self._stack.append(self._counted(4).decode("utf-8", "surrogatepass"))

    def text8(self) -> None:
        self._stack.append(self._counted(8).decode("utf-8", "surrogatepass"))

    def bytes1(self) -> None:
        self._stack.append(self._counted(1))

    def bytes4(self) -> None:
        self._stack.append(self._counted(4))

    def bytes8(self) -> None:
        self._stack.append(self._counted(8))

    def bytearray8(self) -> None:
        self._stack.append(bytearray(self._counted(8)))

    def empty_tuple(self) -> None:
        self._stack.append(())

    def tuple1(self) -> None:
        self._tuple(1)

    def tuple2(self) -> None:
        self._tuple(2)

    def tuple3(self) -> None:
        self._tuple(3)

    def _tuple(self, size: int) -> None:
        if len(self._stack) < size:
            raise _Refusal(f"a tuple of {size} values, the stack has {len(self._stack)}")
        self._stack[-size:] = [tuple(self._stack[-size:])]

    def tuple_from_mark(self) -> None:
        items = self._items()
        self._stack.append(tuple(items))

    def empty_list(self) -> None:
        self._stack.append([])

    def append(self) -> None:
        item = self._stack.pop()
        self._target(list).append(item)

    def appends(self) -> None:
        items = self._items()
        self._target(list).extend(items)

    def empty_dict(self) -> None:
        self._stack.append({})

    def setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._target(dict)[_key(key)] = value

    def setitems(self) -> None:
        items = self._items()
        if len(items) % 2:
            raise _Refusal("a key without a value")
        self._target(dict).update(zip(map(_key, items[::2]), items[1::2]))

    def empty_set(self) -> None:
        self._stack.append(set())

    def additems(self) -> None:
        items = self._items()
        self._target(set).update(map(_key, items))

    def _target(self, kind: type) -> Any:
        target = self._stack[-1]
        if type(target) is not kind:
            raise _Refusal(f"items of a {kind.__name__} are added to a {type(target).__name__}")
        return target

    def put1(self) -> None:
        self._memo[self._data[self.at]] = self._stack[-1]
        self.at += 1

    def put4(self) -> None:
        self._memo[int.from_bytes(self._bytes(4), "little")] = self._stack[-1]

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get1(self) -> None:
        self._stack.append(self._memo[self._data[self.at]])
        self.at += 1

    def get4(self) -> None:
        self._stack.append(self._memo[int.from_bytes(self._bytes(4), "little")])

    def named_global(self) -> None:
        module = self._line()
        self._global(module, self._line())

    def stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._global(module, name)

    def _global(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise _Refusal("the name of a global is not a str")
        if (module, name) not in self._allowed:
            plain = f"{module:.100}.{name:.100}".encode("unicode_escape").decode("ascii")
            raise _Refusal(f"global {plain} is not allowed")
        self._stack.append(self._allowed[module, name])

    def reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not self._is_allowed(function) or type(arguments) is not tuple:
            raise _Refusal("a call of something that is not an allowed global")
        self._stack.append(function(*arguments))

    def newobj(self) -> None:
        arguments, cls = self._stack.pop(), self._stack.pop()
        if not self._is_allowed(cls) or not isinstance(cls, type) or type(arguments) is not tuple:
            raise _Refusal("an instance of something that is not an allowed class")
        self._stack.append(cls.__new__(cls, *arguments))

    def build(self) -> None:
        state = self._stack.pop()
        instance = self._stack[-1]
        cls = type(instance)
        if not self._is_allowed(cls):
            raise _Refusal(f"state for a {cls.__name__}, which is not an allowed class")
        if hasattr(cls, "__setstate__"):
            instance.__setstate__(state)
        elif type(state) is dict and all(type(name) is str for name in state):
            vars(instance).update(state)
        else:
            raise _Refusal(f"state of an instance of {cls.__name__} that is not a dict of attributes")

    def _is_allowed(self, value: object) -> bool:
        return any(value is one for one in self._allowed.values())


def _key(value: Any) -> Any:
    """Return a value that may be a key, and reject others.

    Hashing a deeply nested tuple can take very long or overflow the C stack, and pairs of integers can be chosen to
    have equal hashes.
    """
    kind = type(value)
    if kind is str or kind is int or (kind is tuple and tuple(map(type, value)) == (str, int)):
        return value
    raise _Refusal(f"a {kind.__name__} as a key; expected a str, an int or a pair (str, int)")


_FLOAT = struct.Struct(">d")
_STOP = pickle.STOP[0]
_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    code[0]: instruction
    for code, instruction in {
        pickle.PROTO: _Machine.proto,
        pickle.FRAME: _Machine.frame,
        pickle.MARK: _Machine.mark,
        pickle.NONE: _Machine.none,
        pickle.NEWTRUE: _Machine.true,
        pickle.NEWFALSE: _Machine.false,
        pickle.BININT1: _Machine.int1,
        pickle.BININT2: _Machine.int2,
        pickle.BININT: _Machine.int4,
        pickle.LONG1: _Machine.long1,
        pickle.BINFLOAT: _Machine.float8,
        pickle.SHORT_BINUNICODE: _Machine.text1,
        pickle.BINUNICODE: _Machine.text4,
        pickle.BINUNICODE8: _Machine.text8,
        pickle.SHORT_BINBYTES: _Machine.bytes1,
        pickle.BINBYTES: _Machine.bytes4,
        pickle.BINBYTES8: _Machine.bytes8,
        pickle.BYTEARRAY8: _Machine.bytearray8,
        pickle.EMPTY_TUPLE: _Machine.empty_tuple,
        pickle.TUPLE1: _Machine.tuple1,
        pickle.TUPLE2: _Machine.tuple2,
        pickle.TUPLE3: _Machine.tuple3,
        pickle.TUPLE: _Machine.tuple_from_mark,
        pickle.EMPTY_LIST: _Machine.empty_list,
        pickle.APPEND: _Machine.append,
        pickle.APPENDS: _Machine.appends,
        pickle.EMPTY_DICT: _Machine.empty_dict,
        pickle.SETITEM: _Machine.setitem,
        pickle.SETITEMS: _Machine.setitems,
        pickle.EMPTY_SET: _Machine.empty_set,
        pickle.ADDITEMS: _Machine.additems,
        pickle.BINPUT: _Machine.put1,
        pickle.LONG_BINPUT: _Machine.put4,
        pickle.MEMOIZE: _Machine.memoize,
        pickle.BINGET: _Machine.get1,
        pickle.LONG_BINGET: _Machine.get4,
        pickle.GLOBAL: _Machine.named_global,
        pickle.STACK_GLOBAL: _Machine.stack_global,
        pickle.REDUCE: _Machine.reduce,
        pickle.NEWOBJ: _Machine.newobj,
        pickle.BUILD: _Machine.build,
    }.items()
}
