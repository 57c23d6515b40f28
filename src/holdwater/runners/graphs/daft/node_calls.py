"""Calls in generated functions of nodes that are more than a plain function: retried, cached, awaited, mapped."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from holdwater.graphs.node_call import call_function, call_function_async
from holdwater.graphs.value_copies import copy_if_data
from holdwater.model.cancellation_token import is_cancellation, is_task_cancelled, to_node_failure
from holdwater.runners.graphs.local import limiter, nesting, sync_driver
from holdwater.runners.graphs.local.context_free import is_context_free as is_context_free
from holdwater.runners.graphs.local.error_location import note_item_location
from holdwater.runners.graphs.local.errors import retry_delay_seconds
from holdwater.runners.graphs.local.run_context import NoParent, RunContext
from holdwater.runners.graphs.local.threads import run_in_thread

if TYPE_CHECKING:
    from holdwater.graphs.compile import CompiledGraph
    from holdwater.graphs.map_items import MapItems
    from holdwater.graphs.node_call import NodeCacheProtocol
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.model.results import NodeResult
    from holdwater.runners.graphs.local.prepare import PreparedGraph
    from holdwater.runners.graphs.local.run_outcome import RunOutcome

Values = tuple[Any, ...]
NewContext = Callable[[], Context]


def is_in_task() -> bool:
    """Return True inside a task of asyncio."""
    import asyncio

    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


# -- functions


def call_function_node(
    compiled: CompiledGraph,
    i: int,
    node_cache: NodeCacheProtocol | None,
    new: NewContext,
    run_context: RunContext,
    inputs: dict[str, Any],
) -> Values:
    """Call a plain function, as often as its policy says."""
    call, attempt = compiled.calls[i], 1
    while True:
        try:
            return call_function(call, _attempt_inputs(compiled, i, inputs), None, node_cache).values
        except BaseException as raised:
            delay_seconds = retry_delay_seconds(call.node, attempt, to_node_failure(raised))
            if delay_seconds is None:
                raise
        time.sleep(delay_seconds)
        attempt += 1


async def call_function_node_async(
    compiled: CompiledGraph,
    i: int,
    node_cache: NodeCacheProtocol | None,
    new: NewContext,
    run_context: RunContext,
    inputs: dict[str, Any],
) -> Values:
    """Await a coroutine function, or call a plain one in a thread, as often as its policy says."""
    import asyncio

    call, attempt = compiled.calls[i], 1
    while True:
        try:
            return await _call_limited(compiled, i, node_cache, new, _attempt_inputs(compiled, i, inputs))
        except BaseException as raised:
            if is_cancellation(raised) and is_task_cancelled():
                raise
            delay_seconds = retry_delay_seconds(call.node, attempt, to_node_failure(raised))
            if delay_seconds is None:
                raise
        await asyncio.sleep(delay_seconds)
        attempt += 1


async def _call_limited(
    compiled: CompiledGraph,
    i: int,
    node_cache: NodeCacheProtocol | None,
    new: NewContext,
    inputs: dict[str, Any],
) -> Values:
    import asyncio

    call, node, permits = compiled.calls[i], compiled.nodes[i], limiter.current_limiter()
    if permits is not None:
        await permits.acquire()
    try:
        if not node.is_async:
            return (await run_in_thread(lambda: call_function(call, inputs, None, node_cache))).values
        # in a task, which has context variables of its own
        coroutine = _capture(call_function_async(call, inputs, None, node_cache))
        task = asyncio.get_running_loop().create_task(coroutine, context=new())
        limit = asyncio.timeout(node.timeout)
        try:
            async with limit:
                done, error = await task
        except TimeoutError as raised:
            raise TimeoutError(f"node {node.name!r} ran longer than {node.timeout:g} s") from raised
        if error is not None:
            raise error
        assert done is not None
        return done.values
    finally:
        if permits is not None:
            permits.release()


async def _capture(awaitable: Awaitable[NodeResult]) -> tuple[NodeResult | None, BaseException | None]:
    """Return what it raises: asyncio would end its loop at SystemExit, and raise StopIteration as another error."""
    try:
        return await awaitable, None
    except BaseException as error:
        if is_cancellation(error):
            raise
        return None, error


def _attempt_inputs(compiled: CompiledGraph, i: int, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of one attempt: what is data is copied, so that a failed one changes nothing."""
    call, bound = compiled.calls[i], compiled.graph.bound
    given = dict(inputs)
    if call.is_retried:
        given = {n: v if n in bound and v is bound[n] else copy_if_data(v) for n, v in given.items()}
    return call.add_default_inputs(given)


