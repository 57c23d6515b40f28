"""Checks that a runner supports the features of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdwater.errors import GraphConfigError, IncompatibleRunnerError

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.runner_protocol import CapableRunner


_REQUIRED_FEATURES: Final = (
    ("is_async", "supports_async_nodes", "async nodes"),
    ("is_gate", "supports_gates", "gates"),
)


def validate_runner_compatibility(graph: GraphProtocol, runner: CapableRunner) -> None:
    """Check that the runner supports a graph and those nested in it.  Raises IncompatibleRunnerError.

    A nested graph with a runner of its own is checked against that runner; its interrupts must be supported by the
    outer runners as well, because a pause propagates to them.
    """
    todo = [(graph, runner)]
    while todo:
        graph, runner = todo.pop()
        nested = graph.nested_graphs
        capabilities = runner.capabilities
        if graph.has_cycles and not capabilities.supports_cycles:
            raise _incompatible_runner_error(graph, runner, "supports_cycles", "cycles", "")
        if graph.has_interrupts and not capabilities.supports_interrupts:
            asking = [name for name, node in graph.nodes.items() if node.is_interrupt]
            asking += [one.node_name for one in nested if one.graph.has_interrupts]
            raise _incompatible_runner_error(graph, runner, "supports_interrupts", "interrupts", asking[0])
        judged_below = {one.node_name for one in nested}
        for name, node in graph.nodes.items():
            for attribute, capability, words in _REQUIRED_FEATURES:
                if getattr(node, attribute) and name not in judged_below and not getattr(capabilities, capability):
                    raise _incompatible_runner_error(graph, runner, capability, words, name)
        todo += [(one.graph, one.explicit_runner or runner) for one in nested]


def validate_map_compatible(graph: GraphProtocol, context: str) -> None:
    """Check that a graph to be mapped has no interrupts.  `context`: the caller, for the message.

    Raises GraphConfigError.
    """
    if graph.has_interrupts:
        raise GraphConfigError(
            f"{context}, but {_describe_graph(graph)} has interrupts.\n"
            "  problem: a map runs it many times in one go, and an interrupt waits for a person each time",
            hint='run it in a loop and answer each pause, or ask for paused items with on_pause="item":\n'
            "    for item in items:\n"
            "        result = await runner.run(graph, item)\n"
            "        if result.pause:\n"
            "            ...  # answer it",
        )


def _describe_graph(graph: GraphProtocol) -> str:
    return f"graph {graph.name!r}" if graph.name else "the graph"


def _incompatible_runner_error(
    graph: GraphProtocol, runner: CapableRunner, capability: str, feature: str, node_name: str
) -> IncompatibleRunnerError:
    return IncompatibleRunnerError(
        f"{_describe_graph(graph)} has {feature}{f' ({node_name})' if node_name else ''}, but"
        f" {type(runner).__name__} doesn't support {feature}",
        node_name=node_name,
        capability=capability,
        hint="use AsyncRunner, which supports them",
    )
