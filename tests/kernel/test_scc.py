"""Strongly connected components, compared with the definition: nodes that reach each other."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.kernel.scc import strongly_connected_components

_GRAPHS = st.integers(0, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4) if n else st.nothing(), min_size=n, max_size=n)
)


def _reachable(successors: list[list[int]], start: int) -> set[int]:
    found, stack = {start}, [start]
    while stack:
        new = set(successors[stack.pop()]) - found
        found |= new
        stack += new
    return found


@given(_GRAPHS)
def test_the_definition(successors: list[list[int]]) -> None:
    reach = [_reachable(successors, i) for i in range(len(successors))]
    components = strongly_connected_components(successors)
    assert sorted(i for inside in components for i in inside) == list(range(len(successors)))
    for inside in components:
        assert inside == sorted(j for j in reach[inside[0]] if inside[0] in reach[j])
    position = {i: number for number, inside in enumerate(components) for i in inside}
    assert all(position[i] <= position[j] for i, targets in enumerate(successors) for j in targets)


@pytest.mark.parametrize("closes", [False, True])
def test_deeper_than_the_recursion_limit(closes: bool) -> None:
    n = 10 * sys.getrecursionlimit()
    chain = [[i + 1] for i in range(n - 1)] + [[0] if closes else []]
    assert len(strongly_connected_components(chain)) == (1 if closes else n)
