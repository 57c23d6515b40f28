"""Requests of durable maps: preparation, the loops that run items in this process, and their results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import ConfigError, EncodingError, GraphFailed, InvalidTransition
from holdwater.graphs.map_items import MapItems, stream_items
from holdwater.model.statuses import RunStatus
from holdwater.model.values import StoredValue
from holdwater.runners.graphs.durable.map_items import MapHead, MissingItem, RecordedMap
from holdwater.runners.graphs.durable.map_results import DurableMapResult
from holdwater.runners.graphs.durable.map_runs import MapCall
from holdwater.runners.graphs.local import async_driver, limiter, sync_driver
from holdwater.runners.graphs.local.prepare import PreparedGraph, prepare_request
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.map_order import MapOrder

if TYPE_CHECKING:
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer
    from holdwater.runs.view import RunView

MAX_CONCURRENT_ITEMS: Final = 1_000
"""items of one durable map that run at once where `max_concurrency` sets no lower limit"""
_NOT_BOUND: Final = object()


@dataclass(frozen=True, slots=True)
class PreparedMap:
    """A map that is ready to be called.  `prepared`: runs one item; `outputs`: those the results have."""

    order: MapOrder
    call: MapCall
    prepared: PreparedGraph
    outputs: tuple[str, ...]


def prepare_map(checkpointer: Checkpointer, order: MapOrder) -> PreparedMap:
    """Prepare a call: check the inputs, and compare the map with what is recorded of it.  Draws no item yet.

    Raises MissingInputError, InputError, MapOverError, GraphConfigError, ConfigError for an entry point,
    InvalidTransition for outputs that are not recorded, EncodingError, StoreUnavailable, RunnerClosed.
    """
    if order.entrypoint is not None:
        raise ConfigError(
            "entrypoint= is not for durable maps: a resumed map must compile the same graph",
            hint="graph.with_entrypoint(...)",
        )
    maps, graph, run_id = checkpointer.durable_maps, order.graph, order.workflow_id
    asked = prepare_request(graph, order.given, order.select, None)
    wanted = asked.prepared.outputs
    earlier = maps.find_head(run_id)
    recorded = wanted if earlier is None else earlier.outputs
    lacking = [name for name in wanted if name not in recorded]
    if lacking:
        raise InvalidTransition(
            f"map {run_id!r} records the outputs {', '.join(map(repr, recorded)) or 'none'}, and not "
            f"{', '.join(map(repr, lacking))}",
            hint="select the same outputs, or give this map a workflow_id of its own",
        )
    if recorded != wanted:
        asked = prepare_request(graph, order.given, recorded, None)
    stream = stream_items(asked.inputs, order.map_over, order.map_mode, order.clone)
    shared = {
        name: _encode_shared(name, value)
        for name, value in stream.items.shared.items()
        if value is not graph.bound.get(name, _NOT_BOUND)
    }
    head = MapHead(stream.items.params, order.map_mode, recorded, stream.total)
    call = maps.open_call(
        graph, run_id, stream, head, shared,
        stops_at_failure=order.error_handling == "raise", is_strict=order.resume == "strict",
    )  # fmt: skip
    return PreparedMap(order, call, asked.prepared, wanted)


def _encode_shared(name: str, value: Any) -> StoredValue:
    try:
        return StoredValue.encode(value)
    except EncodingError as error:
        raise EncodingError(
            f"input {name!r} is compared when the map is called again, and cannot be stored: {error.message}",
            path=error.path,
            hint=f"bind it: graph.bind({name}=...)",
        ) from error


# -- running items in this process


def run_map(checkpointer: Checkpointer, order: MapOrder, run_context: RunContext) -> DurableMapResult:
    """Run what is missing of a map, one item after the other, in this thread."""
    ready = prepare_map(checkpointer, order)
    prepared = ready.prepared
    with _map_span(ready, run_context) as (span_id, whole):

        def run_items(items: RecordedMap) -> None:
            for item in items.missing_items():
                outcome = sync_driver.run_graph(prepared, item.inputs, _item_context(run_context, item, span_id))
                _record(items, item, outcome, whole)
                if items.must_wait:
                    items.wait_for_room()

        view = checkpointer.durable_maps.run(ready.call, run_items)
    return read_map_result(checkpointer, ready, view)


def run_map_in_batches(
    checkpointer: Checkpointer,
    order: MapOrder,
    run_context: RunContext,
    run_batch: Callable[[PreparedGraph, MapItems], Sequence[RunOutcome]],
    batch_items: int,
) -> DurableMapResult:
    """Run what is missing of a map by a runner that takes several items at once; a batch is recorded when it has ended.

    `run_batch`: runs items, and returns their outcomes in order.
    """
    ready = prepare_map(checkpointer, order)
    prepared = ready.prepared
    with _map_span(ready, run_context) as (_, whole):

        def run_items(items: RecordedMap) -> None:
            missing, names = items.missing_items(), items.item_names
            while batch := list(islice(missing, batch_items)):
                rows = [tuple([item.inputs[name] for name in names.params]) for item in batch]
                outcomes = run_batch(prepared, replace(names, rows=rows))
                for item, outcome in zip(batch, outcomes, strict=True):
                    _record(items, item, outcome, whole)
                items.wait_for_room()

        view = checkpointer.durable_maps.run(ready.call, run_items)
    return read_map_result(checkpointer, ready, view)


async def run_map_async(checkpointer: Checkpointer, order: MapOrder, run_context: RunContext) -> DurableMapResult:
    """Run what is missing of a map in the running event loop, items concurrently within the limit."""
    ready = await asyncio.to_thread(prepare_map, checkpointer, order)
    prepared, permits = ready.prepared, limiter.current_limiter()
    with _map_span(ready, run_context) as (span_id, whole):

        async def run_items(items: RecordedMap) -> None:
            missing = items.missing_items()

            async def work() -> None:
                for item in missing:
                    outcome = await async_driver.run_graph(
                        prepared, item.inputs, _item_context(run_context, item, span_id)
                    )
                    _record(items, item, outcome, whole)
                    if items.must_wait:
                        await asyncio.to_thread(items.wait_for_room)

            width = MAX_CONCURRENT_ITEMS if permits is None else min(permits.capacity, MAX_CONCURRENT_ITEMS)
            await _run_workers(items, [work for _ in range(min(width, items.total or width))])

        view = await checkpointer.durable_maps.run_async(ready.call, run_items)
    return await asyncio.to_thread(read_map_result, checkpointer, ready, view)


async def _run_workers(items: RecordedMap, workers: list[Any]) -> None:
    """Await the workers; after an error of one no item is drawn, the others end theirs, and it is raised."""
    tasks = [asyncio.ensure_future(work()) for work in workers]
    if not tasks:
        return
    try:
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        errors = [task.exception() for task in done if task.exception() is not None]
        if left:
            items.request_stop("an item could not be run")
            await asyncio.wait(left)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for error in errors:
        assert error is not None
        raise error


def _item_context(run_context: RunContext, item: MissingItem, span_id: str | None) -> RunContext:
    return run_context if run_context.event_sink is None else run_context.for_item(item.index, span_id)


def _record(items: RecordedMap, item: MissingItem, outcome: RunOutcome, whole: RunOutcome) -> None:
    outcome = outcome.for_item(item.index)
    if outcome.error is None:
        items.record(item, outcome.outputs)
    else:
        whole.error = whole.error or outcome.error
        items.record_failure(item, outcome.error)


@contextmanager
def _map_span(ready: PreparedMap, run_context: RunContext) -> Iterator[tuple[str | None, RunOutcome]]:
    """Send the start and the end of a map to its listeners; yields the id of its span, and its outcome."""
    watch, whole = run_context.make_run_span(ready.order.graph), RunOutcome({})
    if watch is None:
        yield None, whole
        return
    stream_total = ready.call.items.total
    watch.emit_start(dict(ready.call.items.shared_inputs), is_map=True, map_size=stream_total)
    try:
        yield watch.span_id, whole
    except BaseException as error:
        whole.error = error
        raise
    finally:
        watch.emit_end(whole)


# -- results


def read_map_result(checkpointer: Checkpointer, ready: PreparedMap, view: RunView) -> DurableMapResult:
    """Make the result of a call whose run has settled.

    Raises the exception of the first failed item if the caller asks for that, GraphFailed for a map that was cancelled
    or failed otherwise, StoreUnavailable.
    """
    items, order = ready.call.items, ready.order
    if view.status == RunStatus.FAILED and order.error_handling == "raise" and items.errors:
        raise items.errors[min(items.errors)]
    progress = ready.call.progress()
    if view.status in (RunStatus.CANCELLED, RunStatus.FAILED) and not progress.failed:
        why = view.info.error or view.info.reason
        raise GraphFailed(
            f"map {view.id!r} {'was cancelled' if view.status == RunStatus.CANCELLED else 'failed'}"
            f"{f': {why}' if why else ''}; {progress}",
            hint="call it again with this workflow_id: the other items are run then",
        )
    result = DurableMapResult(
        checkpointer.engine.store, view.id, ready.outputs, progress,
        is_paused=view.status == RunStatus.PAUSED, errors=items.errors,
    )  # fmt: skip
    result.map_over, result.map_mode = items.head.map_over, items.head.mode
    result.restored_count = items.restored_count
    return result
