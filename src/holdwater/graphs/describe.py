"""Textual description of a graph."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from holdwater.graphs.type_compat import format_type

if TYPE_CHECKING:
    from holdwater.graphs.build.scope import Scope
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node


def format_headline(graph: GraphProtocol) -> str:
    """Return `Graph: name | 3 nodes | 2 edges | no cycles`."""
    parts = [
        f"Graph: {graph.name}" if graph.name else "Graph",
        _format_count(len(graph.nodes), "node"),
        _format_count(len(graph.edges), "edge"),
        "has cycles" if graph.has_cycles else "no cycles",
    ]
    return " | ".join(parts)


def describe_graph(graph: GraphProtocol, show_types: bool) -> str:
    """Describe inputs, outputs and nodes of a graph in its scope, a line each."""
    scope = graph.scope()
    nodes = [graph.nodes[name] for name in scope.active]
    takers = {name: node for node in reversed(nodes) for name in node.inputs}
    makers = {name: node for node in reversed(nodes) for name in node.data_outputs}

    def typed(name: str, hint: object) -> str:
        return f"{name}: {format_type(hint)}" if show_types and hint is not None else name

    def inputs(names: Iterable[str]) -> list[str]:
        return [typed(name, takers[name].get_input_type(name) if name in takers else None) for name in names]

    bound = scope.inputs.bound
    lines = [f"# {graph.name or 'Graph'}", "", "Inputs:"]
    lines += _format_row("required", inputs(scope.inputs.required))
    lines += _format_row("optional", inputs([name for name in scope.inputs.optional if name not in bound]))
    lines += _format_row("bound", inputs(bound))
    lines += ["", "Outputs:"]
    outputs = [typed(name, makers[name].get_output_type(name) if name in makers else None) for name in scope.outputs]
    lines += [f"  {output}" for output in outputs] or ["  none"]
    lines += ["", "Nodes:", *_format_nodes(graph, scope, nodes)]
    return "\n".join(lines)


def _format_row(title: str, names: list[str]) -> list[str]:
    return [f"  {title}: {', '.join(names)}"] if names else []


def _format_nodes(graph: GraphProtocol, scope: Scope, nodes: list[Node]) -> list[str]:
    """List nodes in one line if they form a chain, else a line each."""
    pairs = {(edge.source, edge.target) for edge in graph.edges if edge.source != edge.target}
    among = set(scope.active)
    pairs = {(source, target) for source, target in pairs if source in among and target in among}
    order = sorted(scope.active, key=graph.wiring.digraph.component.__getitem__)
    if len(order) > 1 and pairs == set(pairwise(order)):
        return [f"  {' -> '.join(order)}"]
    return [f"  {_format_signature(node)}" for node in nodes]


def _format_signature(node: Node) -> str:
    made = getattr(node, "targets", ()) or node.outputs
    arrow = " -> " + ", ".join([str(name) for name in made]) if made else ""
    return f"{node.name}({', '.join(node.inputs)}){arrow}"


def _format_count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
