"""The runs of durable maps on one engine: begun, or gone on with, while the caller runs the items itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakMethod

from holdwater.errors import (
    GraphFailed,
    InvalidTransition,
    NodeFailure,
    RunInProgress,
    RunnerClosed,
    StructureChanged,
    TaskCancelled,
)
from holdwater.model.coroutines import await_shielded
from holdwater.model.map_items import MAP_INPUT, MAP_OUTPUTS, MapProgress, is_map
from holdwater.model.results import NodeResult
from holdwater.model.statuses import RunStatus
from holdwater.model.values import StoredValue
from holdwater.runners.graphs.durable.map_definition import MapDefinition
from holdwater.runners.graphs.durable.map_items import MapHead, RecordedMap
from holdwater.runtime.future import wrap_future

if TYPE_CHECKING:
    from holdwater.engine import Engine
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.map_items import ItemStream
    from holdwater.runs.view import RunView

CHECK_SECONDS: Final = 1.0
"""interval at which a caller that waits for its turn checks that the run goes on here"""


class MapCall:
    """One call of a durable map: its items, and the execution of its run that waits for them."""

    def __init__(self, maps: DurableMapRuns, graph: GraphProtocol, items: RecordedMap) -> None:
        self.graph, self.items, self.run_id = graph, items, items.run_id
        self._maps = maps
        self.was_retried = False
        """a run that failed before its items were run here was resumed once"""
        items.use_look(self._is_paused)

    def attend(self, control: Any) -> NodeResult:
        """Wait in the execution of the map's run until the items are done; returns the counts.

        Raises NodeFailure if items have failed, TaskCancelled if the caller was interrupted or the run is cancelled,
        and the error that ended the call.
        """
        control.on_cancel(self.items.request_stop)
        self.items.begun.set_result(None)
        self.items.ended.wait()
        if control.cancelled:
            raise TaskCancelled(f"map {self.run_id!r} is to stop: {self.items.stop_reason}")
        self.items.ended.result()
        if self.items.stop_reason:  # it was paused: the node is executed again when the run is resumed
            return NodeResult(wait_until=self._maps.engine.clock.now())
        progress = self.progress()
        if progress.failed:
            raise NodeFailure("ITEMS", self._describe_failures(progress))
        numbers = (progress.total, progress.completed, progress.failed)
        return NodeResult(tuple([StoredValue.encode(number) for number in numbers[: len(MAP_OUTPUTS)]]))

    def progress(self) -> MapProgress:
        """Count its items.  Raises StoreUnavailable."""
        counts = self._maps.engine.store.count_map_items(self.run_id)
        return MapProgress(self.items.total, counts.completed, counts.failed)

    def _describe_failures(self, progress: MapProgress) -> str:
        (first,) = self._maps.engine.store.list_failed_items(self.run_id, 0, 1)
        total = "" if progress.total is None else f" of {progress.total:,}"
        return f"{progress.failed:,}{total} items failed, the first: item {first.index}: {first.error}"

    def _is_paused(self) -> bool:
        return self._maps.engine.reader.row(self.run_id).status == RunStatus.PAUSED


class DurableMapRuns:
    """The runs of maps on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._calls: dict[str, MapCall] = {}

    def open_call(
        self,
        graph: GraphProtocol,
        run_id: str,
        stream: ItemStream,
        head: MapHead,
        shared: Mapping[str, StoredValue],
        *,
        stops_at_failure: bool,
        is_strict: bool,
    ) -> MapCall:
        """Create a call of a map.  `shared`: inputs of every item that are compared with those of earlier calls."""
        items = RecordedMap(
            self.engine.store, self.engine.clock, run_id, stream, head, shared,
            stops_at_failure=stops_at_failure, is_strict=is_strict,
        )  # fmt: skip
        return MapCall(self, graph, items)

    def find_head(self, run_id: str) -> MapHead | None:
        """Read a map as an earlier call has recorded it; None if there is none.  Raises StoreError."""
        run = self.engine.reader.find(run_id)
        return None if run is None or not is_map(run.plan) else MapHead.from_data(run.inputs[MAP_INPUT].copy())

    # -- the two ways to run the items of a call

    def run(self, call: MapCall, run_items: Callable[[RecordedMap], None]) -> RunView:
        """Begin or resume the run of a map, run its items in this thread, and wait until the run has settled.

        `run_items`: runs what `missing_items` yields, and records each.  Its exceptions propagate.
        Raises StructureChanged, RunInProgress, InvalidTransition, EncodingError, StoreUnavailable, RunnerClosed.
        """
        with self._attached(call), self.engine.pause_on_interrupt(call.run_id):
            self._start_or_resume(call)
            while not call.items.begun.wait(CHECK_SECONDS):
                self._check_goes_on(call)
            try:
                run_items(call.items)
                call.items.flush()
            except Exception as error:
                self._end_with(call, error)
                self.engine.wait_for_run(call.run_id)
                raise
            except BaseException:
                self._leave(call)
                raise
            call.items.ended.set_result(None)
            return self.engine.wait_for_run(call.run_id)

    async def run_async(self, call: MapCall, run_items: Callable[[RecordedMap], Awaitable[None]]) -> RunView:
        """Run the items of a call in the running event loop; otherwise as `run`."""
        with self._attached(call):
            begun = asyncio.ensure_future(asyncio.to_thread(self._start_or_resume, call))
            try:
                await asyncio.shield(begun)
                await self._wait_begun_async(call)
                try:
                    await run_items(call.items)
                    await asyncio.to_thread(call.items.flush)
                except Exception as error:
                    await asyncio.to_thread(self._end_with, call, error)
                    await self.engine.wait_for_run_async(call.run_id)
                    raise
                call.items.ended.set_result(None)
                return await self.engine.wait_for_run_async(call.run_id)
            except Exception:
                raise
            except BaseException:
                await await_shielded(self._pause_after_cancel(call, begun))
                raise

    async def _wait_begun_async(self, call: MapCall) -> None:
        while not call.items.begun.done:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await wrap_future(call.items.begun)
                return
            await asyncio.to_thread(self._check_goes_on, call)

    async def _pause_after_cancel(self, call: MapCall, start_task: asyncio.Future[None]) -> None:
        await asyncio.wait([start_task])
        if start_task.exception() is None:
            await asyncio.to_thread(self._leave, call)
            with suppress(RunnerClosed):
                await wrap_future(self.engine.driver.interrupt_run(call.run_id))

    def _end_with(self, call: MapCall, error: Exception) -> None:
        """End the execution of the run with the error of its call; what has ended before is recorded."""
        with suppress(Exception):  # that error is the one to raise
            call.items.flush()
        call.items.ended.set_exception(error)

    def _leave(self, call: MapCall) -> None:
        with suppress(Exception):  # the caller is being interrupted, and that propagates
            call.items.flush()
        call.items.leave()

    def _check_goes_on(self, call: MapCall) -> None:
        """Check that the run has not settled before its items were run.  Raises GraphFailed, RunnerClosed.

        One whose process has died so often that it failed is resumed once: dying does not speak against a map, whose
        items were recorded each time.
        """
        self.engine.driver.raise_if_closed()
        row = self.engine.reader.row(call.run_id)
        if call.items.begun.done or row.status == RunStatus.RUNNING:
            return
        if row.status == RunStatus.FAILED and not call.was_retried:
            call.was_retried = True
            self.engine.control.continue_here(call.run_id)
        else:
            raise GraphFailed(f"map {call.run_id!r} is {row.status}: {row.reason or row.error or 'another process'}")

    # -- its run

    @contextmanager
    def _attached(self, call: MapCall) -> Iterator[None]:
        if self._calls.setdefault(call.run_id, call) is not call:
            raise RunInProgress(
                f"map {call.run_id!r} is being run in this process now", hint="wait for that, or use another id"
            )
        try:
            yield
        finally:
            call.items.ended.set_exception(GraphFailed(f"the call of map {call.run_id!r} has ended before its items"))
            del self._calls[call.run_id]

    def _start_or_resume(self, call: MapCall) -> None:
        """Begin a run, or go on with the one of this id; returns when that is on disk."""
        engine, items = self.engine, call.items
        definition = self._get_definition(call.graph)
        engine.registry.register(definition)
        run = engine.reader.find(call.run_id)
        if run is None:
            engine.start_run(definition, {MAP_INPUT: items.head.to_data()}, run_id=call.run_id)
            return
        if not is_map(run.plan) or run.info.workflow != definition.plan.name:
            kind = "a map over" if is_map(run.plan) else "a run of"
            raise StructureChanged(
                f"workflow {call.run_id!r} is {kind} {run.info.workflow!r}, and no map over graph {call.graph.name!r}",
                hint="give every map an id of its own",
            )
        engine.check_structure(run)
        given = {MAP_INPUT: StoredValue.encode(items.head.to_data())}
        is_changed = run.last_given(MAP_INPUT) != given[MAP_INPUT]
        try:
            engine.control.continue_here(call.run_id, given if is_changed else {})
        except InvalidTransition:  # it is completed, and its items are looked through again
            if is_changed or engine.reader.row(call.run_id).status != RunStatus.COMPLETED:
                raise
            engine.control.continue_here(call.run_id, given)

    def _get_definition(self, graph: GraphProtocol) -> MapDefinition:
        """Return the definition of maps over a graph, cached on the graph; it refers to this object weakly."""
        known: WeakKeyDictionary[DurableMapRuns, MapDefinition] = graph.__dict__.setdefault(
            "_durable_map_definitions", WeakKeyDictionary()
        )
        definition = known.get(self)
        if definition is None:
            calls = WeakMethod(self._find_call)

            def find(run_id: str) -> MapCall | None:
                found = calls()
                return None if found is None else found(run_id)

            definition = known[self] = MapDefinition(graph, find)
        return definition

    def _find_call(self, run_id: str) -> MapCall | None:
        return self._calls.get(run_id)
