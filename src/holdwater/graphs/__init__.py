"""Graphs of functions that are wired by the names of their outputs and parameters.

    from holdwater.graphs import Graph, node

    @node(output_name="doubled")
    def double(x: int) -> int:
        return 2 * x

    graph = Graph([double])

Everything here is imported when it is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.graphs.build.wiring import Edge
    from holdwater.graphs.graph import Graph, register_graph
    from holdwater.graphs.input_spec import InputSpec
    from holdwater.graphs.nodes.base import Node
    from holdwater.graphs.nodes.function import FunctionNode, node
    from holdwater.graphs.nodes.gates import END, GateNode, IfElseNode, RouteNode, TypeRouteNode, branch, ifelse, route
    from holdwater.graphs.nodes.interrupts import InterruptNode, interrupt
    from holdwater.graphs.nodes.map_config import MapConfig
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.graphs.nodes.node_context import NodeContext
    from holdwater.graphs.runner_compatibility import validate_map_compatible, validate_runner_compatibility

__all__ = [
    "END",
    "Edge",
    "FunctionNode",
    "GateNode",
    "Graph",
    "GraphNode",
    "IfElseNode",
    "InputSpec",
    "InterruptNode",
    "MapConfig",
    "Node",
    "NodeContext",
    "RouteNode",
    "TypeRouteNode",
    "branch",
    "ifelse",
    "interrupt",
    "node",
    "register_graph",
    "route",
    "validate_map_compatible",
    "validate_runner_compatibility",
]

_EXPORTS = {
    "holdwater.graphs.build.wiring": ("Edge",),
    "holdwater.graphs.graph": (
        "Graph",
        "register_graph",
    ),
    "holdwater.graphs.input_spec": ("InputSpec",),
    "holdwater.graphs.nodes.base": ("Node",),
    "holdwater.graphs.nodes.function": (
        "FunctionNode",
        "node",
    ),
    "holdwater.graphs.nodes.gates": (
        "END",
        "GateNode",
        "IfElseNode",
        "RouteNode",
        "TypeRouteNode",
        "branch",
        "ifelse",
        "route",
    ),
    "holdwater.graphs.nodes.interrupts": (
        "InterruptNode",
        "interrupt",
    ),
    "holdwater.graphs.nodes.map_config": ("MapConfig",),
    "holdwater.graphs.nodes.nested": ("GraphNode",),
    "holdwater.graphs.nodes.node_context": ("NodeContext",),
    "holdwater.graphs.runner_compatibility": (
        "validate_map_compatible",
        "validate_runner_compatibility",
    ),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
