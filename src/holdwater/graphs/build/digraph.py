"""The shape of a directed graph: its parts (strongly connected components) in order, and what is before what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Neighbours = Mapping[str, Sequence[str]]

_ASSIGNED: Final = 1 << 60


@dataclass(frozen=True, eq=False)
class Digraph:
    """Nodes stand in definition order everywhere.  `level`: the longest way to a part, so that a way always climbs."""

    successors: Neighbours
    predecessors: Neighbours
    components: tuple[tuple[str, ...], ...]
    """in topological order"""
    component: Mapping[str, int]
    level: Mapping[str, int]

    @classmethod
    def from_edges(cls, names: Collection[str], edges: Iterable[tuple[str, str]]) -> Digraph:
        """The shape of these nodes and edges; iterative and linear."""
        after: dict[str, list[str]] = {name: [] for name in names}
        before: dict[str, list[str]] = {name: [] for name in names}
        for source, target in dict.fromkeys(edges):
            after[source].append(target)
            before[target].append(source)
        part = _number_components(after)
        members: list[list[str]] = [[] for _ in range(max(part.values(), default=-1) + 1)]
        for name in names:
            members[part[name]].append(name)
        level: dict[str, int] = {}
        for number, inside in enumerate(members):
            below = [level[b] for name in inside for b in before[name] if part[b] != number]
            level.update(dict.fromkeys(inside, max(below, default=-1) + 1))
        return cls(after, before, tuple([tuple(inside) for inside in members]), part, level)

    def same_component(self, one: str, other: str) -> bool:
        """Whether two nodes are in one part: each comes after the other."""
        return self.component[one] == self.component[other]


def reachable(start_nodes: Iterable[str], neighbours: Neighbours) -> set[str]:
    """The starts and all that can be reached from them."""
    found = set(start_nodes)
    stack = list(found)
    while stack:
        for name in neighbours[stack.pop()]:
            if name not in found:
                found.add(name)
                stack.append(name)
    return found


def _number_components(successors: Neighbours) -> dict[str, int]:
    """Node -> number of its part, in topological order (Tarjan 1972, with a stack of our own)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    part: dict[str, int] = {}
    open_nodes: list[str] = []
    count = 0
    for root in successors:
        if root in index:
            continue
        way: list[tuple[str, Iterator[str]]] = [(root, iter(successors[root]))]
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        while way:
            name, rest = way[-1]
            for later in rest:
                if later not in index:
                    index[later] = low[later] = len(index)
                    open_nodes.append(later)
                    way.append((later, iter(successors[later])))
                    break
                if low[later] != _ASSIGNED:
                    low[name] = min(low[name], index[later])
            else:
                way.pop()
                if way:
                    low[way[-1][0]] = min(low[way[-1][0]], low[name])
                if low[name] == index[name]:
                    while True:
                        member = open_nodes.pop()
                        low[member] = _ASSIGNED
                        part[member] = count
                        if member == name:
                            break
                    count += 1
    return {name: count - 1 - number for name, number in part.items()}
