"""Graphs run in this thread: one body after the other, in the order their nodes become ready."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.graphs.node_call import Performance, perform
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.cancellation import STOP, failure_of
from holdwater.model.commands import Execute, Wake
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.errors import ending, failure
from holdwater.runners.graphs.local.fast_path import GENERATED_FROM
from holdwater.runners.graphs.local.nesting import in_columns, inner_items, located_at, perform_nested
from holdwater.runners.graphs.local.prepare import prepare
from holdwater.runners.graphs.local.run_context import Ending, Setting

if TYPE_CHECKING:
    from holdwater.graphs.map_items import Items
    from holdwater.runners.graphs.local.prepare import Prepared
    from holdwater.runners.graphs.local.spans import Watch

T = TypeVar("T")


def run(prepared: Prepared, given: dict[str, Any], setting: Setting) -> Ending:
    """Run a graph once.  What a node raises is in the ending; what ends the process (Ctrl-C) is raised."""
    if setting.outlet is None:
        straight = None if not _is_free() or prepared.memoizes(setting.memo) else prepared.straight
        return _drive(prepared, given, setting, None) if straight is None else straight.run(given, setting)
    watch = setting.watch(prepared.compiled.graph)
    assert watch is not None
    watch.started(given, node_count=len(prepared.compiled.nodes))
    try:
        end = _drive(prepared, given, setting, watch)
    except BaseException as error:
        watch.ended(Ending({}, error))
        raise
    watch.ended(end)
    return end


def map_over(
    prepared: Prepared,
    items: Items,
    setting: Setting,
    done: Callable[[dict[str, Any]], T],
    failed: Callable[[Ending], T] | None,
) -> list[T]:
    """Run a graph per item.  `failed` makes a result of a failure; None: the first one is raised."""
    if (
        len(items) >= GENERATED_FROM
        and not items.cloned
        and setting.outlet is None
        and _is_free()
        and not prepared.memoizes(setting.memo)
        and prepared.straight is not None
    ):
        return prepared.straight.each(items, setting, done, failed)
    watch = setting.watch(prepared.compiled.graph)
    if watch is None:
        return [_ended(run(prepared, given, setting).of_item(index), done, failed) for index, given in enumerate(items)]
    watch.started({**items.shared, **dict(zip(items.params, zip(*items.rows)))}, map_size=len(items))
    results: list[T] = []
    whole = Ending({})
    try:
        for index, given in enumerate(items):
            end = run(prepared, given, setting.item(index, watch.span_id)).of_item(index)
            whole.error = whole.error or end.error
            results.append(_ended(end, done, failed))
    except BaseException as error:
        whole.error = error
        raise
    finally:
        watch.ended(whole)
    return results


def run_nested(node: GraphNode, inputs: dict[str, Any], setting: Setting) -> Ending:
    """Run the graph of a node for the outer run, once or per item.  Raises MapOverError."""
    config = node.map_config
    if config is None:
        given = node.inner_inputs(inputs)
        return run(prepare(node.graph, given, node.inner_selection), given, setting)
    items = inner_items(node, inputs)
    prepared = prepare(node.graph, items.names, node.inner_selection)
    keep = _nothing if config.error_handling == "continue" else None
    return Ending(in_columns(node, map_over(prepared, items, setting, _same, keep)))


def _is_free() -> bool:
    """Whether nothing limits the bodies of this call, and nothing can tell it to stop between two of them."""
    return limiter.current() is None and STOP.get() is None


def _same(outputs: dict[str, Any]) -> dict[str, Any] | None:
    return outputs


def _nothing(end: Ending) -> dict[str, Any] | None:
    return None


def _ended(end: Ending, done: Callable[[dict[str, Any]], T], failed: Callable[[Ending], T] | None) -> T:
    if end.error is None:
        return done(end.outputs)
    if failed is None:
        raise end.error
    return failed(end)


def _drive(prepared: Prepared, given: dict[str, Any], setting: Setting, watch: Watch | None) -> Ending:
    """Do what the machine wants done, first come, first served."""
    compiled = prepared.compiled
    calls, nodes = compiled.calls, compiled.nodes
    memo, permits, stop = setting.memo, limiter.current(), STOP.get()
    m = Machine(compiled.limited(setting.max_iterations))
    m.apply(ev.Started(prepared.start(given)))
    errors: dict[int, BaseException] = {}
    sleeping: list[tuple[int, int]] = []
    while True:
        for c in m.take():
            i = c.node
            if type(c) is Wake:
                assert c.at is not None
                heapq.heappush(sleeping, (c.at, i))
                continue
            assert type(c) is Execute
            if m.halted:
                m.apply(ev.Cancelled(i, c.fence))
                continue
            if stop is not None:
                stop.check()
            node = nodes[i]
            done: Performance
            try:
                inputs = compiled.inputs(m, i)
                if isinstance(node, GraphNode):
                    done = perform_nested(node, i, inputs, setting, watch)
                else:
                    if permits is not None:
                        permits.acquire_blocking()
                    try:
                        done = perform(calls[i], inputs, watch, memo)
                    finally:
                        if permits is not None:
                            permits.release()
            except BaseException as raised:  # noqa: BLE001 - what is no failure is raised again
                errors[i] = error = failure_of(raised)
                located_at(error, node)
                m.apply(failure(node, c, error))
            else:
                m.apply(ev.Succeeded(i, c.fence, done.values, done.decision))
        if m.fresh:
            continue
        if not sleeping or m.ended:
            break
        at, i = heapq.heappop(sleeping)
        (time.sleep if stop is None else stop.sleep)(max(0.0, at / 1e6 - time.monotonic()))
        m.apply(ev.TimerFired(i))
    return ending(compiled, m, errors, setting)
