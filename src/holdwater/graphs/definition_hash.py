"""Fingerprints of graphs, 64 hex digits.  The order of nodes and bound values are not part of them."""

from __future__ import annotations

from typing import Any

from holdwater.fingerprint.shallow import json_digest
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode, target_text
from holdwater.graphs.nodes.nested import GraphNode


def hash_definition(wiring: Wiring) -> str:
    """Hash the structure and the code of a graph."""
    return json_digest([hash_structure(wiring), hash_code(wiring)])


def hash_code(wiring: Wiring) -> str:
    """Hash name and definition of every node."""
    return json_digest(sorted([[node.name, node.definition_hash] for node in wiring.nodes.values()]))


def hash_structure(wiring: Wiring) -> str:
    """Hash names, kinds, ports, targets and edges, and the structure of nested graphs."""
    edges = sorted([[edge.source, edge.target, edge.kind, *sorted(edge.names)] for edge in wiring.edges])
    return json_digest(
        [sorted([_node_structure(node) for node in wiring.nodes.values()]), edges, sorted(wiring.shared)]
    )


def _node_structure(node: Node) -> list[Any]:
    kind = "gate" if node.is_gate else "interrupt" if node.is_interrupt else "node"
    inside: list[Any] = []
    if isinstance(node, GateNode):
        inside = [[target_text(target) for target in node.targets], node.multi_target, node.default_open]
    elif isinstance(node, GraphNode):
        kind, mapped = "graph", node.map_config
        inside = [node.graph.structural_hash, [list(mapped.params), mapped.mode] if mapped else None]
    return [node.name, kind, sorted(node.inputs), sorted(node.outputs), sorted(node.wait_for), inside]
