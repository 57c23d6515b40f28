"""Drawings of graphs with states: what is in them, and what is not."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, get_args
from xml.etree import ElementTree

import pytest

from holdwater.drawing.graph_layout import layout_graph
from holdwater.drawing.graph_state import BoxState, GraphState
from holdwater.drawing.graph_svg import GraphOptions, render_graph
from holdwater.drawing.layout import PlacedBox
from holdwater.drawing.marks import MARKS, MarkName
from holdwater.drawing.picture import Arrow, Box, Picture
from tests.drawing.pictures import looping_picture, random_picture

SVG = "{http://www.w3.org/2000/svg}"


def draw(picture: Picture, state: GraphState | None = None, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(render_graph(picture, layout_graph(picture), state, GraphOptions(**options)))


def nodes(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {one.attrib["data-node"]: one for one in root.iter() if "data-node" in one.attrib}


def edges(picture: Picture, root: ElementTree.Element) -> dict[tuple[str, str], set[str]]:
    """(source, target) -> classes of the arrow that is drawn for it."""
    classes = {
        one.attrib["data-edge"]: set(one.attrib["class"].split()) for one in root.iter() if "data-edge" in one.attrib
    }
    keys = list(picture.boxes)
    table = [row.split(",") for row in root.attrib["data-arrows"].split()]
    return {(keys[int(source)], keys[int(target)]): classes[edge] for source, target, edge in table}


def texts(element: ElementTree.Element, css_class: str) -> list[str]:
    return [one.text or "" for one in element.iter(f"{SVG}text") if one.attrib.get("class") == css_class]


def overlap(one: PlacedBox, other: PlacedBox) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("seed", range(6))
def test_boxes_do_not_overlap_and_arrows_go_around_them(seed: int) -> None:
    layout = layout_graph(random_picture(seed, count=60, reach=12))
    placed = list(layout.placed_boxes.values())
    for i, box in enumerate(placed):
        assert not any(overlap(box, other) for other in placed[:i])
        assert box.x >= 0
        assert box.x + box.width <= layout.width
        assert box.y >= 0
        assert box.y + box.height <= layout.height
    for way in layout.routes.values():
        for (x0, y0), (x1, y1) in pairwise(way.points):
            middle = ((x0 + x1) / 2, (y0 + y1) / 2)
            assert not any(
                box.x + 0.6 < middle[0] < box.x + box.width - 0.6 and box.y + 0.6 < middle[1] < box.y + box.height - 0.6
                for box in placed
            )


def test_arrows_lead_from_left_to_right_except_those_that_close_a_loop() -> None:
    layout = layout_graph(looping_picture())
    for way in layout.routes.values():
        if way.arrow.source != way.arrow.target:
            assert (way.points[0][0] > way.points[-1][0]) == way.is_back
    assert [(way.arrow.source, way.arrow.target) for way in layout.routes.values() if way.is_back] == [
        ("judge", "write"), ("tell", "tell"),
    ]  # fmt: skip


def test_boxes_have_one_height_and_those_of_a_column_one_width() -> None:
    layout = layout_graph(random_picture(1, count=40, reach=8))
    assert len({box.height for box in layout.placed_boxes.values()}) == 1
    widths: dict[float, set[float]] = {}
    for box in layout.placed_boxes.values():
        widths.setdefault(round(box.x + box.width / 2, 1), set()).add(box.width)
    assert all(len(found) == 1 for found in widths.values())


def test_the_same_picture_is_drawn_the_same_way() -> None:
    first, second = (render_graph(p, layout_graph(p)) for p in (random_picture(2, 50, 9), random_picture(2, 50, 9)))
    assert first == second


@pytest.mark.parametrize("mark", get_args(MarkName))
def test_a_state_is_a_class_a_shape_and_a_word(mark: MarkName) -> None:
    picture = Picture("p", {"a": Box("a", "function")})
    node = nodes(draw(picture, GraphState({"a": BoxState(mark, "about it", "why")})))["a"]
    assert f"state-{mark}" in node.attrib["class"].split()
    assert [use.attrib["href"] for use in node.iter(f"{SVG}use")] == [f"#mark-{mark}"]
    assert texts(node, "about") == ["about it"]
    assert (node.findtext(f"{SVG}title") or "").splitlines() == ["a", MARKS[mark].word, "about it", "why"]


def test_progress_is_a_bar_until_it_is_complete() -> None:
    picture = Picture("p", {"a": Box("a", "graph")})
    bars = draw(picture, GraphState({"a": BoxState("running", done=3, total=4)})).iter(f"{SVG}rect")
    widths = {one.attrib["class"]: float(one.attrib["width"]) for one in bars}
    assert widths["done"] == pytest.approx(widths["track"] * 0.75, abs=0.1)
    done = draw(picture, GraphState({"a": BoxState("completed", done=4, total=4)}))
    assert all(one.attrib["class"] != "done" for one in done.iter(f"{SVG}rect"))


def test_the_way_a_gate_took_is_told_from_the_others_and_a_loop_shows_its_turn() -> None:
    state = GraphState(
        {"write": BoxState("completed", turn=3), "print": BoxState("running")}, {"judge": frozenset({"print"})}
    )
    root = draw(looping_picture(), state)
    found = edges(looping_picture(), root)
    assert "taken" in found["judge", "print"]
    assert "faded" in found["judge", "END"]
    assert found["judge", "write"] >= {"faded", "back"}
    assert found["write", "ask"] == {"edge", "data"}
    assert texts(root, "label") == ["again, turn 3", "good"]


def test_ways_to_skipped_boxes_are_faded() -> None:
    picture = Picture("p", {n: Box(n, "function") for n in "abc"}, [Arrow("a", "b", "data"), Arrow("a", "c", "data")])
    found = edges(picture, draw(picture, GraphState({"a": BoxState("completed"), "b": BoxState("skipped")})))
    assert ("faded" in found["a", "b"], "faded" in found["a", "c"]) == (True, False)


def test_the_selected_box_stands_out_with_all_before_and_behind_it() -> None:
    picture = Picture(
        "p",
        {n: Box(n, "function") for n in "abcd"},
        [Arrow("a", "b", "data"), Arrow("b", "c", "data"), Arrow("a", "d", "data")],
    )
    root = draw(picture, selected="b")
    assert "has-selection" in root.attrib["class"]
    assert {n for n, one in nodes(root).items() if "related" in one.attrib["class"].split()} == {"a", "b", "c"}
    assert [n for n, one in nodes(root).items() if "selected" in one.attrib["class"].split()] == ["b"]
    assert {way for way, classes in edges(picture, root).items() if "related" in classes} == {("a", "b"), ("b", "c")}
    assert "has-selection" not in draw(picture, selected="unknown").attrib["class"]


def test_boxes_are_links_where_a_page_says_where_to() -> None:
    root = draw(looping_picture(), link=lambda key: f"?tab=graph&node={key}")
    found = nodes(root)
    assert found["ask"].attrib["href"] == "?tab=graph&node=ask"
    assert found["ask"].tag == f"{SVG}a"
    assert found["END"].tag == f"{SVG}g"


@pytest.mark.parametrize("state", [None, GraphState({"write": BoxState("running", "x", done=1, total=2)})])
def test_without_a_theme_a_strict_content_security_policy_is_kept(state: GraphState | None) -> None:
    picture = looping_picture()
    source = render_graph(picture, layout_graph(picture), state, GraphOptions(selected="ask"))
    assert not re.search(r"<style|\sstyle=|<script|\son\w+=|javascript:|url\(|#[0-9a-f]{6}", source)


@pytest.mark.parametrize(
    ("theme", "light", "dark"), [("auto", True, True), ("light", True, False), ("dark", False, True)]
)
def test_a_drawing_that_stands_alone_has_its_colours_with_it(theme: str, light: bool, dark: bool) -> None:
    picture = looping_picture()
    source = render_graph(picture, layout_graph(picture), None, GraphOptions(theme=theme))  # type: ignore[arg-type]
    assert ("#ffffff" in source, "#0d1117" in source) == (light, dark)
    assert not re.search(r"(src)=|url\(|@import", source)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a&b<c>'d'",
    "👩‍🔬 naïve",
    "עברית‮gpj.exe",
    "x" * 5000,
    "\x00\x1b[31mred\ud800\uffff",
    "line\nbreak",
    " ",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_and_nothing_else(name: str) -> None:
    picture = Picture(name, {name: Box(name, "function"), "b": Box("b", "route", note=name)})
    picture.arrows = [Arrow(name, "b", "data", name, (name,)), Arrow("b", name, "control", name)]
    state = GraphState({name: BoxState("failed", name, name)})
    layout = layout_graph(picture)
    assert max(box.width for box in layout.placed_boxes.values()) < 300
    source = render_graph(picture, layout, state, GraphOptions(selected=name, link=lambda key: f"?node={key}"))
    root = ElementTree.fromstring(source)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "defs", "symbol", "circle", "path", "g", "a", "title", "rect", "use", "text",
    }  # fmt: skip
    assert len(nodes(root)) == 2
    assert not re.search("[\x00-\x08\x1b\u202e\ud800-\udfff\uffff]", source)
