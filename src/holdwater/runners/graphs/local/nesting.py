"""Graphs inside graphs: who runs them, how that runner is called, and what comes back through the boundary.

A nested graph is run by its explicit runner, else by the runner of the outer graph.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

from holdwater.errors import IncompatibleRunnerError
from holdwater.graphs.map_items import Items, expanded
from holdwater.graphs.node_call import Performance, Span, spanned
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.rules import MISSING
from holdwater.runners.graphs.local.error_location import locate, locate_inside
from holdwater.runners.graphs.local.run_context import Above, Capabilities, Detached, Ending, GraphRunner, Setting
from holdwater.runners.graphs.local.threads import in_own_loop, in_thread

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.spans import Watch


class ExecutionStrategy(Enum):
    """How a runner calls the runner of a nested graph."""

    AWAIT = "await"
    THREAD_POOL = "thread_pool"
    ASYNCIO_RUN = "asyncio_run"
    DIRECT = "direct"


class _Runner(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...


def get_execution_strategy(parent: _Runner, nested: _Runner) -> ExecutionStrategy:
    """By whether their `run` returns a coroutine."""
    match parent.capabilities.returns_coroutine, nested.capabilities.returns_coroutine:
        case True, True:
            return ExecutionStrategy.AWAIT
        case True, False:
            return ExecutionStrategy.THREAD_POOL
        case False, True:
            return ExecutionStrategy.ASYNCIO_RUN
        case _:
            return ExecutionStrategy.DIRECT


def perform_nested(
    node: GraphNode, number: int, inputs: dict[str, Any], setting: Setting, watch: Watch | None = None
) -> Performance:
    """Run a nested graph to its end from a runner that blocks.  Raises what its nodes raise."""
    with spanned(watch, node, inputs) as span:
        runner = _runner_of(node, setting)
        inner = setting.inside(node, number, _id_of(span), runner, Detached())
        if get_execution_strategy(setting.runner, runner) is ExecutionStrategy.DIRECT:
            ending = cast("Ending", runner.run_inside(node, inputs, inner))
        else:
            ending = in_own_loop(lambda: _awaited(runner, node, inputs, inner))
        return _performance(node, ending, span)


async def perform_nested_async(
    node: GraphNode, number: int, inputs: dict[str, Any], setting: Setting, watch: Watch | None, above: Above
) -> Performance | None:
    """The same from a runner in a loop; None if the nested graph waits for answers."""
    with spanned(watch, node, inputs) as span:
        runner = _runner_of(node, setting)
        if get_execution_strategy(setting.runner, runner) is ExecutionStrategy.AWAIT:
            ending = await _awaited(runner, node, inputs, setting.inside(node, number, _id_of(span), runner, above))
        else:
            inner = setting.inside(node, number, _id_of(span), runner, Detached())
            ending = await in_thread(lambda: cast("Ending", runner.run_inside(node, inputs, inner)), waits=True)
        return None if ending.pauses else _performance(node, ending, span)


def located_at(error: BaseException, node: Node) -> None:
    """Note on an error at which node it was raised, and on one out of a nested graph on the way to it."""
    if isinstance(node, GraphNode):
        locate_inside(error, node)
    else:
        locate(error, node.name, node.inputs)


def inner_items(node: GraphNode, inputs: Mapping[str, Any]) -> Items:
    """The items a mapped node makes of its inputs, by the names inside the graph.  Raises MapOverError."""
    config = node.map_config
    assert config is not None
    items = expanded(inputs, config.params, config.mode, config.clone)
    return replace(
        items,
        params=tuple(node.param(name) for name in items.params),
        shared=node.inner_inputs(items.shared),
        cloned=tuple(node.param(name) for name in items.cloned),
    )


def in_columns(node: GraphNode, items: list[dict[str, Any] | None]) -> dict[str, Any]:
    """The outputs of the items as lists, by the names inside the graph; None where an item has no such output."""
    return {name: [None if one is None else one.get(name) for one in items] for name in node.inner_selection}


def _runner_of(node: GraphNode, setting: Setting) -> GraphRunner:
    runner = node.explicit_runner
    if runner is None:
        return setting.runner
    if not hasattr(runner, "run_inside"):
        raise IncompatibleRunnerError(
            f"the runner of node {node.name!r}, a {type(runner).__name__}, cannot run a nested graph",
            node_name=node.name,
            hint="derive it from BaseRunner",
        )
    return cast("GraphRunner", runner)


async def _awaited(runner: GraphRunner, node: GraphNode, inputs: dict[str, Any], inner: Setting) -> Ending:
    return await cast("Awaitable[Ending]", runner.run_inside(node, inputs, inner))


def _id_of(span: Span | None) -> str | None:
    return getattr(span, "span_id", None)


def _performance(node: GraphNode, ending: Ending, span: Span | None) -> Performance:
    if ending.error is not None:
        raise ending.error
    made = node.outer_outputs(ending.outputs)
    if span is not None:
        span.done(made)
    return Performance(tuple([made.get(name, MISSING) for name in node.outputs]))
