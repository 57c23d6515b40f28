"""Reading `edges=`: who is connected to whom, and by which values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdwater.errors import GraphConfigError
from holdwater.graphs.messages import close_to, listed, told
from holdwater.graphs.nodes.base import Node

EdgeLike = tuple[str | Node, str | Node] | tuple[str | Node, str | Node, str | Iterable[str]]


@dataclass(frozen=True, slots=True)
class Declared:
    """An edge as it was written down.  Without names it is one of order only."""

    source: str
    target: str
    names: tuple[str, ...]


def declared(nodes: Mapping[str, Node], edges: Iterable[EdgeLike], shared: frozenset[str]) -> list[Declared]:
    """The edges of `edges=`.  A pair carries what the source makes and the target takes; shared names have no edges.

    Raises GraphConfigError for what is no edge, and for nodes and values that do not exist.
    """
    found = []
    for edge in edges:
        if not isinstance(edge, (tuple, list)) or len(edge) not in (2, 3):
            raise GraphConfigError(
                f"an edge is (source, target) or (source, target, names), not {edge!r}",
                hint='edges=[("load", "clean"), ("clean", "report", "rows")]',
            )
        source, target = _node(nodes, edge[0], "source"), _node(nodes, edge[1], "target")
        made, taken = nodes[source].data_outputs, nodes[target].inputs
        if len(edge) == 2:
            wanted = set(taken)
            names = tuple([name for name in made if name in wanted])
        else:
            names = (edge[2],) if isinstance(edge[2], str) else tuple(edge[2])
            for name in names:
                _check(name, made, f"{source!r} does not make it; its outputs are {listed(made)}", source, target)
                _check(name, taken, f"{target!r} does not take it; its inputs are {listed(taken)}", source, target)
        found.append(Declared(source, target, tuple([name for name in names if name not in shared])))
    return found


def _node(nodes: Mapping[str, Node], given: object, end: str) -> str:
    name = given.name if isinstance(given, Node) else given
    if not isinstance(name, str) or name not in nodes:
        raise GraphConfigError(
            told(f"the {end} of an edge, {name!r}, is not in the graph", f"the nodes are {listed(nodes)}"),
            hint=close_to(name, nodes),
        )
    return name


def _check(name: str, known: tuple[str, ...], fact: str, source: str, target: str) -> None:
    if name not in known:
        raise GraphConfigError(
            told(f"the edge from {source!r} to {target!r} cannot carry {name!r}", fact), hint=close_to(name, known)
        )
