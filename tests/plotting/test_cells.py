"""Pictures of cells in matplotlib: the geometry of the drawing is what is drawn, and no label hides another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crlso.plotting import plot_cell
from crlso.spaces import DARTS, Cell, CellSpace, NASBench101, NASBench201
from crlso.spaces.drawing import HALF_HEIGHT, draw
from crlso.spaces.layout import layout_of

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

SPACE = NASBench201()
LARGE = NASBench101().all_codes()
CELLS = [
    Cell("nasbench201", (3, 0, 1, 2, 4, 0)),
    Cell("nasbench201", (0, 0, 0, 0, 0, 0)),
    NASBench101().cells(LARGE[(LARGE[:, 5:].sum(axis=1) == 9) & ((LARGE[:, :5] > 0).sum(axis=1) == 5)][5000:5001])[0],
    NASBench101().cell("output(0)"),
    DARTS().cells(DARTS().sample(1, rng=1))[0],
    CellSpace(6, ["conv_3x3", "pool"], edges="free", input_nodes=2).cell("||+||+|conv_3x3~0|pool~1|+|pool~4|"),
    CellSpace(3, ["depthwise_separable_conv_7x7", "id"]).cell("|depthwise_separable_conv_7x7~0|+|id~0|id~1|"),
    CellSpace(12, ["depthwise_separable_conv", "SeparableConvolution3x3", "id"], operations_on="nodes").cell(
        [0, 1, 0, 0, 1, 1, 2, 2, 0, 1]
    ),
]
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: str(cell)[:30])


def patches_of(ax, kind):
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def in_pixels(artists, figure):
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    return [artist.get_window_extent(renderer) for artist in artists]


@each_cell
def test_the_picture_is_that_of_the_drawing(cell):
    ax, picture = plot_cell(cell), draw(layout_of(cell.space), cell.codes)
    assert (*ax.get_xlim(), *ax.get_ylim()) == (0, picture.width, picture.height, 0)
    texts = {(text.get_text(), *text.get_position(), text.get_color()) for text in ax.texts}
    boxes, arrows = patches_of(ax, FancyBboxPatch), patches_of(ax, FancyArrowPatch)
    for patch, box in zip(boxes, picture.boxes, strict=True):
        outline = patch.get_path().get_extents()
        np.testing.assert_allclose(outline.p0, [box.x - box.half_width, box.y - HALF_HEIGHT])
        np.testing.assert_allclose(outline.p1, [box.x + box.half_width, box.y + HALF_HEIGHT])
        assert (patch.get_linestyle() in ("-", "solid")) == box.is_linked
        assert matplotlib.colors.to_hex(patch.get_edgecolor()) == box.border
        assert ("\n".join(box.lines), box.x, box.y) in {text[:3] for text in texts}
    for patch, arrow in zip(arrows, picture.arrows, strict=True):
        assert matplotlib.colors.to_hex(patch.get_edgecolor()) == arrow.colour
        assert not arrow.label or (arrow.label, *arrow.label_at, arrow.colour) in texts
    assert len(ax.texts) == len(boxes) + sum(bool(arrow.label) for arrow in picture.arrows) + len(picture.titles)


def test_arrows_end_where_the_drawing_says():
    """The ink of an arrow begins at the first point of its curve, and its head ends at the last."""
    cell = Cell("nasbench201", (3, 0, 0, 0, 0, 0))
    ax, (arrow,) = plot_cell(cell), draw(SPACE.layout, cell.codes).arrows
    for artist in [*ax.texts, *patches_of(ax, FancyBboxPatch)]:
        artist.set_visible(False)
    ax.figure.canvas.draw()
    ink = (np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3] < 250).any(axis=2)
    rows, columns = np.nonzero(ink)
    ends = ax.transData.transform([arrow.curve[0], arrow.curve[3]])
    assert columns.min() == pytest.approx(ends[0, 0], abs=2) and columns.max() == pytest.approx(ends[1, 0], abs=2)
    assert np.median(rows) == pytest.approx(ends[0, 1], abs=2)


@each_cell
def test_text_stands_inside_its_box_and_the_picture(cell):
    ax = cell.plot()
    boxes = patches_of(ax, FancyBboxPatch)
    pixels = in_pixels([*boxes, *ax.texts], ax.figure)
    outlines, names = pixels[: len(boxes)], pixels[len(boxes) : 2 * len(boxes)]
    for box in pixels:
        assert ax.figure.bbox.x0 <= box.x0 < box.x1 <= ax.figure.bbox.x1
        assert ax.figure.bbox.y0 <= box.y0 < box.y1 <= ax.figure.bbox.y1
    for box, name in zip(outlines, names, strict=True):
        assert box.x0 <= name.x0 and name.x1 <= box.x1 and box.y0 <= name.y0 and name.y1 <= box.y1
    for first, second in itertools.combinations(outlines, 2):
        assert not first.overlaps(second)
    for label, box in itertools.product(pixels[2 * len(boxes) :], outlines):
        assert not label.overlaps(box)


@pytest.mark.parametrize("code", range(1, 5))
def test_no_label_covers_another(code):
    ax = plot_cell(Cell("nasbench201", (code,) * 6))
    boxes = in_pixels([text for text in ax.texts if text.get_text() in SPACE.operations], ax.figure)
    assert len(boxes) == 6
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)


def test_no_label_lies_on_the_arrow_of_another_edge():
    ax = plot_cell(Cell("nasbench201", (3,) * 6))
    labels = [text for text in ax.texts if text.get_text() in SPACE.operations]
    arrows = patches_of(ax, FancyArrowPatch)
    boxes = in_pixels(labels, ax.figure)
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


def test_given_axes_are_used_and_returned(tmp_path):
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot_cell(SPACE.cell(77), ax=left) is left
    assert SPACE.cell(78).plot(ax=right) is right
    assert pyplot.get_fignums() == [figure.number]
    figure.savefig(tmp_path / "cells.png")
    assert (tmp_path / "cells.png").stat().st_size > 1000


@each_cell
@pytest.mark.parametrize("size", [(3.3, 2.0), (7.0, 3.0), (3.3, 4.0)])
@pytest.mark.parametrize("layout", ["constrained", None])
def test_text_shrinks_with_the_axes(cell, size, layout):
    figure, ax = pyplot.subplots(figsize=size, layout=layout, dpi=800)  # letters have whole pixels
    plot_cell(cell, ax=ax)
    boxes = patches_of(ax, FancyBboxPatch)
    pixels = in_pixels([*boxes, *ax.texts], figure)
    outlines, names, labels = pixels[: len(boxes)], pixels[len(boxes) : 2 * len(boxes)], pixels[2 * len(boxes) :]
    for box, name in zip(outlines, names, strict=True):
        assert box.x0 <= name.x0 and name.x1 <= box.x1
    for label, box in itertools.product(labels, outlines):
        assert not label.padded(-1).overlaps(box)
    pyplot.close(figure)
