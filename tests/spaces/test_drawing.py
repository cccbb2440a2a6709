"""Pictures of cells: the graphs of a cell, their geometry and colours, and the SVG and DOT that are written of them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest

from crlso._base.colours import DEAD, IDENTITY, INK, PALETTE, dark_colours, tint
from crlso.spaces import DARTS, Cell, CellSpace, NASBench101, NASBench201
from crlso.spaces.colours import operation_colours
from crlso.spaces.drawing import HALF_HEIGHT, LETTER, draw
from crlso.spaces.layout import layout_of

SVG = "{http://www.w3.org/2000/svg}"
LARGE = NASBench101().all_codes()
FIVE = NASBench101().cells(LARGE[(LARGE[:, 5:].sum(axis=1) == 9) & ((LARGE[:, :5] > 0).sum(axis=1) == 5)][5000:5001])[0]
PAIR = DARTS().cells(DARTS().sample(1, rng=1))[0]
LOOSE = CellSpace(6, ["conv_3x3", "pool"], edges="free", input_nodes=2).cell("||+||+|conv_3x3~0|pool~1|+|pool~4|")
LONG = CellSpace(12, ["depthwise_separable_conv", "SeparableConvolution3x3", "id"], operations_on="nodes").cell(
    [0, 1, 0, 0, 1, 1, 2, 2, 0, 1]
)
CELLS = [
    *(NASBench201().cell(index) for index in (0, 1, 857, 10676)),
    FIVE,
    NASBench101().cell("output(0)"),
    PAIR,
    LOOSE,
    CellSpace(3, ["depthwise_separable_conv_7x7", "id"]).cell("|depthwise_separable_conv_7x7~0|+|id~0|id~1|"),
    LONG,
]
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: str(cell)[:30])


def picture_of(cell):
    return draw(layout_of(cell.space), cell.codes)


def edges_of(cell):
    """Edges that something passes, over all graphs: (graph, source, target, operation)."""
    return [
        (i, source, target, name)
        for i, graph in enumerate(cell.graphs)
        for source, target, name, _ in graph.edges
        if name != "none"
    ]


def nodes_of(cell):
    return [label for graph in cell.graphs for label in graph.labels if label != "absent"]


def svg_of(cell):
    return ElementTree.fromstring(cell.to_svg())


# -- geometry ---------------------------------------------------------------------------------------------------------


@each_cell
def test_boxes_and_arrows_are_nodes_and_edges(cell):
    picture = picture_of(cell)
    assert ["".join(box.lines) for box in picture.boxes] == nodes_of(cell)
    assert [arrow.label for arrow in picture.arrows] == [name for *_, name in edges_of(cell)]
    assert [title for *_, title in picture.titles] == [graph.title for graph in cell.graphs if graph.title]
    linked = {(i, node) for i, *ends, _ in edges_of(cell) for node in ends}
    kept = [(i, n) for i, graph in enumerate(cell.graphs) for n, name in enumerate(graph.labels) if name != "absent"]
    assert [box.is_linked for box in picture.boxes] == [node in linked for node in kept]


@each_cell
def test_arrows_go_from_box_to_box(cell):
    picture = picture_of(cell)
    kept = [(i, n) for i, graph in enumerate(cell.graphs) for n, name in enumerate(graph.labels) if name != "absent"]
    boxes = dict(zip(kept, picture.boxes, strict=True))
    for arrow, (i, source, target, _) in zip(picture.arrows, edges_of(cell), strict=True):
        for (x, y), box, side in ((arrow.curve[0], boxes[i, source], 1), (arrow.curve[3], boxes[i, target], -1)):
            assert abs(x - box.x) <= box.half_width and side * (x - box.x) > 0
            on_the_side = abs(x - box.x) == pytest.approx(box.half_width) and y == box.y
            assert on_the_side or abs(y - box.y) == pytest.approx(HALF_HEIGHT)
        (_, y0), (_, y1), (_, y2), (_, y3) = arrow.curve
        middle = (y0 + 3 * y1 + 3 * y2 + y3) / 8
        assert 0 < middle < picture.height
        if boxes[i, source].y != pytest.approx(middle):  # an arc carries its label
            assert arrow.label_at[1] == pytest.approx(middle)


@each_cell
def test_no_box_covers_another_and_labels_have_room(cell):
    picture = picture_of(cell)
    for first, second in itertools.combinations(picture.boxes, 2):
        apart = abs(first.x - second.x) >= first.half_width + second.half_width
        assert apart or abs(first.y - second.y) >= 2 * HALF_HEIGHT
    for box in picture.boxes:
        assert LETTER * max(map(len, box.lines)) < 2 * box.half_width
        assert box.x - box.half_width > 0 and box.x + box.half_width < picture.width
        assert box.y - HALF_HEIGHT > 0 and box.y + HALF_HEIGHT < picture.height
    for arrow in picture.arrows:
        (left, _), *_, (right, _) = arrow.curve
        assert LETTER * len(arrow.label) < right - left
    for (x, y), (other_x, other_y) in itertools.combinations([a.label_at for a in picture.arrows if a.label], 2):
        assert abs(x - other_x) > 50 or abs(y - other_y) > 12


def test_absent_nodes_leave_no_gap():
    picture = picture_of(NASBench101().cell("output(0)"))
    first, second = picture.boxes
    assert second.x - first.x < 150 and first.y == second.y and picture.width < 200


def test_a_row_that_is_no_cell_is_drawn_with_its_absent_node():
    codes = [0] * 26
    codes[5] = 1  # from the input to the first intermediate node, which is absent
    cell = Cell("nasbench101", codes)
    assert [box.lines for box in picture_of(cell).boxes] == [("in",), ("absent",), ("out",)]
    assert ">absent<" in cell._repr_html_()
    assert "0 -> 1" in cell.to_dot()


# -- colours ----------------------------------------------------------------------------------------------------------


def test_colours_are_those_of_operations():
    names = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    colours = dict(zip(names, operation_colours(NASBench201().layout), strict=True))
    assert colours["none"] == DEAD and colours["skip_connect"] == IDENTITY
    assert [colours[name] for name in names[2:]] == list(PALETTE[:3])
    for cell in NASBench201().cells(NASBench201().all_codes()[::999]):
        for arrow in picture_of(cell).arrows:
            assert arrow.colour == colours[arrow.label]


def test_no_colour_is_used_twice_before_it_must():
    roles = {"zero": ["zero"], "identity": ["skip"]}
    for names, more in ((DARTS().operations, {}), (tuple("abcdefgh"), {}), (("skip", *"abcdefgh", "zero"), roles)):
        colours = operation_colours(CellSpace(3, names, **more).layout)
        assert len(set(colours)) == len(names)
    many = operation_colours(CellSpace(3, [f"o{i}" for i in range(2 * len(PALETTE) + 1)]).layout)
    assert set(Counter(many).values()) == {2, 3}


@pytest.mark.parametrize(
    ("names", "colour"),
    [
        (("skip_connect", "skip", "id", "identity"), IDENTITY),
        (("max_pool_3x3", "maxpool3x3"), PALETTE[3]),
        (("avg_pool_3x3", "avgpool"), PALETTE[2]),
        (("conv1x1-bn-relu", "nor_conv_1x1", "conv_1x1"), PALETTE[0]),
        (("conv3x3-bn-relu", "nor_conv_3x3", "conv_3x3"), PALETTE[1]),
        (("sep_conv_3x3", "depthwise_separable_conv"), PALETTE[4]),
    ],
)
def test_an_operation_has_one_colour_in_all_spaces(names, colour):
    """Wherever it stands in the space, and whether or not the space says that it passes on what it gets."""
    for name in names:
        for operations in ((name, "a", "b"), ("a", "b", name)):
            found = operation_colours(CellSpace(3, operations).layout)
            assert found[operations.index(name)] == colour and found.count(colour) == 1
    for space in (NASBench101(), NASBench201(), DARTS()):
        for name, found in zip(space.operations, operation_colours(space.layout), strict=True):
            assert name not in names or found == colour


def test_operations_of_one_kind_in_one_space_differ():
    assert len(set(operation_colours(CellSpace(3, ["conv_3x3", "nor_conv_3x3", "my_conv_3x3"]).layout))) == 3


def contrast(first, second):
    """The ratio of WCAG 2.1, 1.4.3."""
    values = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in (first, second)]
    linear = [[v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour] for colour in values]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [*PALETTE, IDENTITY, INK])
def test_text_can_be_read_on_both_grounds(colour):
    dark = dark_colours()
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(colour, "#ffffff") >= 4.5 and contrast(dark[colour], dark["#ffffff"]) >= 4.5
    if colour != INK:  # the names of operations on nodes stand on the tint of their colour
        assert contrast(INK, tint(colour)) >= 4.5 and contrast(dark[INK], dark[tint(colour)]) >= 4.5


@each_cell
def test_a_dark_page_has_another_colour_for_each_in_a_drawing(cell):
    drawn = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', cell.to_svg()))
    html = cell._repr_html_()
    for colour in drawn:
        name, dark = f"--c{colour[1:]}", dark_colours()[colour]
        assert f"[fill='{colour}']{{fill:var({name},{colour})}}" in html and f"{name}:{dark}" in html
        assert f"[stroke='{colour}']{{stroke:var({name},{colour})}}" in html


def test_wide_cells_scroll_and_keep_their_size():
    html = PAIR._repr_html_()
    assert html.index("overflow-x:auto") < html.index('<div class="wide" tabindex="0"><svg')
    assert "max-width" not in PAIR.to_svg() and float(svg_of(PAIR).get("width")) > 700


def test_greys_are_told_from_the_palette():
    def spread(colour):
        channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        return max(channels) - min(channels)

    assert spread(DEAD) == spread(IDENTITY) == 0 and min(map(spread, PALETTE)) > 60
    assert len({*PALETTE, DEAD, IDENTITY}) == len(PALETTE) + 2


def test_nodes_have_the_colours_of_their_operations():
    boxes = picture_of(FIVE).boxes
    colours = dict(zip(NASBench101().operations, operation_colours(NASBench101().layout), strict=True))
    assert [box.border for box in boxes[1:-1]] == [colours["".join(box.lines)] for box in boxes[1:-1]]
    assert len({box.border for box in boxes[1:-1]}) == 2
    assert boxes[0].border == boxes[-1].border not in colours.values()


def test_all_renderers_use_the_same_colours():
    cell = Cell("nasbench201", (1, 2, 3, 4, 1, 0))
    expected = [arrow.colour for arrow in picture_of(cell).arrows]
    assert re.findall(r'stroke="(#[0-9a-f]{6})" stroke-width', cell.to_svg()) == expected
    assert re.findall(r' color="(#[0-9a-f]{6})"', cell.to_dot()) == expected
    borders = [box.border for box in picture_of(FIVE).boxes]
    assert re.findall(r'stroke="(#[0-9a-f]{6})"/', FIVE.to_svg()) == borders
    assert re.findall(r' color="(#[0-9a-f]{6})"', FIVE.to_dot()) == borders[1:-1]


# -- SVG --------------------------------------------------------------------------------------------------------------


@each_cell
def test_svg_is_well_formed_and_has_the_geometry(cell):
    svg, picture = svg_of(cell), picture_of(cell)
    assert svg.find(f"{SVG}title").text == str(cell)
    assert (float(svg.get("width")), float(svg.get("height"))) == (picture.width, picture.height)
    boxes = [
        [float(e.get(key)) for key in ("x", "y", "width", "height")] for e in svg.iter(f"{SVG}rect") if e.get("stroke")
    ]
    expected = [
        [box.x - box.half_width, box.y - HALF_HEIGHT, 2 * box.half_width, 2 * HALF_HEIGHT] for box in picture.boxes
    ]
    np.testing.assert_allclose(boxes, expected, rtol=1e-5)
    lines = [re.findall(r"-?[0-9.]+", e.get("d")) for e in svg.iter(f"{SVG}path") if e.get("stroke")]
    heads = [re.findall(r"-?[0-9.]+", e.get("d")) for e in svg.iter(f"{SVG}path") if not e.get("stroke")]
    for line, head, arrow in zip(lines, heads, picture.arrows, strict=True):
        np.testing.assert_allclose(np.array(line[:6], float), np.ravel(arrow.curve[:3]), atol=0.06)
        np.testing.assert_allclose(np.array(head[:2], float), arrow.curve[3], atol=0.06)
    texts = Counter("".join(text.itertext()) for text in svg.iter(f"{SVG}text"))
    assert texts == Counter([*nodes_of(cell), *filter(None, (name for *_, name in edges_of(cell)))]) + Counter(
        graph.title for graph in cell.graphs if graph.title
    )


def test_nodes_without_edges_are_dotted():
    dotted = [e.get("stroke-dasharray") is not None for e in svg_of(LOOSE).iter(f"{SVG}rect") if e.get("stroke")]
    assert dotted == [not box.is_linked for box in picture_of(LOOSE).boxes] == [False, False, True, True, False, False]


def test_the_head_of_an_arrow_is_a_triangle_along_its_end():
    for cell in (FIVE, NASBench201().cell(10676)):
        heads = [e.get("d") for e in svg_of(cell).iter(f"{SVG}path") if not e.get("stroke")]
        for head, arrow in zip(heads, picture_of(cell).arrows, strict=True):
            tip, left, right = np.array(re.findall(r"-?[0-9.]+", head), float).reshape(3, 2)
            along = np.subtract(arrow.curve[3], arrow.curve[2])
            np.testing.assert_allclose(tip - (left + right) / 2, 9 * along / np.linalg.norm(along), atol=0.15)
            assert np.linalg.norm(left - right) == pytest.approx(8, abs=0.2)


# -- DOT --------------------------------------------------------------------------------------------------------------


@each_cell
def test_dot_has_the_edges_of_the_cell(cell):
    dot = cell.to_dot()
    assert dot.count("->") == len(edges_of(cell))
    assert dot.count("{") == dot.count("}")
    for *_, name in edges_of(cell):
        assert not name or f'label="{name}"' in dot


def test_dot_by_hand():
    edges = re.findall(r'(\d) -> (\d) \[label="(\w+)"', Cell("nasbench201", (3, 0, 0, 0, 1, 0)).to_dot())
    assert edges == [("0", "1", "nor_conv_3x3"), ("1", "3", "skip_connect")]
    bare = NASBench101().cell("output(0)").to_dot()
    assert bare.splitlines()[3:] == ['  0 [label="in"]; 1 [label="out"];', "  0 -> 1;", "}"]


def test_graphs_are_clusters_in_dot():
    parts = PAIR.to_dot().split("subgraph cluster_")
    assert [re.search('label="([a-z]+)"', part).group(1) for part in parts[1:]] == ["normal", "reduce"]
    for first, part, graph in zip((0, 6), parts[1:], PAIR.graphs, strict=True):
        nodes = re.findall(r'(\d+) \[label="([^"]+)"\];', part.split("->")[0])
        assert [(int(node), label) for node, label in nodes[:6]] == list(enumerate(graph.labels, start=first))
        edges = re.findall(r'(\d+) -> (\d+) \[label="(\w+)"', part)
        assert edges == [(str(first + a), str(first + b), name) for a, b, name, _ in graph.edges]
