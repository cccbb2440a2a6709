"""Genotype text and other forms <-> rows of codes of the DARTS space."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from crlso.spaces import DARTS
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


def per_node(cell: list) -> list:
    return [cell[i : i + 2] for i in range(0, 8, 2)]


def test_genotypes_as_people_write_them():
    genotype = evaluated(DARTS_V2)
    nested = {**genotype._asdict(), "normal": per_node(genotype.normal), "reduce": per_node(genotype.reduce)}
    written = f"Genotype({', '.join(f'{name}={value}' for name, value in nested.items())})"
    numbers = re.sub(r"'(\w+)', (\d)", r"np.str_('\1'), np.int64(\2)", DARTS_V2)
    assert numbers.count("np.int64(") == 16 and written.count("[[") == 2
    with_commas = DARTS_V2.replace(", 'normal", ",  # the normal cell\n'normal").replace("), (", "),  # ), (\n (")
    positional = re.sub(r"(normal|reduce)(_concat)?=", "", DARTS_V2)
    forms = [
        nested,
        Genotype(**nested),
        {**nested, "normal": np.array(nested["normal"], dtype=object)},
        written,
        numbers,
        numbers.replace("np.", "numpy."),
        numbers.replace("np.int64(0)", "tensor(0, device='cuda:0')"),
        positional,
        f"BEST = {DARTS_V2}",
        f"BEST = genotypes.{DARTS_V2};\n",
        f'"darts_v2": {DARTS_V2},',
        f"03/27 12:00:01 PM [search #1] genotype = {DARTS_V2}\n",
        f"# {DARTS_V2.replace('sep', 'dil')}\n  # the best\nDARTS_V2 = {DARTS_V2}  # ours",
        with_commas,
        DARTS_V2.replace("[2, 3, 4, 5]", "np.array([2, 3, 4, 5])"),
        DARTS_V2.replace("[2, 3, 4, 5]", "list(range(2, 6))"),
        str(genotype._asdict()),
        json.dumps(nested, indent=1),
        "\ufeff" + DARTS_V2,
    ]
    for form in forms:
        assert parse_genotype(form).tolist() == DARTS_V2_CODES, form


def test_two_cells():
    genotype = evaluated(DARTS_V2)
    named = (genotype.normal, genotype.reduce)
    numbered = [[(source, OPERATIONS.index(operation)) for operation, source in cell] for cell in named]
    space = DARTS()
    cell = space.cell(DARTS_V2)
    both = [per_node(half) for half in named]
    for form in (named, numbered, both, ((named[0]), (named[1]))):
        assert space.cell(form) == space.cell(str(form)) == cell, form
    for array in (np.array(numbered), np.array(named, dtype=object), np.array(both, dtype=object)):
        assert space.cell(array) == cell
    assert space.codes([named, numbered]).tolist() == [DARTS_V2_CODES] * 2
    assert space.cell(list(cell.codes)) == cell


# The edges in a result file of NAS-Bench-301 (github automl/nasbench301, surrogate_models/test/results_fidelity_0).
RESULT_EDGES = """
    edge_normal_0 skip_connect edge_normal_1 sep_conv_3x3 edge_reduce_0 max_pool_3x3 edge_reduce_1 avg_pool_3x3
    inputs_node_normal_3 0_1 inputs_node_normal_4 0_2 inputs_node_normal_5 1_2
    inputs_node_reduce_3 0_1 inputs_node_reduce_4 1_2 inputs_node_reduce_5 2_3
    edge_normal_10 sep_conv_3x3 edge_normal_11 skip_connect edge_normal_2 sep_conv_3x3 edge_normal_3 skip_connect
    edge_normal_5 dil_conv_3x3 edge_normal_7 dil_conv_5x5 edge_reduce_11 sep_conv_3x3 edge_reduce_12 dil_conv_3x3
    edge_reduce_2 skip_connect edge_reduce_3 dil_conv_5x5 edge_reduce_6 sep_conv_3x3 edge_reduce_7 sep_conv_5x5
