"""Maps on an event loop: concurrent runs of one graph, and nested graphs, mapped or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.async_driver import run_graph
from holdwater.runners.graphs.local.idle_tracker import IdleTracker, cancel_and_wait
from holdwater.runners.graphs.local.nesting import expand_inner_items, to_columns
from holdwater.runners.graphs.local.prepare import prepare_nested
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.map_items import MapItems
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo
    from holdwater.runners.graphs.local.prepare import PreparedGraph

T = TypeVar("T")


async def map_graph(
    prepared: PreparedGraph,
    items: MapItems,
    run_context: RunContext,
    make_result: Callable[[RunOutcome], T],
) -> list[T]:
    """Run a graph per item, concurrently within the limit; results are in the order of the items.

    `make_result`: converts the outcome of an item.  If it raises, no further items start, and after the running ones
    have ended the exception of the first such item is raised.
    """
    watch = run_context.make_run_span(prepared.compiled.graph)
    if watch is not None:
        watch.emit_start({**items.shared, **dict(zip(items.params, zip(*items.rows)))}, map_size=len(items))
    whole = RunOutcome({})
    try:
        return await _AsyncMap(
            prepared, items, run_context, None if watch is None else watch.span_id, make_result, whole
        ).run()
    except BaseException as error:
        whole.error = error
        raise
    finally:
        if watch is not None:
            watch.emit_end(whole)


async def run_graph_node(node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
    """Run the graph of a node within the outer run, once or per item.  Raises MapOverError."""
    config = node.map_config
    if config is None:
        given = node.inner_inputs(inputs)
        return await run_graph(prepare_nested(node.graph, given, node.inner_selection), given, run_context)
    items = expand_inner_items(node, inputs)
    stop = config.error_handling == "raise"
    pauses: list[PauseInfo] = []

    def outputs(end: RunOutcome) -> dict[str, Any] | None:
        if end.error is not None and stop:
            raise end.error
        pauses.extend(end.pauses)
        return None if end.error is not None else end.outputs

    results = await map_graph(
        prepare_nested(node.graph, items.input_names, node.inner_selection), items, run_context, outputs
    )
    return RunOutcome(to_columns(node, results), pauses=tuple(pauses))


class _AsyncMap(IdleTracker, Generic[T]):
    """The items of one map."""

    def __init__(
        self,
        prepared: PreparedGraph,
        items: MapItems,
        run_context: RunContext,
        span_id: str | None,
        make_result: Callable[[RunOutcome], T],
        map_outcome: RunOutcome,
    ) -> None:
        super().__init__(run_context.parent_run)
        self.prepared, self.run_context, self.span_id, self.make_result, self.map_outcome = (
            prepared,
            run_context,
            span_id,
            make_result,
            map_outcome,
        )
        self.remaining_items = enumerate(items)
        self.results: dict[int, T] = {}
        self.errors: dict[int, BaseException] = {}
        permits = limiter.current_limiter()
        self.concurrency = len(items) if permits is None else min(len(items), permits.capacity)

    async def run(self) -> list[T]:
        workers = {asyncio.ensure_future(self._run_items()) for _ in range(self.concurrency)}
        try:
            if workers:
                await asyncio.wait(workers)
        finally:
            await cancel_and_wait(workers)
        if self.errors:
            raise self.errors[min(self.errors)]
        return [result for _, result in sorted(self.results.items(), key=itemgetter(0))]

    async def _run_items(self) -> None:
        for index, given in self.remaining_items:
            self.running_count += 1
            try:
                setting = self.run_context.for_item(index, self.span_id)
                setting.parent_run = self
                end = (await run_graph(self.prepared, given, setting)).for_item(index)
                self.map_outcome.error = self.map_outcome.error or end.error
                self.results[index] = self.make_result(end)
            except BaseException as error:  # raised after the others have ended
                self.errors[index] = error
                if not isinstance(error, Exception):
                    raise
            finally:
                self.running_count -= 1
                self.update()
            if self.errors:
                return
