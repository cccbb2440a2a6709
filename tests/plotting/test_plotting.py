"""Pictures: what is drawn where, and that no label hides another."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import Trial
from crlso.plotting import plot_cell, plot_trajectory
from crlso.spaces import DARTS, Cell, CellSpace, NASBench101
from crlso.studies.run import search
from crlso.studies.study import Study

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

SPACE = NASBench201().space
OPERATIONS = set(SPACE.operations)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


def labels_of(ax):
    return [text for text in ax.texts if text.get_text() in OPERATIONS]


def patches_of(ax, kind):
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def boxes_in_pixels(artists, figure):
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    return [artist.get_window_extent(renderer) for artist in artists]


@pytest.mark.parametrize("code", range(1, 5))
def test_no_label_or_node_covers_another(code):
    ax = plot_cell(Cell("nasbench201", (code,) * 6))
    figure = ax.figure
    boxes = boxes_in_pixels([*labels_of(ax), *patches_of(ax, FancyBboxPatch)], figure)
    assert len(boxes) == 6 + 4
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    whole = figure.bbox
    for box in boxes:
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1


def test_no_label_lies_on_the_arrow_of_another_edge():
    ax = plot_cell(Cell("nasbench201", (3,) * 6))
    labels, arrows = labels_of(ax), patches_of(ax, FancyArrowPatch)
    boxes = boxes_in_pixels(labels, ax.figure)
    assert len(labels) == len(arrows) == 6
    for artist in [*ax.texts, *ax.patches]:
        artist.set_visible(False)
    inked = np.zeros((6, 6), dtype=bool)  # arrow, label: whether the arrow has ink where the label stands
    for i, arrow in enumerate(arrows):
        arrow.set_visible(True)
        ax.figure.canvas.draw()
        arrow.set_visible(False)
        ink = (np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3] < 250).any(axis=2)
        assert ink.any()
        for j, box in enumerate(boxes):
            inked[i, j] = ink[int(box.y0) : int(box.y1) + 1, int(box.x0) : int(box.x1) + 1].any()
    # The arcs carry their labels on them; the labels of straight edges stand above theirs.
    spans = [target - source for source, target in SPACE.edges]
    assert (inked == np.diag([span > 1 for span in spans])).all()


@pytest.mark.parametrize("codes", [(3, 0, 1, 2, 4, 0), (0, 0, 0, 0, 0, 0), (1, 2, 3, 4, 1, 2), (0, 0, 0, 3, 0, 0)])
def test_edges_carry_their_operations_and_absent_ones_are_left_out(codes):
    cell = Cell("nasbench201", codes)
    ax = plot_cell(cell)
    expected = [name for name in cell.operations if name != "none"]
    assert [text.get_text() for text in labels_of(ax)] == expected
    assert len(patches_of(ax, FancyArrowPatch)) == len(expected)
    assert [text.get_text() for text in ax.texts if text not in labels_of(ax)] == ["input", "1", "2", "output"]
    linked = {node for edge, name in zip(cell.edges, cell.operations, strict=True) if name != "none" for node in edge}
    solid = [box.get_linestyle() in ("-", "solid") for box in patches_of(ax, FancyBboxPatch)]
    assert solid == [node in linked for node in range(4)]


def test_arrows_go_from_source_to_target():
    cell = Cell("nasbench201", (3,) * 6)
    ax = plot_cell(cell)
    centres = [box.get_x() + box.get_width() / 2 for box in patches_of(ax, FancyBboxPatch)]
    assert centres == sorted(centres)
    for arrow, (source, target) in zip(patches_of(ax, FancyArrowPatch), cell.edges, strict=True):
        (x0, _), (x1, _) = arrow._posA_posB
        assert np.argmin(np.abs(np.subtract(centres, x0))) == source
        assert np.argmin(np.abs(np.subtract(centres, x1))) == target


def test_one_operation_has_one_colour():
    ax = plot_cell(Cell("nasbench201", (1, 2, 3, 4, 1, 2)))
    colours = {}
    for text, arrow in zip(labels_of(ax), patches_of(ax, FancyArrowPatch), strict=True):
        colours.setdefault(text.get_text(), set()).add(text.get_color())
        assert arrow.get_edgecolor() == matplotlib.colors.to_rgba(text.get_color())
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 4


def test_given_axes_are_used_and_returned(tmp_path):
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot_cell(SPACE.cell(77), ax=left) is left
    assert SPACE.cell(78).plot(ax=right) is right
    assert pyplot.get_fignums() == [figure.number]
    figure.savefig(tmp_path / "cells.png")
    assert (tmp_path / "cells.png").stat().st_size > 1000


# -- trajectories -------------------------------------------------------------------------------------------------


def study_of(values, seed=0, **fields):
    trials = [
        Trial(i, i, value, "complete") if value is not None else Trial(i, i, state="failed")
        for i, value in enumerate(values)
    ]
    fields = {"benchmark": "nasbench201", "dataset": "cifar100", "method": "random", **fields}
    return Study(**fields, seed=seed, budget=len(values), trials=trials)


def points(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_one_study_is_a_step_line_to_the_last_query():
    ax = plot_trajectory(study_of([None, 60.0, 50.0, 70.0, 65.0]))
    (line,) = ax.lines
    assert points(line) == [(2, 60.0), (4, 70.0), (5, 70.0)]
    assert line.get_drawstyle() == "steps-post"
    assert "validation" in ax.get_ylabel()
    assert ax.get_xlabel() == "queries"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random"]
    assert points(plot_trajectory(study_of([60.0])).lines[0]) == [(1, 60.0)]


def test_studies_of_one_method_have_their_mean():
    rng = np.random.default_rng(0)
    values = rng.uniform(10, 70, size=(5, 30))
    ax = plot_trajectory([study_of(row.tolist(), seed=i) for i, row in enumerate(values)])
    assert len(ax.lines) == 6
    mean = ax.lines[-1]
    assert mean.get_xdata().tolist() == list(range(1, 31))
    np.testing.assert_allclose(mean.get_ydata(), np.maximum.accumulate(values, axis=1).mean(axis=0), rtol=1e-14)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random (mean of 5)"]


def test_a_mean_is_drawn_where_all_studies_have_a_value():
    ax = plot_trajectory([study_of([None, None, 5.0, 6.0]), study_of([1.0, 2.0, 3.0, 4.0, 9.0])])
    assert points(ax.lines[-1]) == [(3, 4.0), (4, 5.0)]


def test_methods_have_their_colours():
    ax = plot_trajectory([study_of([1.0, 2.0]), study_of([1.0], method="other"), study_of([3.0], seed=1)])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["random (mean of 2)", "other"]
    colours = [line.get_color() for line in ax.lines]
    assert colours[0] == colours[1] == colours[2] != colours[3]


def test_regret():
    benchmark = NASBench201("cifar100")
    best = benchmark.evaluate(benchmark.optimum())
    study = study_of([60.0, best, 65.0])
    assert points(plot_trajectory(study, regret=True).lines[0]) == [(1, best - 60.0), (2, 0.0), (3, 0.0)]
    ax = plot_trajectory(study, regret=80)
    assert points(ax.lines[0]) == [(1, 20.0), (2, 80.0 - best), (3, 80.0 - best)]
    assert "regret" in ax.get_ylabel()
    assert ax.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ("studies", "regret", "message"),
    [
        ([], False, "studies: expected at least one, got none"),
        (study_of([None]), False, "studies: expected complete trials in each, got none in Study"),
        ([study_of([1.0]), study_of([1.0], dataset="cifar10")], False, "expected one benchmark and dataset"),
        (study_of([1.0], benchmark="mine"), True, "expected the optimum as a number for benchmark 'mine', got True"),
        (study_of([1.0]), float("nan"), "regret: expected a bool or a finite optimum, got nan"),
    ],
)
def test_what_cannot_be_drawn(studies, regret, message):
    with pytest.raises(ValueError, match=message):
        plot_trajectory(studies, regret=regret)
    assert pyplot.get_fignums() == []


def test_a_real_search_is_drawn_on_given_axes():
    study = search(NASBench201("cifar100"), method="random", budget=20)
    _, ax = pyplot.subplots()
    assert study.plot_trajectory(ax=ax, regret=True) is ax
    assert len(ax.lines[0].get_xdata()) >= len(study.trajectory)


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from crlso.plotting import plot_cell, plot_comparison, plot_trajectory\n"
        "for plot in (plot_cell, plot_comparison, plot_trajectory):\n"
        "    try: plot(None)\n"
        "    except ImportError as error: print(error)\n"
    )
    package = str(Path(crlso.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [
        "plot_cell needs matplotlib: pip install 'crlso[plot]'",
        "plot_comparison needs matplotlib: pip install 'crlso[plot]'",
        "plot_trajectory needs matplotlib: pip install 'crlso[plot]'",
    ]


def test_importing_does_not_import_matplotlib():
    code = "import sys, crlso.plotting; print('matplotlib' in sys.modules)"
    package = str(Path(crlso.__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


# -- cells of other spaces ------------------------------------------------------------------------------------------

LARGE = NASBench101().all_codes()
OTHERS = [
    NASBench101().cells(LARGE[(LARGE[:, 5:].sum(axis=1) == 9) & ((LARGE[:, :5] > 0).sum(axis=1) == 5)][5000:5001])[0],
    NASBench101().cell("output(0)"),
    DARTS().cells(DARTS().sample(1, rng=1))[0],
    CellSpace(6, ["conv_3x3", "pool"], edges="free", input_nodes=2).cell("||+||+|conv_3x3~0|pool~1|+|pool~4|"),
    CellSpace(3, ["depthwise_separable_conv_7x7", "id"]).cell("|depthwise_separable_conv_7x7~0|+|id~0|id~1|"),
    CellSpace(12, ["depthwise_separable_conv", "SeparableConvolution3x3", "id"], operations_on="nodes").cell(
        [0, 1, 0, 0, 1, 1, 2, 2, 0, 1]
    ),
]


@pytest.mark.parametrize("cell", OTHERS, ids=lambda cell: str(cell)[:30])
def test_cells_of_other_spaces_are_drawn_whole(cell):
    ax = cell.plot()
    figure = ax.figure
    boxes = patches_of(ax, FancyBboxPatch)
    nodes = [label for graph in cell.graphs for label in graph.labels if label != "absent"]
    edges = [edge for graph in cell.graphs for edge in graph.edges]
    assert len(boxes) == len(nodes) and len(patches_of(ax, FancyArrowPatch)) == len(edges)
    texts = [text.get_text() for text in ax.texts]
    assert sum(text in {name for _, _, name, _ in edges if name} for text in texts) == sum(bool(e[2]) for e in edges)
    drawn = Counter(text.replace("\n", "") for text in texts)
    for label, number in Counter(nodes).items():
        assert label in ("in", "out") or drawn[label] == number
    assert {graph.title for graph in cell.graphs} - {""} <= set(texts)
    pixels = boxes_in_pixels([*boxes, *ax.texts], figure)
    for box in pixels:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    for first, second in itertools.combinations(pixels[: len(boxes)], 2):
        assert not first.overlaps(second)
    straight = [text for text, box in zip(ax.texts, pixels[len(boxes) :]) if text.get_va() == "bottom"]
    for label, box in itertools.product(boxes_in_pixels(straight, figure), pixels[: len(boxes)]):
        assert not label.overlaps(box)
    for box, name in zip(pixels, nodes, strict=False):  # names stand inside their boxes
        inside = [
            t for t in pixels[len(boxes) :] if box.x0 <= t.x0 and t.x1 <= box.x1 and box.y0 <= t.y0 and t.y1 <= box.y1
        ]
        assert inside, name


@pytest.mark.parametrize("cell", OTHERS, ids=lambda cell: str(cell)[:30])
def test_text_pictures_of_other_spaces(cell):
    svg, dot = ElementTree.fromstring(cell._repr_html_()), cell.to_dot()
    edges = [edge for graph in cell.graphs for edge in graph.edges]
    nodes = [label for graph in cell.graphs for label in graph.labels if label != "absent"]
    tags = Counter(element.tag.rpartition("}")[2] for element in svg.iter())
    assert tags["path"] == 2 * len(edges) and tags["circle"] + tags["rect"] == len(nodes)
    assert dot.count("->") == len(edges)
    for _, _, name, _ in edges:
        assert not name or f'label="{name}"' in dot


def test_nodes_have_the_colours_of_their_operations():
    cell = OTHERS[0]
    svg = ElementTree.fromstring(cell._repr_html_())
    for colours in (
        [matplotlib.colors.to_hex(box.get_edgecolor()) for box in patches_of(cell.plot(), FancyBboxPatch)],
        [element.get("stroke") for element in svg.iter("{http://www.w3.org/2000/svg}rect")],
    ):
        assert len(colours) == 7
        (labels,) = (graph.labels for graph in cell.graphs)
        found = dict(zip(labels, colours, strict=True))
        assert [found[label] for label in labels] == colours
        operations = set(labels) - {"in", "out"}
        assert len(operations) == 2
        assert len({found[label] for label in operations} | {found["in"]}) == 3
        assert found["in"] == found["out"]


def test_operations_of_darts_are_told_apart():
    space = DARTS()
    plotted, written = {}, {}
    for cell in space.cells(space.sample(12, rng=3)):
        plotted.update({text.get_text(): text.get_color() for text in cell.plot().texts})
        pyplot.close("all")
        svg = ElementTree.fromstring(cell._repr_html_())
        written.update({text.text: text.get("fill") for text in svg.iter("{http://www.w3.org/2000/svg}text")})
    for found in (plotted, written):
        assert len({found[name] for name in space.operations}) == 7


def test_colours_of_nasbench201_are_what_they_were():
    cell = Cell("nasbench201", (1, 2, 3, 4, 1, 0))
    assert [text.get_color() for text in labels_of(cell.plot())] == "#5f5f5f #0072b2 #d55e00 #00805b #5f5f5f".split()
    strokes = re.findall(r'stroke="(#[0-9a-f]{6})" stroke-width', cell._repr_html_())
    assert strokes == "#999999 #0072b2 #d55e00 #009e73 #999999".split()


def test_absent_nodes_leave_no_gap():
    cell = NASBench101().cell("output(0)")
    ax = cell.plot()
    (arrow,) = patches_of(ax, FancyArrowPatch)
    (x0, y0), (x1, y1) = arrow._posA_posB
    assert y0 == y1 and x0 < x1 < 3
    assert ElementTree.fromstring(cell._repr_html_()).get("width") == "240"
    assert cell.to_dot().splitlines()[3:] == ['  0 [label="in"]; 1 [label="out"];', "  0 -> 1;", "}"]


def test_a_row_that_is_no_cell_is_drawn_with_its_absent_node():
    codes = [0] * 26
    codes[5] = 1  # from the input to the first intermediate node, which is absent
    cell = Cell("nasbench101", codes)
    assert [text.get_text() for text in cell.plot().texts] == ["input", "absent", "output"]
    assert ">absent<" in cell._repr_html_()
    assert "0 -> 1" in cell.to_dot()


def test_nodes_without_edges_are_dotted():
    svg = ElementTree.fromstring(OTHERS[3]._repr_html_())
    circles = [e.get("stroke-dasharray") is not None for e in svg.iter("{http://www.w3.org/2000/svg}circle")]
    boxes = [box.get_linestyle() in (":", "dotted") for box in patches_of(OTHERS[3].plot(), FancyBboxPatch)]
    linked = {node for graph in OTHERS[3].graphs for source, target, _, _ in graph.edges for node in (source, target)}
    assert linked and linked != set(range(6))
    assert circles == boxes == [node not in linked for node in range(6)]


def test_svg_boxes_do_not_overlap_and_arcs_end_at_them():
    for cell in (OTHERS[0], OTHERS[-1]):
        svg = ElementTree.fromstring(cell._repr_html_())
        spans = [
            tuple(float(e.get(key)) for key in ("x", "y", "width", "height"))
            for e in svg.iter("{http://www.w3.org/2000/svg}rect")
        ]
        for (x0, _, width, _), (x1, *_) in itertools.pairwise(spans):
            assert x0 + width < x1
        assert spans[0][0] >= 0 and spans[-1][0] + spans[-1][2] <= float(svg.get("width"))
        lines = [e.get("d") for e in svg.iter("{http://www.w3.org/2000/svg}path") if e.get("stroke")]
        for line, (source, target, _, _) in zip(lines, cell.graphs[0].edges, strict=True):
            numbers = [float(number) for number in re.findall(r"-?[0-9.]+", line)]
            for (x, y), node in ((numbers[:2], source), (numbers[-2:], target)):
                left, top, width, height = spans[node]
                assert left <= x <= left + width
                assert top <= y <= top + height
            assert 0 < (numbers[1] + 3 * numbers[3]) / 4 < float(svg.get("height"))


def test_graphs_are_clusters_in_dot():
    cell = OTHERS[2]
    dot = cell.to_dot()
    parts = dot.split("subgraph cluster_")
    assert [re.search('label="([a-z]+)"', part).group(1) for part in parts[1:]] == ["normal", "reduce"]
    for first, part, graph in zip((0, 6), parts[1:], cell.graphs, strict=True):
        nodes = re.findall(r'(\d+) \[label="([^"]+)"\];', part.split("->")[0])
        assert [(int(node), label) for node, label in nodes[:6]] == list(enumerate(graph.labels, start=first))
        edges = re.findall(r'(\d+) -> (\d+) \[label="(\w+)"\]', part)
        assert edges == [(str(first + a), str(first + b), name) for a, b, name, _ in graph.edges]
    assert dot.count("{") == dot.count("}") == 3


def test_the_axis_says_what_values_are():
    studies = {
        "test (oracle)": ("best test (oracle) accuracy (%)", "regret (percentage points)"),
        "value": ("best value", "regret (value)"),
        "frames per second": ("best frames per second", "regret (frames per second)"),
        None: ("best validation accuracy (%)", "regret (percentage points)"),
    }
    for objective, labels in studies.items():
        trials = [Trial(0, "cell", 90.0, "complete")]
        study = Study("mine", None, "random", 0, 1, trials, objective=objective)
        assert plot_trajectory(study).get_ylabel() == labels[0]
        assert plot_trajectory(study, regret=95.0).get_ylabel() == labels[1]


def test_studies_of_different_objectives_are_not_drawn_together():
    with pytest.raises(ValueError, match=r"expected values of one objective, got \['test \(oracle\)', 'validation'\]"):
        plot_trajectory([study_of([1.0], objective=what) for what in ("validation", "test (oracle)")])


def test_a_search_by_an_oracle_is_drawn():
    study = search(crlso.benchmarks.NASBench101(), method="random", budget=5)
    assert study.plot_trajectory().get_ylabel() == "best test (oracle) accuracy (%)"