""".split()
RESULT_GENOTYPE = Genotype(
    [
        *[("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 1)],
        *[("dil_conv_3x3", 0), ("dil_conv_5x5", 2), ("sep_conv_3x3", 1), ("skip_connect", 2)],
    ],
    range(2, 6),
    [
        *[("max_pool_3x3", 0), ("avg_pool_3x3", 1), ("skip_connect", 0), ("dil_conv_5x5", 1)],
        *[("sep_conv_3x3", 1), ("sep_conv_5x5", 2), ("sep_conv_3x3", 2), ("dil_conv_3x3", 3)],
    ],
    range(2, 6),
)


def result_file() -> dict:
    config = {f"NetworkSelectorDatasetInfo:darts:{key}": op for key, op in zip(RESULT_EDGES[::2], RESULT_EDGES[1::2])}
    config |= {"ImageAugmentation:cutout": "True", "ImageAugmentation:cutout_holes": 1}
    config |= {
        "NetworkSelectorDatasetInfo:darts:layers": 20,
        "OptimizerSelector:sgd:learning_rate": 0.02920949203420479,
    }
    info = [{"val_accuracy": 97.68, "learning_rate": 4.622333727829872e-06, "dataset_path": "datasets/CIFAR10.csv"}]
    return {"final_metric_score": -97.68, "optimized_hyperparamater_config": config, "budget": 1500, "info": info}


def test_result_files_of_nasbench301():
    expected = parse_genotype(RESULT_GENOTYPE).tolist()
    result = result_file()
    config = result["optimized_hyperparamater_config"]
    short = {key.removeprefix("NetworkSelectorDatasetInfo:darts:"): value for key, value in config.items()}
    inactive = {**config, "NetworkSelectorDatasetInfo:darts:edge_normal_4": None}
    old = SimpleNamespace(get_dictionary=lambda: config)  # a Configuration of ConfigSpace before 0.6
    for form in (config, short, inactive, result, old, str(config), json.dumps(result), json.dumps(inactive, indent=2)):
        assert parse_genotype(form).tolist() == expected
        assert DARTS().cell(form).codes == tuple(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs_node_normal_3": None}, "two sources such as '0_1' as inputs_node_normal_3, got None"),
        ({"inputs_node_normal_3": "0-1"}, "two sources such as '0_1' as inputs_node_normal_3, got '0-1'"),
        ({"inputs_node_normal_3": "0_3"}, "'edge_normal_' for the source 3 of node 3, got none"),
        ({"inputs_node_normal_3": "0_0"}, "'edge_normal_2' for the source 0 of node 3, got none"),
        ({"edge_normal_2": None}, "'edge_normal_2' for the source 0 of node 3, got none"),
        ({"edge_normal_4": "skip_connect"}, "edges from the sources of each node, got another: edge_normal_4"),
        ({"edge_normal_2": "none"}, "one of max_pool_3x3, .*got 'none'"),
    ],
)
def test_configurations_that_are_none(change, message):
    config = result_file()["optimized_hyperparamater_config"]
    changed = config | {f"NetworkSelectorDatasetInfo:darts:{key}": value for key, value in change.items()}
    for form in (changed, json.dumps(changed)):
        with pytest.raises(ValueError, match=f"genotype: expected {message}"):
            parse_genotype(form)


@pytest.mark.parametrize("third", [0.31, 1, "w"])
@pytest.mark.parametrize("make", [Genotype, lambda *fields: str(Genotype(*fields)), lambda a, b, c, d: (a, c)])
def test_triples_are_named(third, make):
    cell = [("sep_conv_3x3", i % 2, third) for i in range(8)]
    words = r"expected pairs \(operation, source\).*\(operation, source, weight\), or .*\(operation, node, source\)"
    with pytest.raises(ValueError, match=words):
        parse_genotype(make(cell, [2, 3, 4, 5], cell, [2, 3, 4, 5]))


BAD_TEXT = [
    ("", "expected Genotype\\(...\\), a mapping or two cells of pairs, got no text"),
    ("Genotype", "Genotype\\(...\\), a mapping or two cells of pairs, got .Genotype"),
    ("Genotype(", "a value at character 9, got the end of the text"),
    ("genotype(normal=[])", "Genotype\\(...\\), a mapping or two cells of pairs, got 'genotype"),
    ("# " + DARTS_V2, "Genotype\\(...\\), a mapping or two cells of pairs, got no text"),
    (f"A = {DARTS_V2}\nB = {DARTS_V2}", "the end of the text at character 423, got .B = Genotype"),
    (DARTS_V2[:-1], "',' at character 417, got the end"),
    (DARTS_V2 + "x", "the end of the text at character 418, got 'x'"),
    (DARTS_V2 + DARTS_V2, "the end of the text"),
    (DARTS_V2.replace("'sep_conv_3x3', 0", "'sep_conv_3x3', -1", 1), "a source from 0 to 1, got -1 for edge 0"),
    (DARTS_V2.replace("('sep_conv_3x3', 0)", "f()", 1), "a value at character 17, got .f\\(\\)"),
    (DARTS_V2.replace("('sep_conv_3x3', 0)", "x", 1), "a value at character 17, got .x"),
    (DARTS_V2.replace("normal=", "n=", 1), "one of the fields normal, .* each once, at character 9, got .n="),
    (DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 5]").replace("normal=[", "normal=None, x=[", 1), "one of the fields"),
    (DARTS_V2.replace("[2, 3, 4, 5]", "range('2')", 1), "a range of one or two whole numbers"),
    (DARTS_V2.replace("'sep_conv_3x3'", "'none'", 1), "got 'none' for edge 0 of cell 'normal' \\(into node 2\\)"),
    (DARTS_V2.replace("'sep_conv_3x3'", "'conv_7x7'", 1), "expected one of max_pool_3x3, .*got 'conv_7x7'"),
    (DARTS_V2.replace("'sep_conv_3x3', 1", "'sep_conv_3x3', 0", 1), "node 0 twice for edge 1 of cell 'normal'"),
    (DARTS_V2.replace("'sep_conv_3x3', 1", "'sep_conv_3x3', 2", 1), "a source from 0 to 1, got 2 for edge 1"),
    (DARTS_V2.replace("('sep_conv_3x3', 1), ", "", 1), "8 edges in cell 'normal', got 7"),
    (DARTS_V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 3, 4]"), "as normal_concat, got \\[2, 3, 4\\]"),
    (DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(3, 6)"), "as reduce_concat"),
    (
        DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(0, 999999999)"),
        "at most 4 items in reduce_concat",
    ),
    (DARTS_V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[2, 3, 5, 4]"), "as reduce_concat"),
    (DARTS_V2.replace(", reduce_concat=[2, 3, 4, 5]", ""), "got none called 'reduce_concat'"),
    (DARTS_V2.replace("reduce_concat", "normal_concat"), "each once"),
    (DARTS_V2.replace("', 0", "', 00000000000000", 1), "a value at character 34"),
    (DARTS_V2.replace("', 0", "', 0x1", 1), "a value at character 34"),
    (DARTS_V2.replace("', 0", "', 0.0", 1), "an integer as a source in cell 'normal', got 0.0"),
    (DARTS_V2.replace("sep", "s\u00e9p", 1), "expected one of max_pool_3x3"),
    ("[[(0, 9)], []]", "the index of an operation, 0 to 6, got 9"),
    ("[[(0, 3), (1, 3)]]", "two cells, got 1"),
    ("[[(0, 3), (1, 3)], []]", "8 edges in cell 'normal', got 2"),
    ("[" * 4000, "at most 8 brackets inside each other at character 8"),
    ("(" * 10**7, "at most 65536 characters"),
    (DARTS_V2 + " " * 70_000, "at most 65536 characters"),
    ("#" * 60_000 + "\n[[[", "the end of the text"),
    ("[[[" + "# " * 30_000, "the end of the text"),
    ("{" * 60_000, "a name in quotes"),
    ("[[[0, 3], [1, 3]], []]; 5", "the end of the text"),
    (DARTS_V2.replace("=", "\0=", 1), "'=' at character 15"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXT, ids=range(len(BAD_TEXT)))
def test_bad_text(text, message):
    with pytest.raises(ValueError, match="genotype: expected") as caught:
        parse_genotype(text)
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
    ([nested(10**5), []], ValueError, "two edges for each of 4 nodes in cell 'normal'"),
    ([[(nested(10**5), 0), (0, 1)], []], TypeError, "an integer as a source"),
    ([[(nested(10**5), 0, 0)], []], ValueError, "expected pairs"),
]


@pytest.mark.parametrize(("value", "error", "message"), BAD_OBJECTS, ids=range(len(BAD_OBJECTS)))
def test_bad_objects(value, error, message):
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
