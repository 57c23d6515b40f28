"""Directed graphs: strongly connected components in topological order, levels and reachability."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdwater.kernel.scc import strongly_connected_components

Neighbours = Mapping[str, Sequence[str]]


@dataclass(frozen=True, eq=False)
class Digraph:
    """A directed graph; nodes are in definition order everywhere.

    `level`: node -> length of the longest path to its component, so that levels never decrease along a path.
    """

    successors: Neighbours
    predecessors: Neighbours
    components: tuple[tuple[str, ...], ...]
    """in topological order"""
    component: Mapping[str, int]
    level: Mapping[str, int]

    @classmethod
    def from_edges(cls, names: Collection[str], edges: Iterable[tuple[str, str]]) -> Digraph:
        """Analyze nodes and edges, iteratively, in O(nodes + edges)."""
        after: dict[str, list[str]] = {name: [] for name in names}
        before: dict[str, list[str]] = {name: [] for name in names}
        for source, target in dict.fromkeys(edges):
            after[source].append(target)
            before[target].append(source)
        all_names = list(after)
        index = {name: i for i, name in enumerate(all_names)}
        found = strongly_connected_components([[index[target] for target in targets] for targets in after.values()])
        members = [[all_names[i] for i in component] for component in found]
        part = {name: number for number, inside in enumerate(members) for name in inside}
        level: dict[str, int] = {}
        for number, inside in enumerate(members):
            below = [level[b] for name in inside for b in before[name] if part[b] != number]
            level.update(dict.fromkeys(inside, max(below, default=-1) + 1))
        return cls(after, before, tuple([tuple(inside) for inside in members]), part, level)

    def same_component(self, one: str, other: str) -> bool:
        """Return True if two nodes are in one component: each is reachable from the other."""
        return self.component[one] == self.component[other]


def reachable(start_nodes: Iterable[str], neighbours: Neighbours) -> set[str]:
    """Return the start nodes and all nodes reachable from them."""
    found = set(start_nodes)
    stack = list(found)
    while stack:
        for name in neighbours[stack.pop()]:
            if name not in found:
                found.add(name)
                stack.append(name)
    return found
