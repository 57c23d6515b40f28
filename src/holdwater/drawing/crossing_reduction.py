"""Order of vertices within their rows, with few crossings of the edges between neighbouring rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from statistics import fmean
from typing import Final

MAX_SWEEPS: Final = 6
MAX_SWAP_PASSES: Final = 3

NeighbourLists = Sequence[Sequence[int]]


def minimize_crossings(rows: Sequence[int], above: NeighbourLists, below: NeighbourLists) -> list[list[int]]:
    """Order the vertices of each row from left to right, given the row of each and its neighbours above and below.

    Barycentre heuristic: sorts by the means of the neighbours, downwards and upwards in turn, and keeps the order with
    the fewest crossings; then swaps adjacent vertices as long as that reduces crossings.
    """
    lines = _initial_order(rows, below)
    best, fewest = [list(line) for line in lines], _count_crossings(lines, below)
    for sweep in range(MAX_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        _sort_by_barycenter(lines, above if down else below, down)
        crossings = _count_crossings(lines, below)
        if crossings < fewest:
            best, fewest = [list(line) for line in lines], crossings
    for _ in range(MAX_SWAP_PASSES):
        if not fewest or not _swap_adjacent(best, above, below):
            break
    return best


def _initial_order(rows: Sequence[int], below: NeighbourLists) -> list[list[int]]:
    """Order by depth-first search, which keeps connected vertices together."""
    lines: list[list[int]] = [[] for _ in range(max(rows, default=-1) + 1)]
    seen = [False] * len(rows)
    for start in sorted(range(len(rows)), key=rows.__getitem__):
        stack = [start]
        while stack:
            vertex = stack.pop()
            if not seen[vertex]:
                seen[vertex] = True
                lines[rows[vertex]].append(vertex)
                stack.extend(reversed(below[vertex]))
    return lines


def _positions(lines: Sequence[Sequence[int]]) -> dict[int, int]:
    return {vertex: i for line in lines for i, vertex in enumerate(line)}


def _sort_by_barycenter(lines: Sequence[list[int]], neighbours: NeighbourLists, from_above: bool) -> None:
    position = _positions(lines)
    for line in lines if from_above else reversed(lines):
        keys = {
            vertex: fmean([position[other] for other in neighbours[vertex]]) if neighbours[vertex] else position[vertex]
            for vertex in line
        }
        line.sort(key=keys.__getitem__)
        position.update((vertex, i) for i, vertex in enumerate(line))


def _count_crossings(lines: Sequence[Sequence[int]], below: NeighbourLists) -> int:
    position = _positions(lines)
    crossings = 0
    for line in lines:
        ends: list[int] = []
        for vertex in line:
            targets = sorted([position[other] for other in below[vertex]])
            crossings += sum([len(ends) - bisect_right(ends, target) for target in targets])
            for target in targets:
                insort(ends, target)
    return crossings


def _swap_adjacent(lines: Sequence[list[int]], above: NeighbourLists, below: NeighbourLists) -> bool:
    """Swap adjacent vertices where that reduces crossings, in one pass; True if any pair was swapped."""
    position = _positions(lines)
    swapped = False
    for line in lines:
        for i in range(len(line) - 1):
            left, right = line[i], line[i + 1]
            gain = 0
            for side in (above, below):
                if side[left] and side[right]:
                    ours, others = ([position[other] for other in side[vertex]] for vertex in (left, right))
                    gain += _count_inversions(ours, others) - _count_inversions(others, ours)
            if gain > 0:
                line[i], line[i + 1] = right, left
                position[left], position[right] = i + 1, i
                swapped = True
    return swapped


def _count_inversions(left: list[int], right: list[int]) -> int:
    """Count the pairs of an end of the left vertex and one of the right vertex that are in the wrong order."""
    if len(left) < len(right):
        ends = sorted(right)
        return sum([bisect_left(ends, end) for end in left])
    ends = sorted(left)
    return sum([len(ends) - bisect_right(ends, end) for end in right])
