"""Nodes with the original's arguments."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterable
from typing import Any

from holdwater import graphs
from holdwater.compat import stubs
from holdwater.graphs import (
    END,
    FunctionNode,
    GateNode,
    GraphNode,
    IfElseNode,
    NodeContext,
    RouteNode,
    TypeRouteNode,
    branch,
    ifelse,
    interrupt,
    route,
)
from holdwater.graphs import MapConfig as GraphNodeMapExecutionConfig
from holdwater.graphs import Node as HyperNode

_unsupported_provider_limit = stubs.stub_function("provider_limit=", "use max_concurrency= of the run")


def node(
    source: Callable[..., Any] | None = None,
    output_name: str | Iterable[str] | None = None,
    *,
    provider_limit: object = None,
    trace_io: object = None,
    **options: Any,
) -> Any:
    """Create a node as `holdwater.node` does; the name of the output may be the second argument.

    `trace_io` has no effect: events always contain all values.
    """
    if provider_limit is not None:
        _unsupported_provider_limit()
    if source is None:
        return graphs.node(output_name=output_name, **options)
    return graphs.node(source, output_name=output_name, **options)


class _InterruptNodeMeta(ABCMeta):
    """Metaclass of `InterruptNode`: two ways to create one, and `isinstance` with Holdwater's class."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        """Create an interrupt node from a function or from names.  Raises SignatureError (a TypeError)."""
        source, *rest = arguments or (options.pop("source", None),)
        if not callable(source):
            return graphs.InterruptNode(*arguments, **options)
        name = rest[0] if rest else options.pop("name", None)
        return graphs.InterruptNode.from_function(source, options.pop("answer_name", None), name=name, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, graphs.InterruptNode)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, graphs.InterruptNode)


class InterruptNode(metaclass=_InterruptNodeMeta):
    """`InterruptNode(function, name, answer_name=...)`, or `InterruptNode(name, input_param, response_param)`."""


__all__ = [
    "END",
    "FunctionNode",
    "GateNode",
    "GraphNode",
    "GraphNodeMapExecutionConfig",
    "HyperNode",
    "IfElseNode",
    "InterruptNode",
    "NodeContext",
    "RouteNode",
    "TypeRouteNode",
    "branch",
    "ifelse",
    "interrupt",
    "node",
    "route",
]