# -- nested graphs


def call_mapped_node(
    node: GraphNode,
    run_item: Callable[..., Values],
    names: tuple[str, ...],
    new: NewContext,
    run_context: RunContext,
    inputs: dict[str, Any],
) -> Values:
    """Run a nested graph per item, in order, by its generated function; `names`: the inputs in its order."""
    config = node.map_config
    assert config is not None
    made: list[Values | None] = []
    for index, row in enumerate(_item_rows(node, inputs, names)):
        try:
            made.append(run_item(new, run_context, *row))
        except Exception as error:
            note_item_location(error, index)
            if config.error_handling == "raise":
                raise
            made.append(None)
    return _to_columns(node, made)


async def call_mapped_node_async(
    node: GraphNode,
    run_item: Callable[..., Any],
    names: tuple[str, ...],
    new: NewContext,
    run_context: RunContext,
    inputs: dict[str, Any],
) -> Values:
    """Run a nested graph per item, concurrently; after an error no further items start, unless they are to go on."""
    config = node.map_config
    assert config is not None
    made = await run_concurrently(
        [partial(run_item, new, run_context, *row) for row in _item_rows(node, inputs, names)],
        stop_at_error=config.error_handling == "raise",
    )
    for index, one in enumerate(made):
        if isinstance(one, Raised):
            note_item_location(one.error, index)
            if config.error_handling == "raise":
                raise one.error
    return _to_columns(node, [None if isinstance(one, Raised) else one for one in made])


def call_nested_node(
    node: GraphNode, i: int, new: NewContext, run_context: RunContext, inputs: dict[str, Any]
) -> Values:
    """Run a nested graph by the runner it has."""
    return nesting.call_nested_graph(node, i, inputs, run_context).values


async def call_nested_node_async(
    node: GraphNode, i: int, new: NewContext, run_context: RunContext, inputs: dict[str, Any]
) -> Values:
    """Run a nested graph by the runner it has, from the loop."""
    done = await nesting.call_nested_graph_async(node, i, inputs, run_context, None, NoParent())
    assert done is not None  # it has no interrupts
    return done.values


def _item_rows(node: GraphNode, inputs: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Iterable[Any]]:
    """Iterate over the items: their inputs, in the order of these names, of which the mapped ones are the first."""
    items = nesting.expand_inner_items(node, inputs)
    inner = [node.param(name) for name in names]
    if items.cloned:
        return ([given[name] for name in inner] for given in items)
    shared = [items.shared[name] for name in inner[len(items.params) :]]
    return ((*row, *shared) for row in items.rows)


def _to_columns(node: GraphNode, made: list[Values | None]) -> Values:
    return tuple([[None if one is None else one[k] for one in made] for k in range(len(node.inner_selection))])


# -- rows at once


class Raised:
    """In the place of a result: the exception."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def run_concurrently(starts: list[Callable[[], Any]], *, stop_at_error: bool = False) -> list[Any]:
    """Await coroutines, within the limit of concurrency; returns results in order, and `Raised` for exceptions."""
    import asyncio

    permits = limiter.current_limiter()
    width = len(starts) if permits is None else min(len(starts), permits.capacity)
    results: list[Any] = [None] * len(starts)
    remaining, failed = iter(enumerate(starts)), False

    async def work() -> None:
        nonlocal failed
        for index, start in remaining:
            try:
                results[index] = await start()
            except Exception as error:  # noqa: BLE001 - a result
                results[index] = Raised(error)
                failed = True
            if failed and stop_at_error:
                return

    await asyncio.gather(*[work() for _ in range(width)])
    return results


# -- graphs that need their machine


def run_machine(
    prepared: PreparedGraph,
    items: MapItems,
    node_cache: NodeCacheProtocol | None,
    row: Values,
    run_context: RunContext,
) -> Values:
    """Run a graph in this thread."""
    return _outputs_of(prepared, sync_driver.run_graph(prepared, items.item_inputs(row), run_context))


async def run_machine_async(
    prepared: PreparedGraph,
    items: MapItems,
    node_cache: NodeCacheProtocol | None,
    row: Values,
    run_context: RunContext,
) -> Values:
    """Run a graph on the running loop."""
    from holdwater.runners.graphs.local import async_driver

    return _outputs_of(prepared, await async_driver.run_graph(prepared, items.item_inputs(row), run_context))


def _outputs_of(prepared: PreparedGraph, outcome: RunOutcome) -> Values:
    if outcome.error is not None:
        raise outcome.error
    return tuple([outcome.outputs.get(name) for name in prepared.outputs])
