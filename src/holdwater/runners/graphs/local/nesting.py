"""Nested graphs: selection and call of their runner, and conversion of inputs and outputs.

A nested graph is run by its explicit runner, else by the runner of the outer graph.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

from holdwater.errors import IncompatibleRunnerError
from holdwater.graphs.map_items import MapItems, expand_items
from holdwater.graphs.node_listener import ExecutionSpan, observed
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.results import NodeResult
from holdwater.model.rules import MISSING
from holdwater.runners.graphs.local.error_location import note_location, note_nested_location
from holdwater.runners.graphs.local.run_context import CallingConvention, GraphRunner, NoParent, ParentRun, RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.local.threads import run_in_own_loop, run_in_thread

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.spans import RunSpan


class ExecutionStrategy(Enum):
    """The way a runner calls the runner of a nested graph."""

    AWAIT = "await"
    THREAD_POOL = "thread_pool"
    ASYNCIO_RUN = "asyncio_run"
    DIRECT = "direct"


class _HasCapabilities(Protocol):
    @property
    def capabilities(self) -> CallingConvention: ...


def get_execution_strategy(parent: _HasCapabilities, nested: _HasCapabilities) -> ExecutionStrategy:
    """Return the strategy, by the runners' `returns_coroutine`."""
    match parent.capabilities.returns_coroutine, nested.capabilities.returns_coroutine:
        case True, True:
            return ExecutionStrategy.AWAIT
        case True, False:
            return ExecutionStrategy.THREAD_POOL
        case False, True:
            return ExecutionStrategy.ASYNCIO_RUN
        case _:
            return ExecutionStrategy.DIRECT


def call_nested_graph(
    node: GraphNode, node_index: int, inputs: dict[str, Any], run_context: RunContext, run_span: RunSpan | None = None
) -> NodeResult:
    """Run a nested graph to its end from a synchronous runner.  Exceptions of its nodes propagate."""
    with observed(run_span, node, inputs) as span:
        runner = _select_runner(node, run_context)
        inner = run_context.for_nested_graph(node, node_index, _span_id(span), runner, NoParent())
        if get_execution_strategy(run_context.runner, runner) is ExecutionStrategy.DIRECT:
            ending = cast("RunOutcome", runner.run_inside(node, inputs, inner))
        else:
            ending = run_in_own_loop(lambda: _run_inside_async(runner, node, inputs, inner))
        return _to_call_result(node, ending, span)


async def call_nested_graph_async(
    node: GraphNode,
    node_index: int,
    inputs: dict[str, Any],
    run_context: RunContext,
    run_span: RunSpan | None,
    parent_run: ParentRun,
) -> NodeResult | None:
    """Run a nested graph from an asynchronous runner; None if it waits for answers."""
    with observed(run_span, node, inputs) as span:
        runner = _select_runner(node, run_context)
        if get_execution_strategy(run_context.runner, runner) is ExecutionStrategy.AWAIT:
            ending = await _run_inside_async(
                runner, node, inputs, run_context.for_nested_graph(node, node_index, _span_id(span), runner, parent_run)
            )
        else:
            inner = run_context.for_nested_graph(node, node_index, _span_id(span), runner, NoParent())
            ending = await run_in_thread(
                lambda: cast("RunOutcome", runner.run_inside(node, inputs, inner)), own_thread=True
            )
        return None if ending.pauses else _to_call_result(node, ending, span)


def note_node_location(error: BaseException, node: Node) -> None:
    """Note the node at which an error was raised; for a nested graph, prefix the location inside it."""
    if isinstance(node, GraphNode):
        note_nested_location(error, node)
    else:
        note_location(error, node.name, node.inputs)


def expand_inner_items(node: GraphNode, inputs: Mapping[str, Any]) -> MapItems:
    """Expand the inputs of a mapped node to items, by inner names.  Raises MapOverError."""
    config = node.map_config
    assert config is not None
    items = expand_items(inputs, config.params, config.mode, config.clone)
    return replace(
        items,
        params=tuple(node.param(name) for name in items.params),
        shared=node.inner_inputs(items.shared),
        cloned=tuple(node.param(name) for name in items.cloned),
    )


def to_columns(node: GraphNode, items: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Collect the outputs of items to lists, by inner names; None where an item lacks an output."""
    return {name: [None if one is None else one.get(name) for one in items] for name in node.inner_selection}


def _select_runner(node: GraphNode, run_context: RunContext) -> GraphRunner:
    runner = node.explicit_runner
    if runner is None:
        return run_context.runner
    if not hasattr(runner, "run_inside"):
        raise IncompatibleRunnerError(
            f"the runner of node {node.name!r}, a {type(runner).__name__}, cannot run a nested graph",
            node_name=node.name,
            hint="derive it from BaseRunner",
        )
    return cast("GraphRunner", runner)


async def _run_inside_async(
    runner: GraphRunner, node: GraphNode, inputs: dict[str, Any], inner_context: RunContext
) -> RunOutcome:
    return await cast("Awaitable[RunOutcome]", runner.run_inside(node, inputs, inner_context))


def _span_id(span: ExecutionSpan | None) -> str | None:
    return getattr(span, "span_id", None)


def _to_call_result(node: GraphNode, outcome: RunOutcome, span: ExecutionSpan | None) -> NodeResult:
    if outcome.error is not None:
        raise outcome.error
    made = node.outer_outputs(outcome.outputs)
    if span is not None:
        span.emit_end(made)
    return NodeResult(tuple([made.get(name, MISSING) for name in node.outputs]))
