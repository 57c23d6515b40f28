"""Boxes in parallel are a grid with one arrow to it and one from it."""

from __future__ import annotations

import pytest

from holdwater.drawing.graph_layout import MIN_GRID_BOXES, layout_graph
from holdwater.drawing.graph_state import BoxState, GraphState
from holdwater.drawing.graph_svg import arrow_states, render_graph
from holdwater.drawing.picture import Arrow, Box
from tests.drawing.pictures import parallel_picture


@pytest.mark.parametrize("count", [MIN_GRID_BOXES, 100, 999])
def test_parallel_boxes_are_a_grid(count: int) -> None:
    picture = parallel_picture(count)
    layout = layout_graph(picture)
    (grid,) = layout.grids
    assert grid.count == count
    assert 0.4 < grid.width / grid.height < 2.5
    places = {(box.x, box.y) for box in layout.placed_boxes.values()}
    assert len(places) == count + 2
    for key, box in layout.placed_boxes.items():
        is_inside = grid.x < box.x and box.x + box.width < grid.x + grid.width
        is_inside &= grid.y < box.y and box.y + box.height < grid.y + grid.height
        assert is_inside == key.startswith("part")
    assert list(layout.routes) == [0, 1]
    assert layout.drawn_as == [0, 1] * count
    assert f"{count:,} in parallel" in render_graph(picture, layout)


def test_a_few_parallel_boxes_have_arrows_of_their_own() -> None:
    layout = layout_graph(parallel_picture(MIN_GRID_BOXES - 1))
    assert not layout.grids
    assert len(layout.routes) == 2 * (MIN_GRID_BOXES - 1)


def test_boxes_with_other_arrows_are_not_in_the_grid() -> None:
    picture = parallel_picture(20)
    picture.boxes["aside"] = Box("aside", "function")
    picture.arrows += [Arrow("part 3", "aside", "data"), Arrow("split", "part 4", "control", "late")]
    (grid,) = layout_graph(picture).grids
    assert grid.count == 18


def test_names_like_those_of_grids_are_names() -> None:
    picture = parallel_picture(20)
    picture.boxes["\0grid 0"] = Box("\0grid 0", "function")
    layout = layout_graph(picture)
    assert not layout.grids
    assert len(layout.placed_boxes) == 23


def test_an_arrow_for_several_is_faded_only_if_all_of_them_are() -> None:
    picture = parallel_picture(12)
    layout = layout_graph(picture)
    skipped = {f"part {i}": BoxState("skipped") for i in range(12)}
    assert arrow_states(picture, layout, GraphState(skipped)) == {0: "faded", 1: "faded"}
    assert arrow_states(picture, layout, GraphState({**skipped, "part 5": BoxState("running")})) == {}
