"""Assignment of vertices to rows (longest path), and of edges that close a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class LayerEdge:
    """An edge between vertices by index.

    `min_length`: smallest distance of its ends, in rows.  `is_back`: it closes a loop and is drawn upwards.
    """

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
    """Return the row of each vertex, from 0, and mark edges that close a loop as `is_back`.

    Edges from a vertex to itself are ignored.  O(vertices + edges).
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
    for vertex in ready:  # the list grows during the iteration
        for edge in below[vertex]:
            rows[edge.lower] = max(rows[edge.lower], rows[vertex] + edge.min_length)
            waiting[edge.lower] -= 1
            if not waiting[edge.lower]:
                ready.append(edge.lower)
    for vertex in tops:  # sources move down to the row above their nearest target
        rows[vertex] = min((rows[edge.lower] - edge.min_length for edge in below[vertex]), default=0)
    return rows


def _mark_back_edges(count: int, edges: Sequence[LayerEdge]) -> None:
    """Mark back edges by depth-first search from the sources: an edge to an open vertex closes a loop."""
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
