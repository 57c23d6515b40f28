"""AsyncRunner: graphs on an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from holdwater.errors import ConfigError, MissingInputError
from holdwater.graphs.map_items import expand_items
from holdwater.graphs.runner_compatibility import validate_map_compatible
from holdwater.model.coroutines import await_shielded
from holdwater.runners.graphs.arguments import (
    CompatibilityCache,
    ErrorHandling,
    OnMissing,
    ResumeMode,
    build_request,
    check_interrupt_handlers,
    check_options,
    make_dispatcher,
    make_failed_map_result,
    make_node_cache,
    normalize_names,
    to_result,
    warn_of_lost_answers,
)
from holdwater.runners.graphs.base import BaseRunner, MapMode
from holdwater.runners.graphs.capabilities import RunnerCapabilities
from holdwater.runners.graphs.event_stream import RunHandle
from holdwater.runners.graphs.local.limiter import concurrency_limit
from holdwater.runners.graphs.local.prepare import GivenInputs
from holdwater.runners.graphs.local.run_context import InterruptHandler, RunContext, new_run_id
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.map_order import MapOrder
from holdwater.runners.graphs.results import MapResult, RunResult, make_map_result
from holdwater.runners.graphs.signatures import option_names, parameters_of

if TYPE_CHECKING:
    from holdwater.caching import CacheBackend
    from holdwater.events.processors import EventProcessor
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer
    from holdwater.runners.graphs.local.event_sinks import AsyncEventSink


class AsyncRunner(BaseRunner):
    """Runs graphs on the running event loop: coroutine functions as tasks, plain functions in worker threads.

    A node starts as soon as its predecessors are done.  After a failure no further node starts; running nodes finish.
    """

    def __init__(
        self,
        *,
        cache: CacheBackend | None = None,
        checkpointer: Checkpointer | None = None,
        event_processors: Iterable[EventProcessor] | None = None,
        max_concurrency: int | None = None,
    ) -> None:
        """Create a runner.

        `cache`: stores the results of nodes with `cache=True`.  `event_processors`: get the events of all runs.
        `checkpointer`: records runs, so that they can resume after a pause or a crash.  `max_concurrency`: default of
        `run` and `map`.
        """
        self.cache = cache
        self.checkpointer = checkpointer
        self.event_processors = tuple(event_processors or ())
        self.max_concurrency = max_concurrency
        self._node_cache = make_node_cache(cache)
        self._compatibility = CompatibilityCache(self)

    @property
    def capabilities(self) -> RunnerCapabilities:
        return RunnerCapabilities(
            supports_interrupts=True, supports_async_nodes=True, supports_streaming=True, returns_coroutine=True
        )

    async def _run_graph(
        self,
        handle: RunHandle | None,
        /,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        session_id: str | None = None,
        max_iterations: int | None = None,
        max_concurrency: int | None = None,
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        interrupt_handlers: Mapping[str, InterruptHandler] | None = None,
        error_handling: ErrorHandling = "raise",
        on_missing: OnMissing = "ignore",
        event_processors: Sequence[EventProcessor] | None = None,
        **keywords: Any,
    ) -> RunResult:
        """Run a graph once, for `run` (no handle) and `iter`."""
        from holdwater.runners.graphs.local import async_driver

        check_options(
            error_handling=error_handling,
            on_missing=on_missing,
            resume=resume,
            max_iterations=max_iterations,
            workflow_id=workflow_id,
            has_checkpointer=self.checkpointer is not None,
        )
        self._compatibility.check_graph(graph)
        if interrupt_handlers:
            check_interrupt_handlers(graph, interrupt_handlers)
        setting = RunContext(
            runner=self,
            node_cache=self._node_cache,
            workflow_id=workflow_id,
            session_id=session_id,
            max_iterations=max_iterations,
            handlers=interrupt_handlers or {},
        )
        if handle is not None:
            setting.pending_inputs = handle.pending_inputs
            setting.parent_run = handle.pending_inputs
        given = GivenInputs(inputs, values, keywords, _RUN_OPTIONS)
        outlet = self._make_event_sink(setting, event_processors, handle)
        try:
            with concurrency_limit(self.max_concurrency if max_concurrency is None else max_concurrency):
                if self.checkpointer is not None:
                    from holdwater.runners.graphs.durable import request as durable

                    order = await durable.prepare_durable_async(
                        self.checkpointer,
                        graph,
                        setting,
                        given,
                        normalize_names(select),
                        normalize_names(entrypoint),
                        resume,
                    )
                    ending, outputs = await durable.run_durable_async(order), order.outputs
                else:
                    asked = build_request(graph, given, select, entrypoint)
                    setting.answers, given_answers = asked.answers, tuple(asked.answers)
                    ending = await async_driver.run_graph(asked.prepared, asked.inputs, setting)
                    warn_of_lost_answers(given_answers, ending.pauses)
                    outputs = asked.prepared.outputs
        finally:
            if outlet is not None:
                await await_shielded(outlet.close_async())
        return to_result(
            ending,
            outputs,
            error_handling,
            on_missing,
            run_id=setting.run_id,
            workflow_id=None if self.checkpointer is None else setting.workflow_id,
            session_id=session_id,
            notes=() if outlet is None else tuple(outlet.dispatcher.failures),
        )

    @parameters_of(_run_graph)
    async def run(self, graph: Graph, inputs: Mapping[str, Any] | None = None, **options: Any) -> RunResult:
        """Run a graph once.  An interrupt without an answer pauses it: `result.pause` is the question.

        - `inputs`, `values`, keywords: input values by name, and answers to interrupts by response parameter or pause
          id.  They also select the entry of a loop.
        - `select`: outputs to return, by names and globs; by default the leaves.
        - `max_iterations`: supersteps of a loop before InfiniteLoopError; None is no limit.
        - `max_concurrency`: maximum of concurrent functions, nested graphs included; 1 is strictly sequential.
        - `workflow_id`: id of a recorded run, which resumes if it exists: with `resume="merge"` given inputs override
          its own, with "strict" only answers are accepted.
        - `interrupt_handlers`: by name or pause id; takes the shown value and returns the answer, or a coroutine of it.
        - `error_handling`: "continue" returns a failed result with the finished outputs instead of raising.
        - `on_missing`: "ignore", "warn" or "error" for a selected output that was not written.

        Raises the exception of a node unchanged; MissingInputError, GraphConfigError, IncompatibleRunnerError,
        InfiniteLoopError, AnswerError, ConfigError.
        """
        return await self._run_graph(None, graph, inputs, **options)

    @parameters_of(_run_graph)
    def iter(self, graph: Graph, inputs: Mapping[str, Any] | None = None, **options: Any) -> RunHandle:
        """Run a graph and iterate over its events: `async with runner.iter(...) as run: async for event in run`.

        After an InterruptEvent `run.respond(event.response_param, answer)` continues the run; without an answer it ends
        paused.  `run.result` is then the result of `run`, or raises the same exceptions.  Arguments as for `run`.
        """
        return RunHandle(lambda handle: self._run_graph(handle, graph, inputs, **options))

    async def map(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        map_over: str | Iterable[str],
        map_mode: MapMode = "zip",
        values: Mapping[str, Any] | None = None,
        clone: bool | Iterable[str] = False,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        session_id: str | None = None,
        max_iterations: int | None = None,
        max_concurrency: int | None = None,
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        error_handling: ErrorHandling = "raise",
        on_pause: Literal["item"] | None = None,
        event_processors: Sequence[EventProcessor] | None = None,
        **keywords: Any,
    ) -> MapResult:
        """Run a graph for each item of the mapped inputs, which are lists.  Results are in the order of the items.

        - `map_mode`: "zip" pairs the lists, "product" uses every combination, the last input varying fastest.
        - `clone`: every item gets deep copies of these other inputs (True: all of them); by default items share them.
        - `max_concurrency`: maximum of concurrent functions, over all items and nested graphs.
        - `error_handling`: "raise" starts no items after a failure; "continue" returns failed results in their places.
        - `on_pause="item"`: permits a graph with interrupts; the results of its items are paused one by one.
        - `workflow_id`: id of a recorded map, whose items are recorded one by one as they end.  Calling it again runs
          those that are missing or failed, and with `resume="merge"` those that have other inputs than before; with
          "strict" the first of these is an error.  Iterators are drawn lazily, and results loaded when looked at.

        Raises the exception of a node unchanged; MapOverError (a ValueError) for lists of unequal length,
        GraphConfigError, also for a graph with interrupts, MissingInputError, IncompatibleRunnerError,
        InfiniteLoopError, AnswerError, ConfigError; of a recorded map also InvalidTransition, StructureChanged,
        RunInProgress, EncodingError, GraphFailed, StoreUnavailable.
        """
        from holdwater.runners.graphs.local import async_map

        check_options(
            error_handling=error_handling,
            resume=resume,
            max_iterations=max_iterations,
            workflow_id=workflow_id,
            has_checkpointer=self.checkpointer is not None,
        )
        if on_pause not in (None, "item"):
            raise ConfigError(f'on_pause of a map is "item" or None, not {on_pause!r}')
        if workflow_id is not None and on_pause is not None:
            raise ConfigError("the items of a recorded map cannot pause one by one", hint="leave out on_pause=")
        if on_pause is None:
            validate_map_compatible(graph, f"{type(self).__name__}.map() was called")
        self._compatibility.check_graph(graph)
        given = GivenInputs(inputs, values, keywords, _MAP_OPTIONS)
        if workflow_id is not None:
            order = MapOrder(
                graph,
                workflow_id,
                given,
                map_over,
                map_mode,
                clone,
                normalize_names(select),
                normalize_names(entrypoint),
                resume,
                error_handling,
            )
            return await self._map_durably(order, session_id, max_iterations, max_concurrency, event_processors)
        try:
            asked = build_request(graph, given, select, entrypoint)
        except MissingInputError as error:
            if error_handling == "raise":
                raise
            return make_failed_map_result(error, graph, given, map_over, map_mode)
        items = expand_items(asked.inputs, map_over, map_mode, clone)
        setting = self._map_context(session_id, max_iterations)
        outlet = self._make_event_sink(setting, event_processors) if len(items) else None

        def result_of(ending: RunOutcome) -> RunResult:
            return to_result(ending, (), error_handling, "ignore", run_id=setting.run_id, session_id=session_id)

        try:
            with concurrency_limit(self.max_concurrency if max_concurrency is None else max_concurrency):
                results = await async_map.map_graph(asked.prepared, items, setting, result_of)
        finally:
            if outlet is not None:
                await await_shielded(outlet.close_async())
        return make_map_result(results, items.params, map_mode, setting.run_id)

    async def _map_durably(
        self,
        order: MapOrder,
        session_id: str | None,
        max_iterations: int | None,
        max_concurrency: int | None,
        event_processors: Sequence[EventProcessor] | None,
    ) -> MapResult:
        from holdwater.runners.graphs.durable.map_request import run_map_async

        assert self.checkpointer is not None
        setting = self._map_context(session_id, max_iterations, order.workflow_id)
        outlet = self._make_event_sink(setting, event_processors)
        try:
            with concurrency_limit(self.max_concurrency if max_concurrency is None else max_concurrency):
                return await run_map_async(self.checkpointer, order, setting)
        finally:
            if outlet is not None:
                await await_shielded(outlet.close_async())

    def _map_context(
        self, session_id: str | None, max_iterations: int | None, workflow_id: str | None = None
    ) -> RunContext:
        return RunContext(
            runner=self,
            node_cache=self._node_cache,
            workflow_id=workflow_id,
            session_id=session_id,
            max_iterations=max_iterations,
        )

    async def run_inside(self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run the graph of a node within an outer run, with this runner's cache if it has one."""
        from holdwater.runners.graphs.local import async_map

        if self._node_cache is not None:
            run_context.node_cache = self._node_cache
        with concurrency_limit(self.max_concurrency):
            return await async_map.run_graph_node(node, inputs, run_context)

    def _make_event_sink(
        self,
        run_context: RunContext,
        extra_processors: Sequence[EventProcessor] | None,
        handle: RunHandle | None = None,
    ) -> AsyncEventSink | None:
        dispatcher = make_dispatcher(self.event_processors, extra_processors)
        if dispatcher is None and handle is None:
            return None
        from holdwater.events.dispatcher import EventDispatcher
        from holdwater.runners.graphs.local.event_sinks import AsyncEventSink

        outlet = AsyncEventSink(dispatcher or EventDispatcher(), handle)
        run_context.run_id = new_run_id()
        run_context.workflow_id = run_context.workflow_id or run_context.run_id
        run_context.event_sink = outlet
        return outlet


_RUN_OPTIONS: Final = option_names(AsyncRunner.run)
_MAP_OPTIONS: Final = option_names(AsyncRunner.map)
