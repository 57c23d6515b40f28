"""Layered layout (Sugiyama): positions of boxes and paths of arrows, in rows from the top down or from left to right.

It is computed from the top down; from left to right, x and y are exchanged before and after.

`layering` assigns rows, `crossing_reduction` the order in them.  An arrow that passes rows has a point in each of them,
so that it is not drawn over a box; a label has a place of its own in the row after its arrow's source.  x minimises the
squared distances to the neighbours above, which pooling adjacent violators solves in linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import fmean
from typing import Final, Literal

from holdwater.drawing.crossing_reduction import minimize_crossings
from holdwater.drawing.layering import LayerEdge, assign_layers
from holdwater.drawing.picture import Arrow, Box, Picture

GAP_X: Final = 28.0
PORT_GAP: Final = 14.0
MARGIN: Final = 16.0
TURN_HEIGHT: Final = 6.0
ALIGN_SWEEPS: Final = 4
MAX_POINTS_PER_BOX: Final = 12
"""bound of the points of arrows that are routed around boxes; the longest arrows beyond it are drawn straight"""


Direction = Literal["down", "right"]
"""in which the arrows point"""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distances in pixels: `beside` of boxes in one row, `between` rows.

    `equal_up_to`: boxes of one row that are not higher than this get one height; 0: none.
    """

    beside: float = GAP_X
    between: float = 34.0
    equal_up_to: float = 0.0


