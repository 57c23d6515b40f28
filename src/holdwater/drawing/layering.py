"""Which row each vertex of a drawing stands in, and which edges lead back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class LayerEdge:
    """From vertex to vertex by number.  `length`: how many rows apart its ends must be at least."""

    source: int
    target: int
    min_length: int = 1
    is_back: bool = False

    @property
    def upper(self) -> int:
        return self.target if self.is_back else self.source

    @property
    def lower(self) -> int:
        return self.source if self.is_back else self.target


def assign_layers(count: int, edges: Sequence[LayerEdge]) -> list[int]:
    """The row of each vertex, from 0.  Marks edges that close a loop as `back` and gives them a row to turn in.

    Edges from a vertex to itself do not matter.  Linear.
    """
    _mark_back_edges(count, edges)
    below: list[list[LayerEdge]] = [[] for _ in range(count)]
    waiting = [0] * count
    for edge in edges:
        if edge.source != edge.target:
            below[edge.upper].append(edge)
            waiting[edge.lower] += 1
    rows = [0] * count
    ready = [vertex for vertex in range(count) if not waiting[vertex]]
    tops = list(ready)
    for vertex in ready:  # grows
        for edge in below[vertex]:
            rows[edge.lower] = max(rows[edge.lower], rows[vertex] + edge.min_length)
            waiting[edge.lower] -= 1
            if not waiting[edge.lower]:
                ready.append(edge.lower)
    for vertex in tops:  # close to what they lead to
        rows[vertex] = min((rows[edge.lower] - edge.min_length for edge in below[vertex]), default=0)
    return rows


def _mark_back_edges(count: int, edges: Sequence[LayerEdge]) -> None:
    """Depth first from what nothing leads to: an edge to a vertex that is still open closes a loop."""
    out: list[list[LayerEdge]] = [[] for _ in range(count)]
    entered = [False] * count
    for edge in edges:
        if edge.source != edge.target:
            out[edge.source].append(edge)
            entered[edge.target] = True
    state = [0] * count  # 0 new, 1 open, 2 done
    for start in sorted(range(count), key=lambda vertex: entered[vertex]):
        if state[start]:
            continue
        state[start] = 1
        stack = [(start, iter(out[start]))]
        while stack:
            vertex, rest = stack[-1]
            for edge in rest:
                if state[edge.target] == 1:
                    edge.is_back = True
                    edge.min_length = 2
                elif not state[edge.target]:
                    state[edge.target] = 1
                    stack.append((edge.target, iter(out[edge.target])))
                    break
            else:
                state[vertex] = 2
                stack.pop()
