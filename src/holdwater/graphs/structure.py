"""Structure of a graph: nodes, edges and all that follows from them, whatever a run is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from holdwater.graphs import definition_hash
from holdwater.graphs.build.scope import find_leaf_outputs
from holdwater.graphs.build.wiring import Edge, Wiring
from holdwater.graphs.graph_protocol import GraphProtocol
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode

if TYPE_CHECKING:
    from holdwater.graphs.runner_protocol import CapableRunner


@dataclass(frozen=True, slots=True)
class NestedGraph:
    """A graph inside another one, and its own runner, if any."""

    node_name: str
    graph: GraphProtocol
    explicit_runner: CapableRunner | None


class GraphStructure:
    """Base of Graph: what can be read off its wiring."""

    wiring: Wiring

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Nodes by name, in definition order; read-only."""
        return self.wiring.nodes

    @property
    def edges(self) -> tuple[Edge, ...]:
        """One edge per pair of nodes, in the order of the sources."""
        return self.wiring.edges

    def producers(self, node: str, name: str) -> tuple[str, ...]:
        """Return the nodes wired to an input; none if it only comes from outside, or is shared."""
        return self.wiring.producers.get((node, name), ())

    def sources(self, node: str, name: str) -> tuple[str, ...]:
        """Return the nodes whose write an input may read: its producers, or the writers of a shared name."""
        return self.wiring.sources.get((node, name), ())

    @property
    def controlled_by(self) -> Mapping[str, tuple[str, ...]]:
        """Gates by target; nodes without a gate are left out."""
        return self.wiring.controllers

    @property
    def loops(self) -> tuple[tuple[str, ...], ...]:
        """Loops of two nodes or more, in topological order."""
        return self.wiring.loops

    @property
    def outputs(self) -> tuple[str, ...]:
        """All outputs with data, each name once."""
        return tuple(self.wiring.writers)

    @cached_property
    def leaf_outputs(self) -> tuple[str, ...]:
        """Outputs that no node outside of their writer's loop reads."""
        return find_leaf_outputs(self.wiring, tuple(self.nodes))

    @cached_property
    def nested_graphs(self) -> tuple[NestedGraph, ...]:
        """The graphs directly inside this one."""
        return tuple(
            [
                NestedGraph(node.name, node.graph, node.explicit_runner)
                for node in self.nodes.values()
                if isinstance(node, GraphNode)
            ]
        )

    @cached_property
    def has_cycles(self) -> bool:
        """True if the graph has a loop, of one node or several."""
        return bool(self.loops) or any([edge.source == edge.target for edge in self.edges])

    @cached_property
    def has_gates(self) -> bool:
        """True if a node is a gate."""
        return any([node.is_gate for node in self.nodes.values()])

    @cached_property
    def has_async_nodes(self) -> bool:
        """True if a node, here or in a nested graph, must be awaited."""
        return any([node.is_async for node in self.nodes.values()])

    @cached_property
    def has_interrupts(self) -> bool:
        """True if a node, here or in a nested graph, is an interrupt."""
        return any([node.is_interrupt for node in self.nodes.values()]) or any(
            [nested.graph.has_interrupts for nested in self.nested_graphs]
        )

    @cached_property
    def interrupt_nodes(self) -> tuple[InterruptNode[..., Any], ...]:
        """The interrupts of this graph, without those of nested graphs."""
        return tuple([node for node in self.nodes.values() if isinstance(node, InterruptNode)])

    @cached_property
    def interrupt_outputs(self) -> frozenset[str]:
        """Outputs of interrupts, here or in a nested graph."""
        found = {node.response_param for node in self.interrupt_nodes}
        for node in self.nodes.values():
            if isinstance(node, GraphNode) and node.graph.interrupt_outputs:
                found.update(node.outer_outputs({name: name for name in node.graph.interrupt_outputs}))
        return frozenset(found)

    @cached_property
    def input_names(self) -> frozenset[str]:
        """Names of all inputs of all nodes, whatever their source."""
        return frozenset([name for node in self.nodes.values() for name in node.inputs])

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Prefixes of dotted addresses, below which values may be given as nested mappings."""
        found = set()
        for name in {*self.input_names, *self.wiring.writers}:
            while "." in name:
                name = name.rpartition(".")[0]
                found.add(name)
        return frozenset(found - self.input_names)

    @cached_property
    def exposed_names(self) -> Mapping[str, str]:
        """Addresses of ports of nested graphs that are exposed under a flat name: address -> name."""
        nested = [node for node in self.nodes.values() if isinstance(node, GraphNode) and node.namespaced]
        return {address: alias for node in nested for address, alias in node.exposed.items()}

    # -- identity

    @cached_property
    def definition_hash(self) -> str:
        """Fingerprint of structure and code, 64 hex digits; independent of the order of nodes and of bound values."""
        return definition_hash.hash_definition(self.wiring)

    @cached_property
    def structural_hash(self) -> str:
        """Fingerprint of names, kinds and edges, 64 hex digits; a stored run resumes only with the same one."""
        return definition_hash.hash_structure(self.wiring)

    @cached_property
    def code_hash(self) -> str:
        """Fingerprint of the functions of all nodes, 64 hex digits."""
        return definition_hash.hash_code(self.wiring)