@dataclass(slots=True)
class PlacedBox:
    """A box with its upper left corner and its size.  `inner`: the layout inside it, relative to its own origin."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inner: PictureLayout | None = None


@dataclass(slots=True)
class RoutedArrow:
    """The points of an arrow from source to target; two points with one x are joined by a line, others by a curve."""

    arrow: Arrow
    points: list[tuple[float, float]]
    is_back: bool
    label_at: tuple[float, float] | None = None


@dataclass(slots=True)
class PictureLayout:
    """The layout of a picture, in pixels."""

    width: float
    height: float
    placed_boxes: dict[str, PlacedBox]
    routed_arrows: list[RoutedArrow]


@dataclass(slots=True)
class _Vertex:
    """A box, or a point of an arrow (`is_point`)."""

    width: float
    height: float
    row: int
    x: float = 0.0
    is_point: bool = False
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)


BoxSizer = Callable[[Box, PictureLayout | None], tuple[float, float]]
LabelSizer = Callable[[str], tuple[float, float]]

DEFAULT_SPACING: Final = Spacing()


def compute_layout(
    picture: Picture,
    box_size: BoxSizer,
    label_size: LabelSizer,
    direction: Direction = "down",
    spacing: Spacing = DEFAULT_SPACING,
) -> PictureLayout:
    """Lay out a picture and the pictures of unfolded graphs inside it."""
    is_down = direction == "down"
    done: dict[int, PictureLayout] = {}
    for part in reversed(list(picture.walk())):
        inner = {key: done[id(box.inner)] for key, box in part.boxes.items() if box.inner is not None}
        if is_down:
            done[id(part)] = _LayoutBuilder(part, inner, box_size, label_size, spacing).build()
        else:
            turned = _LayoutBuilder(
                part,
                inner,
                lambda box, inside: box_size(box, inside)[::-1],
                lambda text: label_size(text)[::-1],
                spacing,
            )
            done[id(part)] = _exchange_axes(turned.build())
    return done[id(picture)]


def _exchange_axes(layout: PictureLayout) -> PictureLayout:
    boxes = {
        key: PlacedBox(one.box, one.y, one.x, one.height, one.width, one.inner)
        for key, one in layout.placed_boxes.items()
    }
    arrows = [
        RoutedArrow(
            one.arrow, [(y, x) for x, y in one.points], one.is_back, one.label_at and (one.label_at[1], one.label_at[0])
        )
        for one in layout.routed_arrows
    ]
    return PictureLayout(layout.height, layout.width, boxes, arrows)


class _LayoutBuilder:
    """The layout of one picture; those inside it have been laid out before."""

    def __init__(
        self,
        picture: Picture,
        inner: dict[str, PictureLayout],
        box_size: BoxSizer,
        label_size: LabelSizer,
        spacing: Spacing,
    ) -> None:
        self.picture, self.inner, self.spacing = picture, inner, spacing
        self.vertex_index = {key: i for i, key in enumerate(picture.boxes)}
        self.edges = [
            LayerEdge(self.vertex_index[a.source], self.vertex_index[a.target], 2 if a.label else 1)
            for a in picture.arrows
        ]
        rows = assign_layers(len(self.vertex_index), self.edges)
        self.vertices = [
            _Vertex(*box_size(box, inner.get(key)), row) for (key, box), row in zip(picture.boxes.items(), rows)
        ]
        self._equalize_heights(spacing.equal_up_to)
        self.arrow_points = self._add_arrow_points(label_size)
        self.rows = minimize_crossings(
            [v.row for v in self.vertices], [v.above for v in self.vertices], [v.below for v in self.vertices]
        )

    def build(self) -> PictureLayout:
        self._assign_x()
        tops, heights = self._row_heights()
        places = {}
        for key, number in self.vertex_index.items():
            v = self.vertices[number]
            y = tops[v.row] + (heights[v.row] - v.height) / 2
            places[key] = PlacedBox(
                self.picture.boxes[key], v.x - v.width / 2, y, v.width, v.height, self.inner.get(key)
            )
        ways = self._route_arrows(tops, heights)
        ends = [v.x + v.width / 2 for v in self.vertices] + [x for way in ways for x, _ in way.points]
        bottom = tops[-1] + heights[-1] if tops else 0.0
        return PictureLayout(max(ends, default=0.0) + MARGIN, bottom + MARGIN, places, ways)

    def _equalize_heights(self, limit: float) -> None:
        highest: dict[int, float] = {}
        smaller = [vertex for vertex in self.vertices if vertex.height <= limit]
        for vertex in smaller:
            highest[vertex.row] = max(highest.get(vertex.row, 0.0), vertex.height)
        for vertex in smaller:
            vertex.height = highest[vertex.row]

    # -- arrows through rows

    def _add_arrow_points(self, label_size: LabelSizer) -> list[list[int]]:
        """Add points for each arrow in the rows between its ends, top down; short arrows get theirs first."""
        spans = [self.vertices[e.lower].row - self.vertices[e.upper].row for e in self.edges]
        room = MAX_POINTS_PER_BOX * len(self.vertices) + 100
        chains: list[list[int]] = [[] for _ in self.edges]
        for index in sorted(range(len(self.edges)), key=spans.__getitem__):
            edge, arrow = self.edges[index], self.picture.arrows[index]
            room -= spans[index] - 1
            if edge.source == edge.target or room < 0:
                continue
            previous = edge.upper
            first = self.vertices[edge.upper].row + 1
            last = self.vertices[edge.lower].row
            labelled = (last - 1 if edge.is_back else first) if arrow.label else -1
            for row in range(first, last):
                width, height = label_size(arrow.label) if row == labelled else (PORT_GAP, TURN_HEIGHT)
                self.vertices.append(_Vertex(width, height, row, is_point=True))
                chains[index].append(len(self.vertices) - 1)
                self._link(previous, len(self.vertices) - 1)
                previous = len(self.vertices) - 1
            self._link(previous, edge.lower)
        return chains

    def _link(self, upper: int, lower: int) -> None:
        self.vertices[upper].below.append(lower)
        self.vertices[lower].above.append(upper)

    # -- x

    def _assign_x(self) -> None:
        for row in self.rows:
            x = 0.0
            for number in row:
                vertex = self.vertices[number]
                vertex.x = x + vertex.width / 2
                x += vertex.width + self.spacing.beside
        for _ in range(ALIGN_SWEEPS):
            for row in self.rows:
                self._align_row(row, from_above=True)
            for row in reversed(self.rows):
                self._align_row(row, from_above=False)
        self._straighten()
        left = min((v.x - v.width / 2 for v in self.vertices), default=0.0)
        for vertex in self.vertices:
            vertex.x += MARGIN - left

    def _align_row(self, row: Sequence[int], from_above: bool) -> None:
        wanted, weights, offsets = [], [], []
        offset = 0.0
        previous: _Vertex | None = None
        for number in row:
            vertex = self.vertices[number]
            around = vertex.above if from_above else vertex.below
            if previous is not None:
                offset += self._min_distance(previous, vertex)
            wanted.append((fmean(self.vertices[i].x for i in around) if around else vertex.x) - offset)
            # consecutive points of an arrow are aligned with a high weight, so that its line is straight
            weights.append(8.0 if vertex.is_point else 1.0 if around else 0.1)
            offsets.append(offset)
            previous = vertex
        for number, x, shift in zip(row, _isotonic_regression(wanted, weights), offsets):
            self.vertices[number].x = x + shift

    def _straighten(self) -> None:
        """Align the points of an arrow vertically as far as their neighbours in the rows permit."""
        left: dict[int, _Vertex] = {}
        right: dict[int, _Vertex] = {}
        for row in self.rows:
            for one, other in pairwise(row):
                left[other], right[one] = self.vertices[one], self.vertices[other]
        for chain in (*self.arrow_points, *self.arrow_points):  # twice, because others may have moved away
            line: list[_Vertex] = []
            low, high = -inf, inf
            for number in chain:
                point = self.vertices[number]
                least = left[number].x + self._min_distance(left[number], point) if number in left else -inf
                most = right[number].x - self._min_distance(point, right[number]) if number in right else inf
                if max(low, least) > min(high, most):
                    _align_points(line, low, high)
                    line, low, high = [], -inf, inf
                line.append(point)
                low, high = max(low, least), min(high, most)
            _align_points(line, low, high)

    def _min_distance(self, left: _Vertex, right: _Vertex) -> float:
        """Return the smallest distance of the centres of two neighbours in a row."""
        return (left.width + right.width) / 2 + (PORT_GAP if left.is_point and right.is_point else self.spacing.beside)

    # -- y and the paths of arrows

    def _row_heights(self) -> tuple[list[float], list[float]]:
        heights = [max((self.vertices[i].height for i in row), default=0.0) for row in self.rows]
        tops: list[float] = []
        y = MARGIN
        for row, height in zip(self.rows, heights):
            tops.append(y)
            y += height + self.spacing.between * (0.7 if all(self.vertices[i].is_point for i in row) else 1.0)
        return tops, heights

    def _route_arrows(self, tops: list[float], heights: list[float]) -> list[RoutedArrow]:
        above, below = self._attachment_points()
        ways = []
        for index, (edge, arrow) in enumerate(zip(self.edges, self.picture.arrows)):
            upper, lower = self.vertices[edge.upper], self.vertices[edge.lower]
            if edge.source == edge.target:
                ways.append(self._route_self_loop(arrow, upper, tops, heights))
                continue
            middle_of_upper = tops[upper.row] + heights[upper.row] / 2
            middle_of_lower = tops[lower.row] + heights[lower.row] / 2
            start, end = below[index], above[index]
            points = [(start, middle_of_upper + upper.height / 2), (start, tops[upper.row] + heights[upper.row])]
            label_at = None
            for number in self.arrow_points[index]:
                vertex = self.vertices[number]
                top, height = tops[vertex.row], heights[vertex.row]
                points += [(vertex.x, top), (vertex.x, top + height)]
                if vertex.width > PORT_GAP:
                    label_at = (vertex.x, top + height / 2)
            points += [(end, tops[lower.row]), (end, middle_of_lower - lower.height / 2)]
            points = list(dict.fromkeys(points))  # a box as high as its row gives two equal points
            ways.append(RoutedArrow(arrow, points[::-1] if edge.is_back else points, edge.is_back, label_at))
        return ways

    def _attachment_points(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return the x at which each arrow meets its lower and its upper box, ordered by the x of the other end."""
        towards: tuple[dict[int, list[tuple[float, int]]], ...] = ({}, {})
        for index, edge in enumerate(self.edges):
            if edge.source == edge.target:
                continue
            chain = self.arrow_points[index]
            last, first = (chain[-1], chain[0]) if chain else (edge.upper, edge.lower)
            towards[0].setdefault(edge.lower, []).append((self.vertices[last].x, index))
            towards[1].setdefault(edge.upper, []).append((self.vertices[first].x, index))
        above: dict[int, float] = {}
        below: dict[int, float] = {}
        for ports, found in ((above, towards[0]), (below, towards[1])):
            for number, others in found.items():
                vertex = self.vertices[number]
                step = min(PORT_GAP, (vertex.width - PORT_GAP) / len(others))
                for i, (_, index) in enumerate(sorted(others)):
                    ports[index] = vertex.x + (i - (len(others) - 1) / 2) * step
        return above, below

    @staticmethod
    def _route_self_loop(arrow: Arrow, vertex: _Vertex, tops: list[float], heights: list[float]) -> RoutedArrow:
        right, y = vertex.x + vertex.width / 2, tops[vertex.row] + heights[vertex.row] / 2
        out = right + GAP_X * 0.7
        return RoutedArrow(arrow, [(right, y + 8), (out, y + 8), (out, y - 8), (right, y - 8)], is_back=True)


def _align_points(points: Sequence[_Vertex], low: float, high: float) -> None:
    if points:
        x = max(low, min(high, fmean([point.x for point in points])))
        for point in points:
            point.x = x


def _isotonic_regression(targets: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the ascending numbers nearest to the targets by weighted least squares (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for value, weight in zip(targets, weights):
        count = 1
        while pools and pools[-1][0] > value:
            mean, heavy, many = pools.pop()
            value = (value * weight + mean * heavy) / (weight + heavy)
            weight += heavy
            count += many
        pools.append((value, weight, count))
    return [mean for mean, _, count in pools for _ in range(count)]
