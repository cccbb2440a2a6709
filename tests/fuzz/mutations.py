"""Damaged files of every kind that the package reads.

A reader refuses a damaged file with a ValueError, or an OSError of the system, or it returns something that works like
what it returns for a sound file: what the checks below say.
"""

from __future__ import annotations

import functools
import logging
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import crlso
from crlso import benchmarks, models, spaces
from crlso.history import Measurement
from crlso.journal import repair
from tests.fuzz import damage, targets
from tests.fuzz.cases import Chance, Fault, Harness, Step
from tests.fuzz.samples import samples
from tests.twins import nasbench101 as twin
from tests.twins import tfrecord_writer as writer

Damage = Callable[[Chance, bytes], bytes]
CHAIN = (1, *[0] * 4, 1, *[0] * 14, 0, 1, *[0] * 4)  # of NAS-Bench-101: input, conv3x3, output


class Kind(NamedTuple):
    """A kind of file: sound samples, ways to damage its structure, and a reader that checks what it reads.

    The reader of files with checksums returns what it has read, in a form that can be compared.
    """

    samples: Callable[[], list[bytes]]
    damages: tuple[Damage, ...]
    check: Callable[[Path], object]


def expect(condition: object, text: str) -> None:
    """Raise a Fault with a text unless a condition holds."""
    if not condition:
        raise Fault(text)


@functools.cache
def space() -> Any:
    """A small space of one's own."""
    return spaces.CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")


def _value(cell: Any) -> float:
    if sum(cell.codes) % 5 == 0:
        raise MemoryError("too large")
    return float(sum(cell.codes))


def _written(save: Callable[[Path], object]) -> bytes:
    path = Path("sound")
    path.unlink(missing_ok=True)  # readers of results go on where a file ends
    save(path)
    return path.read_bytes()


# -- studies and comparisons -------------------------------------------------------------------------------------------


@functools.cache
def _studies() -> list[bytes]:
    def measure(cell: Any) -> Any:
        return Measurement(_value(cell), user_attrs={"seconds": 1.5, "note": "é"})

    bench = benchmarks.Function(space(), measure, name="mine")
    searches = [crlso.search(bench, "random", budget=6, progress=False)]
    searches.append(crlso.search(benchmarks.NASBench201("cifar100"), "local", budget=5, progress=False))
    return [_written(study.save) for study in searches]


def check_study(path: Path) -> Any:
    """A study is shown, gives its best cell, and is written and read again as it is."""
    text = path.read_bytes()
    study = crlso.Study.load(path, None if b"nasbench201" in text and b"mine" not in text else space())
    repr(study), str(study), study.to_json()
    expect(all(t.value is None or math.isfinite(t.value) for t in study.trials), "a value that is not finite was read")
    study.save("again")
    again = crlso.Study.load("again", space() if study.trials and study.trials[0].cell.space == space().name else None)
    expect(again.to_dict() == study.to_dict(), "a study that was read is not the same when written and read again")
    return study.to_dict()


def _compared(path: Path) -> Any:
    bench = benchmarks.NASBench201("cifar100")
    return crlso.compare([bench], ["random", "local"], seeds=2, budget=4, path=path, progress=False)


@functools.cache
def _comparisons() -> list[bytes]:
    return [_written(_compared)]


def check_comparison(path: Path) -> Any:
    """A comparison goes on with the records of a file, and its table has what the searches have."""
    compared = _compared(path)
    expect(len(compared.records) == 4, f"expected the records of 4 searches, got {len(compared.records)}")
    compared.to_json(), str(compared)
    return compared.table()


def _searched(path: Path) -> Any:
    bench = benchmarks.Function(space(), _value, name="mine")
    return crlso.search(bench, "gp", budget=9, initial=3, batch=2, journal=path, progress=False)


@functools.cache
def _journals() -> list[bytes]:
    return [_written(_searched)]


def check_journal(path: Path) -> Any:
    """A search goes on from a journal, and is the one that was not interrupted."""
    return _searched(path).history.to_dict()


def _keys(study: Any) -> list[Any]:
    return [study.history.key_of(trial) for trial in study.trials]


def check_signed_journal(path: Path) -> None:
    """A journal whose lines have right checksums and anything in them is shown, goes on or is refused, and repaired."""
    copy = Path("copy")
    copy.write_bytes(path.read_bytes())
    repair(copy)
    for where in (copy, path):
        study = _searched(where)
        expect(study.n_queries == study.budget == 9, f"expected 9 queries, got {study.n_queries} of {study.budget}")
        keys = _keys(study)
        expect(len(keys) == len(set(keys)), "a cell was asked for twice")
        study.to_json()
        opened = crlso.Study.open(where)
        same = [_keys(found) + [(t.value, t.error, t.user_attrs) for t in found.trials] for found in (opened, study)]
        expect(same[0] == same[1], "a journal has another history than its search")
        repr(opened), str(opened), opened.to_json()


