"""Checks of the names of a graph, its nodes and their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from keyword import iskeyword
from types import MappingProxyType

from holdwater.errors import GraphConfigError
from holdwater.graphs.messages import with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.nested import GraphNode


def check_name(name: str | None) -> None:
    """Check the name of a graph, which becomes part of addresses.  Raises GraphConfigError."""
    for sign in "./":
        if name is not None and sign in name:
            raise GraphConfigError(
                f"the name of a graph cannot contain {sign!r}: {name!r}",
                hint=f"{name.replace(sign, '_')!r} would do; the sign separates the parts of an address",
            )


def index_nodes(nodes: Iterable[Node]) -> Mapping[str, Node]:
    """Map nodes by name, read-only.  Raises GraphConfigError for an invalid or duplicate name."""
    if isinstance(nodes, Node):
        raise GraphConfigError("a graph is made of a list of nodes", hint=f"Graph([{nodes.name}])")
    found: dict[str, Node] = {}
    for node in nodes:
        if not isinstance(node, Node):
            raise _not_a_node_error(node)
        if node.name in found:
            raise GraphConfigError(
                with_facts(f"two nodes are called {node.name!r}", f"{found[node.name]!r}", f"{node!r}"),
                hint='give one of them another name: node.with_name("...")',
            )
        _check_node_names(node)
        found[node.name] = node
    return MappingProxyType(found)


def _check_node_names(node: Node) -> None:
    name = node.name
    if name == "END":
        raise GraphConfigError("a node cannot be called 'END', which is where gates end a run")
    if isinstance(node, GraphNode):
        return  # its ports are prefixed names of a graph that has been checked
    if not name.isidentifier() or iskeyword(name):
        raise GraphConfigError(
            f"{name!r} cannot be the name of a node: it is {'a keyword' if iskeyword(name) else 'no identifier'}",
            hint='node.with_name("..."), with letters, digits and underscores',
        )
    for output in node.outputs:
        wrong = (
            "no identifier"
            if not output.isidentifier()
            else "a keyword"
            if iskeyword(output)
            else "private"
            if output.startswith("_")
            else ""
        )
        if wrong:
            raise GraphConfigError(
                f"{output!r} cannot be an output of node {name!r}: it is {wrong}",
                hint="with letters, digits and underscores, and a letter first",
            )


def _not_a_node_error(value: object) -> GraphConfigError:
    name = getattr(value, "__name__", None)
    if hasattr(value, "as_node"):
        hint = "graph.as_node()"
    elif callable(value) and name:
        hint = f'decorate it with @node(output_name="...") or use FunctionNode({name}, output_name="...")'
    else:
        hint = "nodes are made by @node, @route, @ifelse, @interrupt and graph.as_node()"
    return GraphConfigError(f"{name or value!r} is no node", hint=hint)
