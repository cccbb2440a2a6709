"""Files of models: npz archives of a description and of parameters, read with distrust."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.files import read_bytes, write_npz
from crlso._base.npy import read_header

__all__ = ["ModelFile", "write_model"]

States = dict[str, dict[str, npt.NDArray[Any]]]

LARGEST_FILE = 1 << 30  # bytes
_LARGEST_META = 1 << 20
_FORMAT = 1


def write_model(
    path: str | os.PathLike[str], kind: str, params: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write a model to an npz file without pickle.

    Parameters
    ----------
    path : str or path
    kind : str
        Kind of the model.
    params : mapping
        Its description, which JSON can hold.
    states : mapping of str to (mapping of str to ndarray)
        Parameters by module and name.
    """
    arrays = {f"{module}/{name}": value for module, state in states.items() for name, value in state.items()}
    document = {"kind": kind, "format": _FORMAT, "params": params}
    meta = json.dumps(document, allow_nan=False, default=_plain_number)
    write_npz(path, {"meta": np.array(meta), **arrays})


class ModelFile:
    """The content of a file that :func:`write_model` wrote; its arrays are not read before their headers are checked.

    Arrays are stored without compression, as :func:`write_model` does it, so they take no more memory than the file.

    Parameters
    ----------
    path : str or path
    kind : str
        Expected kind of the model.
    expected : set of str
        Expected names of the parameters that describe the model.

    Attributes
    ----------
    params : dict
        The description of the model.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is anything but such a file.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, expected: set[str]) -> None:
        content = read_bytes(path, LARGEST_FILE)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            self._members = _checked_members(self._archive, len(content))
            self.params = self._description(kind)
        except ValueError:
            raise
        except Exception as error:  # what zipfile, NumPy and json raise for damaged bytes is of many kinds
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if set(self.params) != expected:
            raise ValueError(f"expected the parameters {sorted(expected)}")

    def _description(self, kind: str) -> dict[str, Any]:
        if "meta" not in self._members:
            raise ValueError("expected an array meta")
        shape, dtype = self._header("meta")
        if shape != () or dtype.kind != "U" or self._members["meta"].file_size > _LARGEST_META:
            raise ValueError(f"meta: expected a short text, got {dtype} of shape {shape}")
        document = json.loads(str(self._array("meta")), parse_constant=_refuse_constant)
        if not isinstance(document, dict) or document.get("kind") != kind or document.get("format") != _FORMAT:
            raise ValueError("another kind or format")
        params = document.get("params")
        if not isinstance(params, dict):
            raise ValueError("expected the parameters as params")
        return params

    def states(self, shapes: Iterable[tuple[str, tuple[int, ...]]]) -> States:
        """Read the arrays, after their headers were found to be what is expected.

        Parameters
        ----------
        shapes : iterable of (str, tuple of int)
            Expected names ``module/name`` and shapes. It may be long: the first that the file lacks ends it.

        Returns
        -------
        dict of str to (dict of str to ndarray)
            Arrays by module and name.

        Raises
        ------
        ValueError
            If a name, a shape or a dtype is another one, or an array is damaged.
        """
        names = []
        for name, shape in shapes:
            if name not in self._members:
                raise ValueError(f"expected the parameter {name:.200}, which the file lacks")
            self._check_header(name, shape)
            names.append(name)
        unknown = sorted(set(self._members) - {"meta", *names})
        if unknown:
            raise ValueError(f"expected the parameters of the model, got {unknown[0]:.200} among them")
        found: States = {}
        for full in names:
            module, _, name = full.partition("/")
            found.setdefault(module, {})[name] = self._array(full)
        return found

    def _check_header(self, name: str, shape: tuple[int, ...]) -> None:
        got, dtype = self._header(name)
        if dtype.kind != "f" or dtype.itemsize not in (4, 8):
            raise ValueError(f"expected real numbers for {name}, float32 or float64, got dtype {dtype}")
        if got != shape:
            raise ValueError(f"expected shape {shape} for {name}, got {got}")

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of an array, whose size is that of the member."""
        member = self._members[name]
        try:
            with self._archive.open(member) as stream:
                return read_header(stream, member.file_size)
        except Exception as error:
            raise ValueError(f"{name:.200}: {error!s:.300}") from error

    def _array(self, name: str) -> npt.NDArray[Any]:
        """The array of a member; reading all of it compares its checksum."""
        try:
            data = self._archive.read(self._members[name])
            array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except Exception as error:
            raise ValueError(f"{name:.200}: expected an array, got {type(error).__name__}: {error!s:.200}") from error
        return array


def _checked_members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Arrays of an archive by name: stored, not encrypted, and together not larger than the file."""
    members = {}
    for member in archive.infolist():
        name, dot, suffix = member.filename.rpartition(".")
        if dot + suffix != ".npy" or name in members:
            raise ValueError(f"expected arrays with different names, got {member.filename:.200}")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ValueError(f"{name:.200}: expected an array that is neither compressed nor encrypted")
        if member.compress_size != member.file_size:
            raise ValueError(f"{name:.200}: expected one size, got {member.compress_size} and {member.file_size}")
        members[name] = member
    if sum(member.file_size for member in members.values()) > size:
        raise ValueError(f"expected arrays of at most {size} bytes in the file, got more")
    return members


def _refuse_constant(text: str) -> float:
    raise ValueError(f"expected finite numbers, got {text}")


def _plain_number(value: Any) -> Any:
    """Convert a NumPy number to a Python number, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected parameters that JSON can hold, got {type(value).__name__}")
