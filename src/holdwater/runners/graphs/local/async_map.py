"""Maps on the running event loop: many runs of one graph at once, and nested graphs, mapped or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.async_driver import run
from holdwater.runners.graphs.local.idle import Resting, drained
from holdwater.runners.graphs.local.nesting import in_columns, inner_items
from holdwater.runners.graphs.local.prepare import prepare
from holdwater.runners.graphs.local.run_context import Ending, Setting

if TYPE_CHECKING:
    from holdwater.graphs.map_items import Items
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo
    from holdwater.runners.graphs.local.prepare import Prepared

T = TypeVar("T")


async def map_over(
    prepared: Prepared,
    items: Items,
    setting: Setting,
    done: Callable[[Ending], T],
) -> list[T]:
    """Run a graph per item, as many at once as the budget allows.  Order of the results: that of the items.

    `done` makes a result of an item's ending; if it raises, no more items start, and when those that run have ended,
    the error of the first item is raised.
    """
    watch = setting.watch(prepared.compiled.graph)
    if watch is not None:
        watch.started({**items.shared, **dict(zip(items.params, zip(*items.rows)))}, map_size=len(items))
    whole = Ending({})
    try:
        return await _Batch(prepared, items, setting, None if watch is None else watch.span_id, done, whole).run()
    except BaseException as error:
        whole.error = error
        raise
    finally:
        if watch is not None:
            watch.ended(whole)


async def run_nested(node: GraphNode, inputs: dict[str, Any], setting: Setting) -> Ending:
    """Run the graph of a node for the outer run, once or per item.  Raises MapOverError."""
    config = node.map_config
    if config is None:
        given = node.inner_inputs(inputs)
        return await run(prepare(node.graph, given, node.inner_selection), given, setting)
    items = inner_items(node, inputs)
    stop = config.error_handling == "raise"
    pauses: list[PauseInfo] = []

    def outputs(end: Ending) -> dict[str, Any] | None:
        if end.error is not None and stop:
            raise end.error
        pauses.extend(end.pauses)
        return None if end.error is not None else end.outputs

    results = await map_over(prepare(node.graph, items.names, node.inner_selection), items, setting, outputs)
    return Ending(in_columns(node, results), pauses=tuple(pauses))


class _Batch(Resting, Generic[T]):
    """The items of one map."""

    def __init__(
        self,
        prepared: Prepared,
        items: Items,
        setting: Setting,
        span_id: str | None,
        done: Callable[[Ending], T],
        whole: Ending,
    ) -> None:
        super().__init__(setting.above)
        self.prepared, self.setting, self.span_id, self.done, self.whole = prepared, setting, span_id, done, whole
        self.source = enumerate(items)
        self.results: dict[int, T] = {}
        self.errors: dict[int, BaseException] = {}
        permits = limiter.current()
        self.width = len(items) if permits is None else min(len(items), permits.permits)

    async def run(self) -> list[T]:
        workers = {asyncio.ensure_future(self._work()) for _ in range(self.width)}
        try:
            if workers:
                await asyncio.wait(workers)
        finally:
            await drained(workers)
        if self.errors:
            raise self.errors[min(self.errors)]
        return [result for _, result in sorted(self.results.items(), key=itemgetter(0))]

    async def _work(self) -> None:
        for index, given in self.source:
            self.running += 1
            try:
                setting = self.setting.item(index, self.span_id)
                setting.above = self
                end = (await run(self.prepared, given, setting)).of_item(index)
                self.whole.error = self.whole.error or end.error
                self.results[index] = self.done(end)
            except BaseException as error:  # raised when the others have ended
                self.errors[index] = error
                if not isinstance(error, Exception):
                    raise
            finally:
                self.running -= 1
                self.check()
            if self.errors:
                return
