from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from holdwater.errors import GraphConfigError
from holdwater.graphs import END, FunctionNode, Graph, ifelse, node

SVG = "{http://www.w3.org/2000/svg}"
KINDS = ("input", "function", "route", "choice", "question", "graph", "end")


@dataclass(frozen=True)
class Rect:
    left: float
    top: float
    right: float
    bottom: float

    def contains(self, x: float, y: float) -> bool:
        return self.left + 0.6 < x < self.right - 0.6 and self.top + 0.6 < y < self.bottom - 0.6

    def overlaps(self, other: Rect) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def make_node(name: str, inputs: list[str]) -> FunctionNode[..., object]:
    """A node of this name with these inputs and one output."""
    source = f"def {name}({', '.join(inputs)}): ..."
    space: dict[str, object] = {}
    exec(source, space)
    return FunctionNode(space[name], output_name=f"{name}_out")  # type: ignore[arg-type]


def random_graph(seed: int, count: int, reach: int) -> Graph:
    luck = random.Random(seed)
    nodes = []
    for i in range(count):
        sources = {f"n{luck.randrange(max(0, i - reach), i)}_out" for _ in range(luck.randrange(3))} if i else set()
        nodes.append(make_node(f"n{i}", sorted(sources) or ["x"]))
    return Graph(nodes, name="random")


def find_boxes(root: ElementTree.Element) -> Iterator[Rect]:
    for part in root.findall(f"{SVG}g"):
        moved = re.fullmatch(r"translate\((\S+) (\S+)\)", part.attrib["transform"])
        assert moved
        dx, dy = float(moved[1]), float(moved[2])
        for group in part.findall(f"{SVG}g"):
            if group.attrib["class"] in KINDS:
                shape = group.find(f"{SVG}rect")
                if shape is not None:
                    x, y, width, height = (float(shape.attrib[key]) for key in ("x", "y", "width", "height"))
                    yield Rect(x + dx, y + dy, x + dx + width, y + dy + height)
                polygon = group.find(f"{SVG}polygon")
                if polygon is not None:
                    corners = [tuple(map(float, c.split(","))) for c in polygon.attrib["points"].split()]
                    xs, ys = [c[0] + dx for c in corners], [c[1] + dy for c in corners]
                    yield Rect(min(xs), min(ys), max(xs), max(ys))


def find_arrow_points(root: ElementTree.Element) -> Iterator[list[tuple[float, float]]]:
    """Points along each arrow of a drawing without unfolded graphs."""
    for path in root.iter(f"{SVG}path"):
        if path.attrib["class"] != "way":
            continue
        points: list[tuple[float, float]] = []
        for command, text in re.findall(r"([MLC])([^MLC]*)", path.attrib["d"]):
            numbers = [float(n) for n in text.split()]
            knots = list(zip(numbers[::2], numbers[1::2]))
            if command == "C":
                knots = [points[-1], *knots]
                points += [bezier_point(knots, t / 10) for t in range(1, 11)]
            elif points:
                (x0, y0), (x1, y1) = points[-1], knots[0]
                points += [(x0 + (x1 - x0) * t / 10, y0 + (y1 - y0) * t / 10) for t in range(1, 11)]
            else:
                points += knots
        yield points


def bezier_point(knots: list[tuple[float, float]], t: float) -> tuple[float, float]:
    while len(knots) > 1:
        knots = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(knots)]
    return knots[0]


@node(output_name="draft")
def write(topic: str) -> str:
    return topic


@ifelse(when_true=END, when_false="write")
def good(draft: str) -> bool:
    return True


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_drawn_over_anything_else(seed: int) -> None:
    graph = random_graph(seed, count=40, reach=10)
    root = ElementTree.fromstring(graph.to_svg())
    found = list(find_boxes(root))
    assert len(found) == len(graph.nodes) + 1  # and the input
    for i, box in enumerate(found):
        assert not any(box.overlaps(other) for other in found[:i])
    drawn = list(find_arrow_points(root))
    assert len(drawn) > len(graph.nodes) / 2
    for way in drawn:
        for x, y in way:
            assert not any(box.contains(x, y) for box in found)


def test_everything_is_inside_the_drawing() -> None:
    root = ElementTree.fromstring(random_graph(3, count=30, reach=5).to_svg())
    whole = Rect(0, 0, float(root.attrib["width"]), float(root.attrib["height"]))
    for box in find_boxes(root):
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= whole.right
        assert box.bottom <= whole.bottom


