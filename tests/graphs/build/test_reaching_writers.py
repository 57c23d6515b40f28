"""Which writers a reader can see, against the definition: every way there, looked at one by one."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

import pytest

from holdwater.graphs.build.digraph import Digraph
from holdwater.graphs.build.reaching_writers import find_reaching_writers


def simple_paths(digraph: Digraph, start: str, end: str) -> Iterator[list[str]]:
    """What lies between on every way from one node to another (or back to itself) that meets no node twice."""
    stack: list[tuple[str, list[str]]] = [(start, [])]
    while stack:
        at, between = stack.pop()
        for name in digraph.successors[at]:
            if name == end:
                yield between
            elif name != start and name not in between:
                stack.append((name, [*between, name]))


def reaching_writers_by_definition(
    digraph: Digraph, reader: str, writers: Collection[str], gate_targets: Collection[str]
) -> tuple[str, ...]:
    found = []
    for maker in writers:
        others = set(writers) - {maker, reader}
        longer = [way for way in simple_paths(digraph, maker, reader) if way and not set(way) & set(gate_targets)]
        if not longer or any([not set(way) & others for way in longer]):
            found.append(maker)
    return tuple(found)


@pytest.mark.parametrize("seed", range(300))
def test_hidden_writers_are_those_of_the_definition(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(chance.randint(3, 7))]
    reader, *_ = chance.sample(names, 1)
    makers = chance.sample(names, chance.randint(2, min(4, len(names))))
    opened = [name for name in names if name != reader and chance.random() < 0.15]
    pairs = [(a, b) for a in names for b in names if a != b and chance.random() < 0.3]
    shape = Digraph.from_edges(names, [*pairs, *[(maker, reader) for maker in makers]])
    assert find_reaching_writers(shape, reader, makers, opened) == reaching_writers_by_definition(
        shape, reader, makers, opened
    )


@pytest.mark.parametrize("seed", range(100))
def test_parts_and_levels_of_random_graphs(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(chance.randint(1, 8))]
    shape = Digraph.from_edges(names, [(a, b) for a in names for b in names if chance.random() < 0.2])
    behind = {a: {b for b in names for _ in simple_paths(shape, a, b)} for a in names}
    for a in names:
        for b in names:
            mutual = a == b or (b in behind[a] and a in behind[b])
            assert shape.same_component(a, b) == mutual
            if b in behind[a] and not mutual:
                assert shape.level[a] < shape.level[b]
                assert shape.component[a] < shape.component[b]
