"""crlso/_core.pyi says what the extension module really has; and the check of that notices what is planted."""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crlso import _core

STUB = Path(_core.__file__).with_name("_core.pyi")
KINDS = {
    "T": "_Operand",
    "L": "Iterable[_Operand]",
    "X": "npt.ArrayLike",
    "G": "GraphBatch",
    "f": "float",
    "i": "SupportsIndex",
    "b": "bool",
    "S": "_Shape",
    "A": "str",
    "D": "_Axes",
}
# Every class has the first four, and stubs leave them out. The last is a note that Python keeps in a class, once one of
# its instances was copied or pickled.
FROM_OBJECT = {"__doc__", "__module__", "__reduce__", "__repr__", "__slotnames__"}
Function = ast.FunctionDef
Parameter = tuple[str, str, str]  # name, "/" for positional only, default as source or ""
INSTANCES: dict[str, Any] = {
    "Tensor": lambda: _core.Tensor([1.0]),
    "GraphBatch": lambda: _core.GraphBatch([0, 2], [0, 0, 1], [0], [3], 5),
    "Adam": lambda: _core.Adam([_core.Tensor([1.0], requires_grad=True)]),
    "CellSet": lambda: _core.CellSet(),
}


def stub_parameters(function: Function) -> list[Parameter]:
    arguments = function.args
    named = [(argument, "/") for argument in arguments.posonlyargs] + [(argument, "") for argument in arguments.args]
    defaults = [""] * (len(named) - len(arguments.defaults)) + [ast.unparse(value) for value in arguments.defaults]
    found = [(argument.arg, mark, default) for (argument, mark), default in zip(named, defaults, strict=True)]
    found += [(arguments.vararg.arg, "*", "")] if arguments.vararg else []
    for argument in (*arguments.kwonlyargs, arguments.kwarg):  # the module has no such parameters
        found += [(argument.arg, "**", "")] if argument else []
    return found


def without_self(parameters: list[Parameter]) -> list[Parameter]:
    return parameters[1:] if parameters and parameters[0][0] in ("self", "cls") else parameters