def test_a_loop_goes_back_up() -> None:
    root = ElementTree.fromstring(Graph([write, good], name="loop").to_svg())
    back = [g for g in root.iter(f"{SVG}g") if "back" in g.attrib.get("class", "")]
    assert len(back) == 1
    assert back[0].attrib["class"] == "control back"
    points = next(way for way in find_arrow_points(back[0]))
    assert points[0][1] > points[-1][1]
    assert [t.text for t in root.iter(f"{SVG}text") if t.attrib.get("class") == "label"] == ["True", "False"]


def test_a_node_that_feeds_itself_has_a_loop_of_its_own() -> None:
    @node(output_name="total")
    def add(total: int, x: int) -> int:
        return total + x

    root = ElementTree.fromstring(Graph([add]).to_svg())
    box = list(find_boxes(root))[-1]
    loop = next(iter(find_arrow_points(next(g for g in root.iter(f"{SVG}g") if "back" in g.attrib.get("class", "")))))
    assert all(x >= box.right - 0.1 for x, _ in loop)


def test_an_unfolded_graph_is_framed() -> None:
    inner = Graph([write, make_node("after", ["draft"])], name="inner")
    graph = Graph([inner.as_node(), make_node("last", ["after_out"])])
    root = ElementTree.fromstring(graph.to_svg(depth=1))
    rect = root.find(f".//{SVG}g[@class='frame']/{SVG}rect")
    assert rect is not None
    x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
    frame = Rect(x, y, x + width, y + height)
    inside = [box for box in find_boxes(root) if box.overlaps(frame)]
    assert len(inside) == 3  # write, after and their input
    for box in inside:
        assert frame.contains(box.left, box.top)
        assert frame.contains(box.right, box.bottom)
    for i, box in enumerate(inside):
        assert not any(box.overlaps(other) for other in inside[:i])


def test_only_what_a_run_would_use_is_drawn() -> None:
    graph = Graph(
        [make_node("a", ["x"]), make_node("b", ["a_out"]), make_node("c", ["b_out"]), make_node("d", ["b_out"])]
    )
    texts = [
        t.text for t in ElementTree.fromstring(graph.with_entrypoint("b").select("c_out").to_svg()).iter(f"{SVG}text")
    ]
    assert texts == ["a_out", "b", "b_out", "c", "c_out"]


def test_names_are_escaped() -> None:
    graph = Graph([Graph([write], name='<script>alert("&")</script>'.replace("/", "|")).as_node()], name="a<b")
    texts = [t.text for t in ElementTree.fromstring(graph.to_svg()).iter(f"{SVG}text")]
    assert '<script>alert("&")<|script>' in texts
    assert "<script>alert" not in graph.visualize().html


@pytest.mark.parametrize(
    ("theme", "light", "dark"), [("auto", True, True), ("light", True, False), ("dark", False, True)]
)
def test_themes(theme: str, light: bool, dark: bool) -> None:
    source = Graph([write]).to_svg(theme=theme)  # type: ignore[arg-type]
    assert ("#ffffff" in source, "#0d1117" in source) == (light, dark)
    assert ("prefers-color-scheme" in source) == (theme == "auto")


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(GraphConfigError, match="auto, light, dark"):
        Graph([write]).to_svg(theme="pink")  # type: ignore[arg-type]


def test_a_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "graph.html"
    Graph([write, good], name="loop").visualize(filepath=file)
    source = file.read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>")
    assert "<svg" in source
    assert not re.search(r"(src|href)=|url\(|@import", source)


def test_a_drawing_can_be_written_as_svg_but_not_as_anything(tmp_path: Path) -> None:
    drawing = Graph([write]).visualize(filepath=str(tmp_path / "graph.svg"))
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg
    with pytest.raises(GraphConfigError, match=r"\.html or \.svg"):
        drawing.save(tmp_path / "graph.png")


def test_notebooks_show_graphs_that_are_not_too_large() -> None:
    graph = Graph([write])
    assert "<svg" in (graph._repr_html_() or "")
    assert "<svg" in graph.visualize()._repr_html_()
    assert random_graph(1, count=501, reach=3)._repr_html_() is None


def test_a_graph_without_nodes_can_be_drawn() -> None:
    ElementTree.fromstring(Graph([make_node("only", [])]).to_svg())


def test_a_thousand_nodes_are_drawn_in_seconds() -> None:
    graphs = [
        random_graph(1, count=1000, reach=1000),
        Graph(
            [make_node("n0", ["x"]), *(make_node(f"n{i}", [f"n{i - 1}_out", "x"]) for i in range(1, 1000))]
        ),  # x reaches all
        Graph([make_node(f"n{i}", ["x"]) for i in range(1000)]),
    ]
    for graph in graphs:
        began = time.process_time()
        ElementTree.fromstring(graph.to_svg())
        assert time.process_time() - began < 10  # of its own, whatever else the machine does
