"""Genotype text and other forms <-> rows of codes of the DARTS space."""

from __future__ import annotations

import ast
import csv
import json
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from crlso.spaces.genotype import EDGES, N_CODES, OPERATIONS, check_codes, format_genotype, parse_genotype

Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")

# The second-order cell of the DARTS paper, as published, with its edges in the published order.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
DARTS_V2_CODES = [4, 4, 4, 4, 0, 3, 4, 0, 0, 3, 0, 6, 0, 0, 1, 1, 0, 1, 3, 1, 0, 3, 0, 0, 1, 3, 0, 0]


def evaluated(text: str) -> Genotype:
    """A genotype's text, read by Python."""
    call = ast.parse(text.replace("range(2, 6)", "[2, 3, 4, 5]"), mode="eval").body
    assert isinstance(call, ast.Call)
    return Genotype(**{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords})


def edge_set(genotype: Genotype) -> set[tuple[str, int, int, str]]:
    """(cell, source, target, operation) of all edges."""
    return {
        (cell, source, 2 + i // 2, operation)
        for cell in ("normal", "reduce")
        for i, (operation, source) in enumerate(getattr(genotype, cell))
    }


def coded_edges(codes: np.ndarray) -> set[tuple[str, int, int, str]]:
    return {
        (cell, *edge, OPERATIONS[code - 1])
        for cell, half in zip(("normal", "reduce"), np.split(codes, 2))
        for edge, code in zip(EDGES, half)
        if code
    }


def test_published_cell():
    codes = parse_genotype(DARTS_V2)
    assert codes.dtype == np.uint8
    assert codes.tolist() == DARTS_V2_CODES
    text = format_genotype(codes)
    assert edge_set(evaluated(text)) == edge_set(evaluated(DARTS_V2))
    assert text.count("range(2, 6)") == 2


def test_order_of_slots():
    assert list(EDGES) == [(s, t) for t in range(2, 6) for s in range(t)]
    assert N_CODES == 28


def test_other_forms_give_the_same_codes():
    genotype = evaluated(DARTS_V2)
    compact = [
        [(source, OPERATIONS.index(operation)) for operation, source in cell]
        for cell in (genotype.normal, genotype.reduce)
    ]
    fields = genotype._asdict()
    forms = [
        genotype,
        fields,
        {**fields, "normal_concat": range(2, 6), "reduce_concat": np.arange(2, 6)},
        SimpleNamespace(**fields),
        json.loads(json.dumps(fields)),
        compact,
        str(compact),
        str(tuple(tuple(cell) for cell in compact)),
        DARTS_V2.replace("'", '"').replace("[2, 3, 4, 5]", "range(2, 6)"),
        DARTS_V2.replace(" ", ""),
        "  " + DARTS_V2.replace(", ", ",\n\t") + "\n",
        DARTS_V2.replace(")], ", "),], "),
    ]
    for form in forms:
        assert parse_genotype(form).tolist() == DARTS_V2_CODES, form


BAD_TEXT = [
    ("", "at character 0, got the end"),
    ("Genotype", "'\\(' at character 8, got the end"),
    ("genotype(normal=[])", "'Genotype\\(' at character 0"),
    (DARTS_V2[:-1], "',' at character 417, got the end"),
    (DARTS_V2 + "x", "the end of the text at character 418, got 'x'"),
    (DARTS_V2 + DARTS_V2, "the end of the text"),
    (DARTS_V2.replace("'sep_conv_3x3', 0", "'sep_conv_3x3', -1", 1), "such as \\('sep_conv_3x3', 0\\) at character 34"),
    (DARTS_V2.replace("('sep_conv_3x3', 0)", "f()", 1), "an edge such as .* at character 17, got .f\\(\\)"),
    (DARTS_V2.replace("'sep_conv_3x3'", "'none'", 1), "got 'none' for edge 0 of cell 'normal' \\(into node 2\\)"),
    (DARTS_V2.replace("'sep_conv_3x3'", "'conv_7x7'", 1), "expected one of max_pool_3x3, .*got 'conv_7x7'"),
    (DARTS_V2.replace("'sep_conv_3x3', 1", "'sep_conv_3x3', 0", 1), "node 0 twice for edge 1 of cell 'normal'"),
    (DARTS_V2.replace("'sep_conv_3x3', 1", "'sep_conv_3x3', 2", 1), "a source from 0 to 1, got 2 for edge 1"),
    (DARTS_V2.replace("('sep_conv_3x3', 1), ", "", 1), "8 edges in cell 'normal', got 7"),
    (DARTS_V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 3, 4]"), "as normal_concat, got \\[2, 3, 4\\]"),
    (DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(3, 6)"), "as reduce_concat"),
    (DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(0, 999999999)"), "as reduce_concat"),
    (DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[2, 3, 5, 4]"), "as reduce_concat"),
    (DARTS_V2.replace(", reduce_concat=[2, 3, 4, 5]", ""), "got none called 'reduce_concat'"),
    (DARTS_V2.replace("reduce_concat", "normal_concat"), "each once"),
    (DARTS_V2.replace("', 0", "', 00000000000000", 1), "such as"),
    (DARTS_V2.replace("', 0", "', 0x1", 1), "such as"),
    (DARTS_V2.replace("sep", "s\u00e9p", 1), "such as"),
    ("[[(0, 9)], []]", "the index of an operation, 0 to 6, got 9"),
    ("[[(0, 3), (1, 3)]]", "two cells, got 1"),
    ("[[(0, 3), (1, 3)], []]", "8 edges in cell 'normal', got 2"),
    ("[" * 4000, "an edge such as|a list of edges"),
    ("(" * 10**7, "at most 4096 characters"),
    (DARTS_V2 + " " * 5000, "at most 4096 characters"),
    (DARTS_V2.replace("=", "\0=", 1), "'=' at character 15"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXT, ids=range(len(BAD_TEXT)))
def test_bad_text(text, message):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="genotype: expected") as caught:
        parse_genotype(text)
    assert time.perf_counter() - start < 1
    assert caught.match(message)
    assert len(str(caught.value)) < 300


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


class Endless(list):
    def __len__(self):
        return 10**12


GOOD_CELL = [("sep_conv_3x3", i % 2) for i in range(8)]
BAD_OBJECTS = [
    (None, TypeError, "got NoneType"),
    (b"Genotype()", TypeError, "got bytes"),
    (3, TypeError, "got int"),
    ({}, ValueError, "none called 'normal'"),
    (SimpleNamespace(normal=GOOD_CELL, reduce=GOOD_CELL), ValueError, "none called 'normal_concat'"),
    (Genotype(GOOD_CELL, range(10**9), GOOD_CELL, [2, 3, 4, 5]), ValueError, "at most 4 items in normal_concat"),
    (Genotype(GOOD_CELL, [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5.0]), TypeError, "an integer as a node of reduce_concat"),
    (Genotype(GOOD_CELL, [2, 3, 4, 5], GOOD_CELL, "2345"), TypeError, "a sequence as reduce_concat"),
    (Genotype("sep_conv", [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), TypeError, "a sequence as cell 'normal'"),
    (Genotype([("sep_conv_3x3", True)], [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), TypeError, "an integer as a source"),
    (Genotype([(3, 0)], [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), TypeError, "the name of an operation"),
    (Genotype([("sep_conv_3x3",)], [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), ValueError, "a pair as edge 0"),
    (Genotype(iter(GOOD_CELL), [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), TypeError, "a sequence as cell 'normal'"),
    (Genotype(Endless(), [2, 3, 4, 5], GOOD_CELL, [2, 3, 4, 5]), ValueError, "at most 8 items"),
    ([[(0, 1.5)], []], TypeError, "an integer as an operation"),
    (nested(10**5), ValueError, "two cells, got 1"),
    ([nested(10**5), []], TypeError, "a sequence|an integer|a pair"),
]


@pytest.mark.parametrize(("value", "error", "message"), BAD_OBJECTS, ids=range(len(BAD_OBJECTS)))
def test_bad_objects(value, error, message):
    if message.startswith("a sequence|"):
        error = (TypeError, ValueError)
    with pytest.raises(error, match="genotype: expected") as caught:
        parse_genotype(value)
    assert caught.match(message)


def test_check_codes():
    good = np.array([DARTS_V2_CODES] * 3)
    assert check_codes(good).dtype == np.uint8
    assert check_codes(np.empty((0, 28), int)).shape == (0, 28)
    with pytest.raises(ValueError, match=r"shape \(n, 28\), got \(28,\)"):
        check_codes(DARTS_V2_CODES)
    with pytest.raises(TypeError, match="expected integers, got float64"):
        check_codes(good.astype(float))
    for value in (-1, 8, 256 + 4):
        wrong = good.copy()
        wrong[1, 0] = value
        with pytest.raises(ValueError, match=r"values from 0 to 7, got .* in row 1"):
            check_codes(wrong)
    wrong = good.copy()
    wrong[2, 27] = 7
    with pytest.raises(ValueError, match="got 3 into node 5 of cell 'reduce' in row 2"):
        check_codes(wrong)


@pytest.fixture(scope="module")
def darts(shared: Path) -> Path:
    return shared / "data" / "darts"


def check_round_trip(source: object, edges: set[tuple[str, int, int, str]]) -> None:
    codes = parse_genotype(source)
    assert coded_edges(codes) == edges
    text = format_genotype(codes)
    again = parse_genotype(text)
    assert again.tolist() == codes.tolist()
    assert format_genotype(again) == text


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_round_trip_of_compact_genotypes(darts, step):
    texts = list(json.loads((darts / "darts_genotypes_11221.json").read_text()).values())
    texts += [row["arch"] for row in json.loads((darts / "nb301_725_surrogate.json").read_text())["cifar10"].values()]
    assert len(texts) == 11221 + 725
    for text in texts[::step]:
        normal, reduce = ast.literal_eval(text)
        named = ([(OPERATIONS[operation], source) for source, operation in cell] for cell in (normal, reduce))
        check_round_trip(text, edge_set(Genotype(next(named), None, next(named), None)))


def test_trained_genotypes(darts):
    """Most of the trained genotypes are no members of the space: each is refused exactly when it is none."""
    refused = 0
    with (darts / "darts_cifar10_1000_trained.csv").open(newline="") as file:
        texts = [row[0] for row in csv.reader(file)]
    for text in texts:
        genotype = evaluated(text)
        edges = [(cell, 2 + i // 2, pair) for cell in (0, 2) for i, pair in enumerate(genotype[cell])]
        has_none = any(operation == "none" for _, _, (operation, _) in edges)
        n_sources = len({(cell, node, source) for cell, node, (_, source) in edges})
        if has_none or n_sources < 16:
            refused += 1
            with pytest.raises(ValueError, match=r"got 'none'|two different sources"):
                parse_genotype(text)
        else:
            check_round_trip(text, edge_set(genotype))
    assert (len(texts), refused) == (1000, 939)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_mutations(seed):
    """Whatever happens to the text, it is read as a valid genotype or refused with a ValueError."""
    random = np.random.default_rng(seed)
    alphabet = [*"()[],='\"0123456789 _aegmnoprstx\n\\%{}:#", "range", "none", "((((", "\u00e9", "\0"]
    read, messages = 0, []
    for _ in range(800):
        text = list(DARTS_V2)
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(len(text)))
            kind = random.integers(3)
            if kind == 0:
                text[at] = str(random.choice(alphabet))
            elif kind == 1:
                del text[at : at + int(random.integers(1, 30))]
            else:
                text.insert(at, str(random.choice(alphabet)))
        try:
            codes = parse_genotype("".join(text))
        except ValueError as error:
            messages.append(str(error))
        else:
            read += 1
            assert check_codes(codes[None]).tolist() == [codes.tolist()]
    assert 0 < read < 400
    assert all(message.startswith("genotype: expected") for message in messages)