def real_parameters(function: Any) -> list[Parameter]:
    """From the signature that the module's own documentation begins with."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        mark = {parameter.POSITIONAL_ONLY: "/", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else ast.unparse(ast.Constant(parameter.default))
        found.append((parameter.name, mark, default))
    return without_self(found)


def operation_parameters(signature: str) -> list[tuple[str, str, str]]:
    """Name, annotation and default of every parameter of a row of ops.def."""
    found = []
    for text in signature.split():
        name, _, rest = text.partition(":")
        kind, optional, default = rest[0], rest[1:] == "?", rest[2:] if rest[1:2] == "=" else ""
        convert = {"f": float, "i": int, "b": lambda digit: bool(int(digit)), "A": str}
        value = "None" if optional else repr(convert[kind](default)) if default else ""
        found.append((name, KINDS[kind] + (" | None" if optional else ""), value))
    return found


def annotated(function: Function) -> list[tuple[str, str, str]]:
    annotations = {node.arg: node.annotation for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    found = []
    for name, mark, default in stub_parameters(function):
        annotation = annotations[name]
        found.append((name, mark + (ast.unparse(annotation) if annotation else ""), default))
    return found


def is_property(function: Function) -> bool:
    return any(ast.unparse(decorator) == "property" for decorator in function.decorator_list)


def setters(owner: ast.ClassDef) -> set[str]:
    marks = [ast.unparse(mark) for node in owner.body if isinstance(node, Function) for mark in node.decorator_list]
    return {mark.removesuffix(".setter") for mark in marks if mark.endswith(".setter")}


def members(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """What a body defines by name; of a property its getter."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)):
            found.setdefault(node.name, node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def names_differ(where: str, stub: set[str], real: set[str]) -> Iterator[str]:
    yield from (f"{where}{name}: only in the stub" for name in sorted(stub - real))
    yield from (f"{where}{name}: not in the stub" for name in sorted(real - stub))


def can_be_set(name: str, attribute: str) -> bool:
    instance = INSTANCES[name]()
    try:
        setattr(instance, attribute, getattr(instance, attribute))
    except AttributeError:
        return False
    return True


def can_be_derived_from(kind: type) -> bool:
    try:
        type("Derived", (kind,), {})
    except TypeError:
        return False
    return True


def operation_differs(node: Function, name: str, *, method: bool) -> Iterator[str]:
    expected = operation_parameters(_core.OPERATIONS[name])
    got = annotated(node)
    if method:  # whose last argument may be a shape in several numbers
        expected, got = expected[1:], got[1:]
        expected = [(p, "*" * (kind == KINDS["S"]) + kind, default) for p, kind, default in expected]
    returns = ast.unparse(node.returns) if node.returns else ""
    if (got, returns) != (expected, "Tensor"):
        yield f"{'Tensor.' if method else ''}{name}: the stub has {got} -> {returns}, ops.def {expected}"


def signature_differs(where: str, node: Function, function: Any) -> Iterator[str]:
    got, expected = without_self(stub_parameters(node)), real_parameters(function)
    if got != expected:
        yield f"{where}: the stub has {got}, the module {expected}"


def class_differs(owner: ast.ClassDef) -> Iterator[str]:
    kind = getattr(_core, owner.name)
    real, stub = dict(vars(kind)), members(owner.body)
    yield from names_differ(f"{owner.name}.", set(stub), set(real) - FROM_OBJECT)
    if can_be_derived_from(kind) == ("final" in map(ast.unparse, owner.decorator_list)):
        yield f"{owner.name}: @final is wrong"
    for name in sorted(set(stub) & set(real)):
        node, where = stub[name], f"{owner.name}.{name}"
        if isinstance(node, Function) and is_property(node) != inspect.isgetsetdescriptor(real[name]):
            yield f"{where}: one has a property, the other has not"
        elif inspect.isgetsetdescriptor(real[name]):
            if can_be_set(owner.name, name) != (name in setters(owner)):
                yield f"{where}: one can be set, the other cannot"
        elif not isinstance(node, Function):
            if callable(real[name]):
                yield f"{where}: the module has a method"
        elif owner.name == "Tensor" and name in _core.OPERATIONS:
            yield from operation_differs(node, name, method=True)
            yield from signature_differs(where, node, real[name])
        elif name == "__new__":
            yield from signature_differs(where, node, kind)
        elif not name.startswith("__"):
            yield from signature_differs(where, node, real[name])


def differences(source: str) -> list[str]:
    """Everything in which a stub differs from the extension module."""
    stub = {name: node for name, node in members(ast.parse(source).body).items() if not name.startswith("_")}
    real = {name for name in dir(_core) if not name.startswith("_")}
    found = list(names_differ("", set(stub), real))
    for name in sorted(set(stub) & real):
        node, value = stub[name], getattr(_core, name)
        if isinstance(node, ast.ClassDef) != isinstance(value, type) or isinstance(node, Function) != inspect.isbuiltin(
            value
        ):
            found.append(f"{name}: the module has a {type(value).__name__}")
        elif isinstance(node, ast.ClassDef):
            found += class_differs(node)
        elif isinstance(node, Function):
            found += operation_differs(node, name, method=False) if name in _core.OPERATIONS else []
            found += signature_differs(name, node, value)
    return found


def test_stub_agrees_with_the_module():
    with contextlib.suppress(TypeError):
        copy.copy(_core.Tensor([1.0]))  # which leaves a note in the class
    assert len(_core.OPERATIONS) > 20
    assert differences(STUB.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("def pool_trim()", "def pool_trims()", "pool_trim: not in the stub"),
        ("def pool_trim()", "def pool_trims()", "pool_trims: only in the stub"),
        ("OPERATIONS: dict", "_OPERATIONS: dict", "OPERATIONS: not in the stub"),
        ("class CellSet:", "class _CellSet:", "CellSet: not in the stub"),
        ("def relu(self) ->", "def relu6(self) ->", "Tensor.relu: not in the stub"),
        ("def relu(self) ->", "def relu6(self) ->", "Tensor.relu6: only in the stub"),
        ("def __rmatmul__(", "def __rmod__(", "Tensor.__rmatmul__: not in the stub"),
        ("    def n_edges(self)", "    def n_arcs(self)", "GraphBatch.n_edges: not in the stub"),
        ("def sub(x: _Operand, y:", "def sub(y: _Operand, x:", "sub: the stub has"),
        ("def sub(self, y:", "def sub(self, z:", "Tensor.sub: the stub has"),
        (
            "def leaky_relu(x: _Operand, slope: float = 0.01)",
            "def leaky_relu(x: _Operand, slope: float = 0.1)",
            "leaky_relu: ",
        ),
        ("def leaky_relu(self, slope: float = 0.01)", "def leaky_relu(self, slope: float)", "Tensor.leaky_relu: "),
        ("def affine(x: _Operand, scale: float = 1.0,", "def affine(x: _Operand, scale: float = 1,", "affine: "),
        ("transpose_a: bool = False", "transpose_a: bool = 0", "matmul: "),
        ("def gather_rows(table: _Operand, index:", "def gather_rows(table: _Operand, *, index:", "gather_rows: "),
        ("def mse(prediction: _Operand, target:", "def mse(prediction: _Operand, /, target:", "mse: the stub has"),
        ("noise: _Operand, scale: float", "noise: float, scale: float", "gaussian: the stub has"),
        ("def exp(x: _Operand) -> Tensor", "def exp(x: _Operand) -> float", "exp: the stub has"),
        ("convex: bool = True", "convex: bool = False", "FrozenICNN.__new__: "),
        ("def smallest(values: npt.ArrayLike, k: SupportsIndex, /)", "def smallest(values: int, k: int)", "smallest: "),
        ("betas: tuple[float, float] = (0.9, 0.999)", "betas: tuple[float, float] = (0.9, 0.99)", "Adam.__new__: "),
        ("learning_rate: float | None = None, /", "rate: float | None = None, /", "Adam.step: the stub has"),
        ("def reshape(self, *shape: _Shape)", "def reshape(self, shape: _Shape)", "Tensor.reshape: the stub has"),
        ("    @grad.setter\n    def grad(self, value: None) -> None: ...\n", "", "Tensor.grad: one can be set"),
        ("    @property\n    def size(self)", "    def size(self)", "Tensor.size: one has a property"),
        ("@final\nclass Adam", "class Adam", "Adam: @final"),
    ],
)
def test_a_planted_difference_is_found(old: str, new: str, problem: str):
    source = STUB.read_text(encoding="utf-8")
    assert old in source
    assert [text for text in differences(source.replace(old, new)) if text.startswith(problem)]


