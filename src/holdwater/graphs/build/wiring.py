"""Wiring: edges inferred from the names of outputs and inputs, or as declared.

An input with several writers is wired to those whose write can be the last one before it is read (see
`reaching_writers`): a writer from which every path leads through another writer of the name is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from holdwater.errors import ConflictError, GraphConfigError
from holdwater.graphs.build.digraph import Digraph
from holdwater.graphs.build.edges import EdgeLike, parse_edges
from holdwater.graphs.build.reaching_writers import DeclaredOrder, find_reaching_writers
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode

EdgeKind = Literal["data", "control", "ordering"]
Port = tuple[str, str]
"""(node, name of an input or output)"""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge; one per pair of nodes: a data edge also stands for control and order, a control edge also for order."""

    source: str
    target: str
    names: tuple[str, ...] = ()
    kind: EdgeKind = "data"


@dataclass(frozen=True, eq=False)
class Wiring:
    """The nodes of a graph and their edges, independent of the scope of a run."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    digraph: Digraph
    writers: Mapping[str, tuple[str, ...]]
    """name -> nodes that have it as a data output"""
    producers: Mapping[Port, tuple[str, ...]]
    """(reader, input) -> writers wired to it; empty for an input that only comes from outside"""
    controllers: Mapping[str, tuple[str, ...]]
    """node -> gates that have it as a target"""
    signals: Mapping[str, tuple[str, ...]]
    """name -> nodes that have it as an output, emitted ones included"""
    shared: tuple[str, ...] = ()
    has_explicit_edges: bool = False
    """True if `edges=` replaces inference"""
    explicit_order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """node -> nodes before it by a declared edge without values"""

    @cached_property
    def loops(self) -> tuple[tuple[str, ...], ...]:
        """Strongly connected components of two nodes or more."""
        return tuple([part for part in self.digraph.components if len(part) > 1])

    @cached_property
    def readers(self) -> Mapping[Port, tuple[str, ...]]:
        """Map (writer, output) to the nodes that may read it."""
        found: dict[Port, list[str]] = {}
        for (reader, name), makers in self.sources.items():
            for maker in makers:
                found.setdefault((maker, name), []).append(reader)
        return {port: tuple(readers) for port, readers in found.items()}

    @cached_property
    def sources(self) -> Mapping[Port, tuple[str, ...]]:
        """Map (reader, input) to the nodes whose write it may read: its producers.

        For a shared name: the writers before it or in its loop.
        """
        return {**self.producers, **self._shared_sources()} if self.shared else self.producers

    @cached_property
    def feedback_names(self) -> frozenset[str]:
        """Names that a node reads from itself or its loop, whose first value comes from outside."""
        together = self.digraph.same_component
        return frozenset(
            [name for (reader, name), makers in self.sources.items() if any([together(reader, m) for m in makers])]
        )

    @property
    def order_edges(self) -> Iterator[Port]:
        """Iterate over (node, successor) by a signal, or by a declared edge without values."""
        for name, node in self.nodes.items():
            for signal in node.wait_for:
                yield from [(maker, name) for maker in self.signals.get(signal, ())]
            yield from [(before, name) for before in self.explicit_order.get(name, ())]

    def is_in_loop(self, name: str) -> bool:
        """Return True if a node is part of a loop of two nodes or more."""
        return len(self.digraph.components[self.digraph.component[name]]) > 1

    def _shared_sources(self) -> dict[Port, tuple[str, ...]]:
        shape, found = self.digraph, {}
        for name in self.shared:
            makers = self.writers[name]
            bit = {maker: 1 << i for i, maker in enumerate(makers)}
            seen: list[int] = []  # per component: bits of the writers whose write its nodes may see
            for number, inside in enumerate(shape.components):
                mask = 0
                for node in inside:
                    mask |= bit.get(node, 0)
                    for before in shape.predecessors[node]:
                        if shape.component[before] != number:
                            mask |= seen[shape.component[before]]
                seen.append(mask)
                for node in inside:
                    if name in self.nodes[node].inputs:
                        own = bit.get(node, 0) if len(inside) == 1 else 0  # outside of loops a node precedes not itself
                        found[node, name] = tuple([m for m in makers if bit[m] & mask & ~own])
        return {port: makers for port, makers in found.items() if makers}


def build_wiring(nodes: Mapping[str, Node], edges: Iterable[EdgeLike] | None, shared: Iterable[str]) -> Wiring:
    """Wire the nodes.  Raises GraphConfigError for invalid edges and shared names."""
    writers = _nodes_by_output((name, node.data_outputs) for name, node in nodes.items())
    signals = _nodes_by_output((name, node.outputs) for name, node in nodes.items())
    common = _check_shared(shared, writers)
    written = [] if edges is None else parse_edges(nodes, edges, common)
    inferred = edges is None or bool(common)
    candidates: dict[Port, tuple[str, ...]] = {}
    if inferred:
        for reader, node in nodes.items():
            for name in node.inputs:
                if name in writers and name not in common:
                    candidates[reader, name] = writers[name]
    for edge in written:
        for name in edge.names:
            known = candidates.get((edge.target, name), ())
            if edge.source not in known:
                candidates[edge.target, name] = (*known, edge.source)

    control = [
        (name, t) for name, node in nodes.items() if isinstance(node, GateNode) for t in node.targets if t in nodes
    ]
    ordering = [(edge.source, edge.target) for edge in written if not edge.names]
    ordering += [(maker, name) for name, node in nodes.items() for w in node.wait_for for maker in signals.get(w, ())]
    producers = _resolve_producers(nodes, candidates, control, ordering) if inferred else candidates
    found = _make_edges(nodes, producers, control, ordering)
    return Wiring(
        nodes,
        found,
        Digraph.from_edges(nodes, [(edge.source, edge.target) for edge in found]),
        writers,
        producers,
        _group_pairs([(target, gate) for gate, target in control]),
        signals,
        tuple(dict.fromkeys(shared)),
        not inferred,
        _group_pairs([(edge.target, edge.source) for edge in written if not edge.names]),
    )


def _resolve_producers(
    nodes: Mapping[str, Node],
    candidates: Mapping[Port, tuple[str, ...]],
    control_edges: list[tuple[str, str]],
    order_edges: list[tuple[str, str]],
) -> dict[Port, tuple[str, ...]]:
    if all([len(makers) == 1 for makers in candidates.values()]):
        return dict(candidates)
    if order_edges:
        sole = [(makers[0], reader) for (reader, _), makers in candidates.items() if len(makers) == 1]
        heard = [(m, reader) for (reader, _), makers in candidates.items() for m in makers if nodes[reader].is_gate]
        signalled = DeclaredOrder(nodes, order_edges, sole, control_edges, heard)
        candidates = {
            port: signalled.find_visible_writers(port[0], makers) if len(makers) > 1 else makers
            for port, makers in candidates.items()
        }
    data = [(maker, reader) for (reader, _), makers in candidates.items() for maker in makers]
    shape = Digraph.from_edges(nodes, [*data, *control_edges, *order_edges])
    found = {}
    for (reader, name), makers in candidates.items():
        if len(makers) > 1:
            node = nodes[reader]
            opened = frozenset(node.targets) if isinstance(node, GateNode) else frozenset()
            kept = find_reaching_writers(shape, reader, makers, opened)
            if not kept:
                raise ConflictError(
                    with_facts(
                        f"multiple nodes produce {name!r}, and nothing says whose value counts for node {reader!r}",
                        f"it is made by {join_names(makers)}, and each of them comes before another one",
                    ),
                    hint="rename one of the outputs, or say with edges= which one it takes",
                )
            alone = len(shape.components[shape.component[reader]]) == 1
            # Outside of loops a node runs once, and does not read its own write.
            found[reader, name] = tuple([m for m in kept if m != reader]) or kept if alone else kept
        else:
            found[reader, name] = makers
    return found


def _make_edges(
    nodes: Mapping[str, Node],
    producers: Mapping[Port, tuple[str, ...]],
    control_edges: list[tuple[str, str]],
    order_edges: list[tuple[str, str]],
) -> tuple[Edge, ...]:
    carried: dict[tuple[str, str], list[str]] = {}
    for (reader, name), makers in producers.items():
        for maker in makers:
            carried.setdefault((maker, reader), []).append(name)
    found = {pair: Edge(*pair, tuple(names), "data") for pair, names in carried.items()}
    for pair in control_edges:
        found.setdefault(pair, Edge(*pair, kind="control"))
    for pair in order_edges:
        found.setdefault(pair, Edge(*pair, kind="ordering"))
    place = {name: i for i, name in enumerate(nodes)}
    return tuple(sorted(found.values(), key=lambda edge: (place[edge.source], place[edge.target])))


def _check_shared(names: Iterable[str], writers: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    if isinstance(names, str):
        raise GraphConfigError("shared= takes a list of names", hint=f"shared=[{names!r}]")
    found = frozenset(names)
    for name in found:
        if name not in writers:
            raise GraphConfigError(
                with_facts(f"the shared name {name!r} is no output of any node", f"outputs: {join_names(writers)}")
            )
    return found


def _nodes_by_output(outputs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    return _group_pairs([(name, node) for node, names in outputs for name in names])


def _group_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
