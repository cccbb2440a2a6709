"""The space of NAS-Bench-Macro: text, classes against the authors' own rule, steps, and costs of layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crlso.spaces import Cell, CellSpace, NASBenchMacro
from crlso.spaces.nasbenchmacro import network_costs

SPACE = NASBenchMacro()


def trained(text: str) -> str:
    """Return the network that the authors trained for one: of each stage the identities last, the first layer apart."""
    stages = (text[:2], text[2:5], text[5:])
    return "".join(stage[0] + stage[1:].replace("0", "") + "0" * stage[1:].count("0") for stage in stages)


def test_text_is_that_of_the_benchmark():
    texts = ["".join(digits) for digits in itertools.product("012", repeat=8)]
    assert list(map(str, SPACE.cells(SPACE.all_codes()))) == texts
    np.testing.assert_array_equal(SPACE.codes(texts), SPACE.all_codes())
    cell = SPACE.cell("02012100")
    assert cell == SPACE.cell(repr(cell)) == SPACE.cell(cell.codes) == SPACE.cell(np.array(cell.codes))
    assert cell.operations == ("identity", "mb6_k5", "identity", "mb3_k3", "mb6_k5", "mb3_k3", "identity", "identity")
    chain = "+".join(f"{name}({source})" for source, name in enumerate([*cell.operations, "output"]))
    assert SPACE.cell(chain) == cell and cell == Cell("nasbenchmacro", cell.codes)
    assert cell.graphs[0].edges and "mb6_k5" in cell._repr_html_()


def test_classes_are_the_networks_that_were_trained():
    texts = list(map(str, SPACE.cells(SPACE.all_codes())))
    expected = list(map(trained, texts))
    assert list(map(str, SPACE.cells(SPACE.canonicalise(texts)))) == expected
    assert len(set(expected)) == len(SPACE.classes()) == 3969
    _, first = np.unique(expected, return_inverse=True)
    _, second = np.unique(SPACE.canonical_key(texts), return_inverse=True)
    np.testing.assert_array_equal(first, second)


def test_steps_change_one_layer_of_a_network():
    for text in ("00000000", "22212220", "20120110"):
        changed = {text[:i] + digit + text[i + 1 :] for i in range(8) for digit in "012"}
        expected = {trained(other) for other in changed} - {text}
        assert set(map(str, SPACE.cells(SPACE.neighbours(text)))) == expected


def test_samples_and_parts():
    assert len(SPACE) == 6561 and repr(SPACE) == "NASBenchMacro(6561 cells: 8 layers, 3 operations)"
    cells = SPACE.sample(3969, rng=0, unique_classes=True)
    assert len(np.unique(SPACE.canonical_key(cells))) == 3969
    part = SPACE.subset(["20102202", "00000000"])
    assert len(part) == 2 and sorted(map(str, part.cells(part.all_codes()))) == ["00000000", "20102202"]
    assert NASBenchMacro() == SPACE != part and hash(NASBenchMacro()) == hash(SPACE)
    assert not SPACE.all_codes().flags.writeable


def test_sizes_are_those_of_the_layers():
    # The network without blocks, by hand: stem, three 1x1 convolutions, the last convolution and the classifier.
    parameters = (864 + 64) + (2048 + 128) + (8192 + 256) + (32768 + 512) + (327_680 + 2560) + 12_810
    flops = 864 * 1024 + 2048 * 256 + 8192 * 64 + 32768 * 16 + 327_680 * 16 + 12_800
    assert network_costs(SPACE.codes(["00000000"])).tolist() == [[parameters, flops]]
    # The second layer of the first stage, expansion 3 of 64 channels, kernel 3 x 3, 16 x 16 pixels.
    block = 64 * 192 + 2 * 192 + 9 * 192 + 2 * 192 + 192 * 64 + 2 * 64
    more = network_costs(SPACE.codes(["01000000"])) - network_costs(SPACE.codes(["00000000"]))
    assert more.tolist() == [[block, (64 * 192 + 9 * 192 + 192 * 64) * 256]]
    np.testing.assert_allclose(np.exp(SPACE.log_size(SPACE.codes(["00000000"]))), parameters)


@pytest.mark.parametrize("wrong", ["", "0120120", "012012012", "01201203", "0120 120", "mb3_k3(0)+output(1)"])
def test_what_is_no_text_of_a_cell(wrong):
    with pytest.raises(ValueError, match="cell string: expected"):
        SPACE.cell(wrong)


def test_a_cell_of_another_space():
    other = CellSpace(nodes=3, operations=["conv"]).sample(1, rng=0)
    with pytest.raises(ValueError, match="expected"):
        SPACE.codes(other)