@pytest.mark.parametrize(
    ("name", "function"), [("_PoolStatistics", _core.pool_stats), ("_RuntimeInfo", _core.runtime_info)]
)
def test_dictionaries_have_the_keys_and_types_of_the_stub(name: str, function: Any):
    (node,) = (node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if getattr(node, "name", "") == name)
    assert isinstance(node, ast.ClassDef)
    fields = {field: ast.unparse(item.annotation) for field, item in members(node.body).items()}
    assert {field: type(value).__name__ for field, value in function().items()} == fields


@pytest.mark.parametrize("name", sorted(INSTANCES))
def test_properties_have_the_types_of_the_stub(name: str):
    types = {
        "Tensor": _core.Tensor,
        "float": float,
        "int": int,
        "bool": bool,
        "tuple": tuple,
        "np.dtype": np.dtype,
        "None": type(None),
    }
    owner = members(ast.parse(STUB.read_text(encoding="utf-8")).body)[name]
    assert isinstance(owner, ast.ClassDef)
    for attribute, node in members(owner.body).items():
        if isinstance(node, Function) and is_property(node):
            assert node.returns is not None
            expected = ast.unparse(node.returns).split(" | ")[-1].partition("[")[0]
            assert isinstance(getattr(INSTANCES[name](), attribute), types[expected]), attribute
