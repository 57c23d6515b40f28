"""Graphs of functions that are wired by the names of their outputs and parameters.

    from penstock.graphs import Graph, node

    @node(output_name="doubled")
    def double(x: int) -> int:
        return 2 * x

    graph = Graph([double])

Everything here is imported when it is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.lazily import lazily

if TYPE_CHECKING:
    from penstock.graphs.compatibility import validate_map_compatible, validate_runner_compatibility
    from penstock.graphs.errors import (
        AnswerError,
        ConflictError,
        DeadlockError,
        GraphConfigError,
        IncompatibleRunnerError,
        InfiniteLoopError,
        InputError,
        MapOverError,
        MissingInputError,
        NodeReturnError,
        RenameError,
        SignatureError,
    )
    from penstock.graphs.graph import Graph, register_graph
    from penstock.graphs.inputs import InputSpec
    from penstock.graphs.nodes.base import Node
    from penstock.graphs.nodes.context import NodeContext
    from penstock.graphs.nodes.function import FunctionNode, node
    from penstock.graphs.nodes.gates import (
        END,
        GateNode,
        IfElseNode,
        RouteNode,
        TypeRouteNode,
        branch,
        ifelse,
        route,
    )
    from penstock.graphs.nodes.interrupts import InterruptNode, interrupt
    from penstock.graphs.nodes.mapping import MapConfig
    from penstock.graphs.nodes.nested import GraphNode
    from penstock.graphs.wiring import Edge

__all__ = [
    "END",
    "AnswerError",
    "ConflictError",
    "DeadlockError",
    "Edge",
    "FunctionNode",
    "GateNode",
    "Graph",
    "GraphConfigError",
    "GraphNode",
    "IfElseNode",
    "IncompatibleRunnerError",
    "InfiniteLoopError",
    "InputError",
    "InputSpec",
    "InterruptNode",
    "MapConfig",
    "MapOverError",
    "MissingInputError",
    "Node",
    "NodeContext",
    "NodeReturnError",
    "RenameError",
    "RouteNode",
    "SignatureError",
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

_HOMES = {
    ".compatibility": ("validate_map_compatible", "validate_runner_compatibility"),
    ".errors": (
        "AnswerError",
        "ConflictError",
        "DeadlockError",
        "GraphConfigError",
        "IncompatibleRunnerError",
        "InfiniteLoopError",
        "InputError",
        "MapOverError",
        "MissingInputError",
        "NodeReturnError",
        "RenameError",
        "SignatureError",
    ),
    ".graph": ("Graph", "register_graph"),
    ".inputs": ("InputSpec",),
    ".nodes.base": ("Node",),
    ".nodes.context": ("NodeContext",),
    ".nodes.function": ("FunctionNode", "node"),
    ".nodes.gates": ("END", "GateNode", "IfElseNode", "RouteNode", "TypeRouteNode", "branch", "ifelse", "route"),
    ".nodes.interrupts": ("InterruptNode", "interrupt"),
    ".nodes.mapping": ("MapConfig",),
    ".nodes.nested": ("GraphNode",),
    ".wiring": ("Edge",),
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
