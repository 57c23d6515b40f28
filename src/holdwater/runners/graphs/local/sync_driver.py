"""Driver of runs in the calling thread: one function after the other, in the order nodes become ready."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.graphs.node_call import call_function
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.cancellation_token import CANCELLATION_TOKEN, to_node_failure
from holdwater.model.commands import Execute, StartTimer
from holdwater.model.results import NodeResult
from holdwater.model.time import Micros
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.errors import failed_event, outcome_of
from holdwater.runners.graphs.local.fast_path import MIN_ITEMS_TO_GENERATE
from holdwater.runners.graphs.local.nesting import call_nested_graph, expand_inner_items, note_node_location, to_columns
from holdwater.runners.graphs.local.prepare import prepare_nested
from holdwater.runners.graphs.local.retry_times import seconds_until
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.map_items import MapItems
    from holdwater.runners.graphs.local.prepare import PreparedGraph
    from holdwater.runners.graphs.local.spans import RunSpan

T = TypeVar("T")


def run_graph(prepared: PreparedGraph, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
    """Run a graph once.  Exceptions of nodes are part of the outcome; KeyboardInterrupt and SystemExit propagate."""
    if run_context.event_sink is None:
        straight = None if not _is_unrestricted() or prepared.uses_cache(run_context.node_cache) else prepared.fast_path
        return (
            _run_machine(prepared, inputs, run_context, None)
            if straight is None
            else straight.run_once(inputs, run_context)
        )
    watch = run_context.make_run_span(prepared.compiled.graph)
    assert watch is not None
    watch.emit_start(inputs, node_count=len(prepared.compiled.nodes))
    try:
        end = _run_machine(prepared, inputs, run_context, watch)
    except BaseException as error:
        watch.emit_end(RunOutcome({}, error))
        raise
    watch.emit_end(end)
    return end


def map_graph(
    prepared: PreparedGraph,
    items: MapItems,
    run_context: RunContext,
    make_result: Callable[[dict[str, Any]], T],
    make_failed_result: Callable[[RunOutcome], T] | None,
) -> list[T]:
    """Run a graph per item.  `make_failed_result`: converts a failure; None raises the first one."""
    if (
        len(items) >= MIN_ITEMS_TO_GENERATE
        and not items.cloned
        and run_context.event_sink is None
        and _is_unrestricted()
        and not prepared.uses_cache(run_context.node_cache)
        and prepared.fast_path is not None
    ):
        return prepared.fast_path.run_items(items, run_context, make_result, make_failed_result)
    watch = run_context.make_run_span(prepared.compiled.graph)
    if watch is None:
        return [
            _to_result(run_graph(prepared, given, run_context).for_item(index), make_result, make_failed_result)
            for index, given in enumerate(items)
        ]
    watch.emit_start({**items.shared, **dict(zip(items.params, zip(*items.rows)))}, map_size=len(items))
    results: list[T] = []
    whole = RunOutcome({})
    try:
        for index, given in enumerate(items):
            end = run_graph(prepared, given, run_context.for_item(index, watch.span_id)).for_item(index)
            whole.error = whole.error or end.error
            results.append(_to_result(end, make_result, make_failed_result))
    except BaseException as error:
        whole.error = error
        raise
    finally:
        watch.emit_end(whole)
    return results


def run_graph_node(node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
    """Run the graph of a node within the outer run, once or per item.  Raises MapOverError."""
    config = node.map_config
    if config is None:
        given = node.inner_inputs(inputs)
        return run_graph(prepare_nested(node.graph, given, node.inner_selection), given, run_context)
    items = expand_inner_items(node, inputs)
    prepared = prepare_nested(node.graph, items.input_names, node.inner_selection)
    keep = _no_outputs if config.error_handling == "continue" else None
    return RunOutcome(to_columns(node, map_graph(prepared, items, run_context, _identity, keep)))


def _is_unrestricted() -> bool:
    """Return True without a limit of concurrency, and if the run cannot be stopped between two nodes."""
    return limiter.current_limiter() is None and CANCELLATION_TOKEN.get() is None


def _identity(outputs: dict[str, Any]) -> dict[str, Any] | None:
    return outputs


def _no_outputs(outcome: RunOutcome) -> dict[str, Any] | None:
    return None


def _to_result(
    outcome: RunOutcome,
    make_result: Callable[[dict[str, Any]], T],
    make_failed_result: Callable[[RunOutcome], T] | None,
) -> T:
    if outcome.error is None:
        return make_result(outcome.outputs)
    if make_failed_result is None:
        raise outcome.error
    return make_failed_result(outcome)


def _run_machine(
    prepared: PreparedGraph, graph_inputs: dict[str, Any], run_context: RunContext, run_span: RunSpan | None
) -> RunOutcome:
    """Execute the commands of the machine in their order."""
    compiled = prepared.compiled
    calls, nodes = compiled.calls, compiled.nodes
    memo, permits, stop = run_context.node_cache, limiter.current_limiter(), CANCELLATION_TOKEN.get()
    m = Machine(compiled.plan_with_limit(run_context.max_iterations))
    m.apply(ev.Started(prepared.machine_inputs(graph_inputs)))
    errors: dict[int, BaseException] = {}
    sleeping: list[tuple[Micros, int]] = []
    while True:
        for c in m.take_commands():
            i = c.node
            if type(c) is StartTimer:
                assert c.at is not None
                heapq.heappush(sleeping, (c.at, i))
                continue
            assert type(c) is Execute
            if m.halted:
                m.apply(ev.Cancelled(i, c.fence))
                continue
            if stop is not None:
                stop.raise_if_cancelled()
            node = nodes[i]
            done: NodeResult
            try:
                inputs = compiled.node_inputs(m, i)
                if isinstance(node, GraphNode):
                    done = call_nested_graph(node, i, inputs, run_context, run_span)
                else:
                    if permits is not None:
                        permits.acquire_blocking()
                    try:
                        done = call_function(calls[i], inputs, run_span, memo)
                    finally:
                        if permits is not None:
                            permits.release()
            except BaseException as raised:  # noqa: BLE001 - what is no failure is raised again
                errors[i] = error = to_node_failure(raised)
                note_node_location(error, node)
                m.apply(failed_event(node, c, error))
            else:
                m.apply(ev.Succeeded(i, c.fence, done.values, done.decision))
        if m.new_commands:
            continue
        if not sleeping or m.ended:
            break
        at, i = heapq.heappop(sleeping)
        (time.sleep if stop is None else stop.sleep)(seconds_until(at))
        m.apply(ev.TimerFired(i))
    return outcome_of(compiled, m, errors, run_context)
