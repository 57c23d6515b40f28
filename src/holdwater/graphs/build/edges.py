"""Parsing of `edges=`: connected nodes and the values each edge carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdwater.errors import GraphConfigError
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.model.suggestions import did_you_mean

EdgeLike = tuple[str | Node, str | Node] | tuple[str | Node, str | Node, str | Iterable[str]]


@dataclass(frozen=True, slots=True)
class ExplicitEdge:
    """A declared edge.  Without names it only orders its nodes."""

    source: str
    target: str
    names: tuple[str, ...]


def parse_edges(nodes: Mapping[str, Node], edges: Iterable[EdgeLike], shared: frozenset[str]) -> list[ExplicitEdge]:
    """Parse `edges=`.  A pair carries the outputs of the source that are inputs of the target, except shared names.

    Raises GraphConfigError for a malformed edge, and for unknown nodes and values.
    """
    found = []
    for edge in edges:
        if not isinstance(edge, (tuple, list)) or len(edge) not in (2, 3):
            raise GraphConfigError(
                f"an edge is (source, target) or (source, target, names), not {edge!r}",
                hint='edges=[("load", "clean"), ("clean", "report", "rows")]',
            )
        source, target = _resolve_node(nodes, edge[0], "source"), _resolve_node(nodes, edge[1], "target")
        made, taken = nodes[source].data_outputs, nodes[target].inputs
        if len(edge) == 2:
            wanted = set(taken)
            names = tuple([name for name in made if name in wanted])
        else:
            names = (edge[2],) if isinstance(edge[2], str) else tuple(edge[2])
            for name in names:
                _check_carried_name(
                    name, made, f"{source!r} does not make it; its outputs are {join_names(made)}", source, target
                )
                _check_carried_name(
                    name, taken, f"{target!r} does not take it; its inputs are {join_names(taken)}", source, target
                )
        found.append(ExplicitEdge(source, target, tuple([name for name in names if name not in shared])))
    return found


def _resolve_node(nodes: Mapping[str, Node], value: object, end: str) -> str:
    name = value.name if isinstance(value, Node) else value
    if not isinstance(name, str) or name not in nodes:
        raise GraphConfigError(
            with_facts(f"the {end} of an edge, {name!r}, is not in the graph", f"the nodes are {join_names(nodes)}"),
            hint=did_you_mean(name, nodes),
        )
    return name


def _check_carried_name(name: str, port_names: tuple[str, ...], fact: str, source: str, target: str) -> None:
    if name not in port_names:
        raise GraphConfigError(
            with_facts(f"the edge from {source!r} to {target!r} cannot carry {name!r}", fact),
            hint=did_you_mean(name, port_names),
        )