# -- models ------------------------------------------------------------------------------------------------------------


def _codes() -> Any:
    return space().sample(8, rng=0)


@functools.cache
def _predictors() -> list[bytes]:
    model = models.Predictor(space(), width=4, layers=2, epochs=1)
    return [_written(model.fit(_codes(), np.arange(8.0)).save)]


def check_predictor(path: Path) -> None:
    """A predictor predicts numbers."""
    values = models.Predictor.load(path, space()).predict(_codes())
    expect(values.shape == (8,) and np.isfinite(values).all(), f"predicted {values}")


@functools.cache
def _vaes() -> list[bytes]:
    model = models.GraphVAE(space(), width=4, latent=3, layers=2, epochs=1, batch_size=8, rng=0)
    return [_written(model.fit(_codes()).save)]


def check_vae(path: Path) -> None:
    """An encoder encodes and decodes."""
    model = models.GraphVAE.load(path, space())
    z = model.encode(_codes())
    expect(z.ndim == 2 and len(z) == 8 and np.isfinite(z).all(), f"encoded {z}")
    expect(len(model.decode(z)) == 8, "decoded another number of cells")


@functools.cache
def _surrogates() -> list[bytes]:
    z = np.random.default_rng(0).normal(size=(8, 3))
    return [_written(models.ICNNSurrogate(width=4, layers=2, epochs=1).fit(z, np.arange(8.0)).save)]


def check_surrogate(path: Path) -> None:
    """A surrogate predicts numbers at points of the dimension that it says it has."""
    model = models.ICNNSurrogate.load(path)
    for width in range(1, 5):
        try:
            values = model.predict(np.zeros((2, width)))
        except ValueError:
            continue
        expect(np.isfinite(values).all(), f"predicted {values}")
        return
    raise Fault("it predicts at no points of 1 to 4 dimensions")


# -- tables and published benchmarks -----------------------------------------------------------------------------------


@functools.cache
def _tables() -> list[bytes]:
    cells = space().cells(space().sample(6, rng=0, unique_classes=True))
    rows = [f'"{cell}",{80 + i / 3},{70 + i}' for i, cell in enumerate(cells)]
    without_test = [row[: row.rfind(",")] for row in rows]
    return ["\n".join(["cell,value,test", *rows]).encode(), "\n".join(["cell,value", *without_test]).encode()]


def check_table(path: Path) -> None:
    """A table has finite values for the cells of its own space."""
    table = benchmarks.Tabular.from_csv(path, space())
    values = [table.evaluate(cell) for cell in table.space.cells(table.space.all_codes())]
    expect(values and np.isfinite(values).all(), f"values {values}")
    expect(table.optimal_value() == max(values), "the optimum is not the highest value")


@functools.cache
def _spaces() -> list[bytes]:
    own = 'nodes = 4\noperations = ["conv", "pool"]\noperations_on = "nodes"\nedges = "free"\n'
    listed = "nodes = 4\noperations = ['a', 'b']\nedges = [[0, 1], [1, 2], [0, 3], [2, 3]]\ninput_nodes = 1\n"
    return [own.encode(), listed.encode()]


def check_space(path: Path) -> None:
    """A space has cells that it reads as it writes them."""
    found = spaces.CellSpace.from_toml(path)
    if found.n_nodes <= 8 and len(found.operations) <= 20:
        cell = found.cells(found.sample(1, rng=0))[0]
        expect(found.cell(str(cell)) == cell, f"{cell} is read as another cell")


@functools.cache
def _records() -> list[bytes]:
    made = [writer.record(CHAIN, 108, 0.9 + i / 100, 0.89, 100.0, 12345) for i in range(3)]
    return [b"".join(made), made[0]]


def _damaged_record(chance: Chance, data: bytes) -> bytes:
    """Damage inside frames whose checksums are right."""
    bits, operations = writer.graph_texts(CHAIN)
    message = writer.metrics([(54.0, 1.0, 0.2, 0.2, 0.2), (108.0, 2.0, 1.0, 0.9, 0.8)], 7, 3.0)
    if chance.coin():
        message = damage.damaged_bytes(chance, message, message)
        return data + writer.frame(writer.payload(twin.module_hash(CHAIN), 108, bits, operations, message))
    payload = writer.payload(twin.module_hash(CHAIN), 108, bits, operations, message)
    change = chance.of((damage.damaged_json, lambda c, d: damage.damaged_bytes(c, d, d)))
    return data + writer.frame(change(chance, payload).rstrip(b"\n"))


def check_records(path: Path) -> None:
    """A file of NAS-Bench-101 has accuracies in percent."""
    Path("cache").unlink(missing_ok=True)
    bench = benchmarks.NASBench101.from_tfrecord(path, cache="cache")
    value = bench.evaluate(bench.optimum())
    expect(0 <= value <= 100, f"value {value}")


def _sound_records() -> Path:
    path = Path("sound.tfrecord")
    if not path.exists():
        path.write_bytes(_records()[0])
    return path


@functools.cache
def _caches() -> list[bytes]:
    return [_written(lambda path: benchmarks.NASBench101.from_tfrecord(_sound_records(), cache=path))]


def check_cache(path: Path) -> None:
    """A cache of a file of NAS-Bench-101 holds accuracies in percent."""
    bench = benchmarks.NASBench101.from_tfrecord(_sound_records(), cache=path)
    value = bench.evaluate(bench.optimum())
    expect(0 <= value <= 100, f"value {value}")


# -- text --------------------------------------------------------------------------------------------------------------


def _target(name: str) -> Kind:
    """The kind of input of a target of the guided fuzzers."""

    def check(path: Path) -> None:
        try:
            targets.TARGETS[name](path.read_bytes())
        except AssertionError as error:
            raise Fault(f"{name}: {error or 'another value when written and read again'}") from error

    words = () if name.startswith(("booster", "unpickle")) else (damage.damaged_text,)
    return Kind(lambda: samples(name), words, check)


KINDS = {
    "study": Kind(_studies, (damage.damaged_json,), check_study),
    "comparison": Kind(_comparisons, (damage.damaged_json,), check_comparison),
    "journal": Kind(_journals, (), check_journal),
    "signed journal": Kind(_journals, (damage.damaged_signed_lines,), check_signed_journal),
    "predictor": Kind(_predictors, (damage.damaged_npz,), check_predictor),
    "vae": Kind(_vaes, (damage.damaged_npz,), check_vae),
    "surrogate": Kind(_surrogates, (damage.damaged_npz,), check_surrogate),
    "table": Kind(_tables, (damage.damaged_table, damage.damaged_text), check_table),
    "space": Kind(_spaces, (damage.damaged_text,), check_space),
    "tfrecord": Kind(_records, (_damaged_record,), check_records),
    "cache": Kind(_caches, (damage.damaged_npz,), check_cache),
    **{name: _target(name) for name in targets.TARGETS},
}


def has_checksums(data: bytes) -> bool:
    """Whether every line ends with a checksum, right or wrong."""
    lines = data.splitlines()
    return bool(lines) and all(re.search(rb', "crc32": "[0-9a-f]{8}"}\\s*\\Z', line) for line in lines)


@functools.cache
def _sound(name: str, number: int) -> object:
    path = Path(f"sound-{name}-{number}")
    path.write_bytes(KINDS[name].samples()[number])
    return KINDS[name].check(path)


def make_steps(kinds: dict[str, Kind]) -> Callable[[Chance], Iterator[Step]]:
    """The steps of cases that damage files of these kinds."""
    logging.disable(logging.CRITICAL)

    def steps(chance: Chance) -> Iterator[Step]:
        name = chance.of(list(kinds))
        kind = kinds[name]
        known = kind.samples()
        number = chance.below(len(known))
        if chance.coin(0.02):
            change: Damage = lambda _, data: data  # noqa: E731  (a sound file is one that is read)
        elif kind.damages and chance.coin(0.7):
            change = chance.of(kind.damages)
        else:
            change = lambda chance, data: damage.damaged_bytes(chance, data, chance.of(known))  # noqa: E731
        path = Path("damaged")
        path.write_bytes(change(chance, known[number]))
        text = f"{name}, sample {number}, {getattr(change, '__name__', '')}: {path.read_bytes()[:300]!r}"

        def read() -> None:
            signed = has_checksums(path.read_bytes())
            found = kind.check(path)
            if found is not None and signed:
                expect(found == _sound(name, number), "damage passes for data, in spite of a checksum")

        yield text, read

    return steps


def harness(planted: str | None) -> Harness:
    """The harness of damaged files; of the KINDS of another module, if one is given."""
    import importlib

    kinds = importlib.import_module(planted).KINDS if planted else KINDS
    return Harness(make_steps(kinds), (ValueError, OSError))
