"""SyncRunner: graphs in the calling thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import MissingInputError
from holdwater.graphs.map_items import expand_items
from holdwater.graphs.runner_compatibility import validate_map_compatible
from holdwater.runners.graphs.arguments import (
    CompatibilityCache,
    ErrorHandling,
    OnMissing,
    ResumeMode,
    build_request,
    check_options,
    make_dispatcher,
    make_failed_map_result,
    make_node_cache,
    normalize_names,
    to_result,
)
from holdwater.runners.graphs.base import BaseRunner, MapMode
from holdwater.runners.graphs.capabilities import RunnerCapabilities
from holdwater.runners.graphs.local import sync_driver
from holdwater.runners.graphs.local.limiter import concurrency_limit
from holdwater.runners.graphs.local.prepare import GivenInputs
from holdwater.runners.graphs.local.run_context import RunContext, new_run_id
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.map_order import MapOrder
from holdwater.runners.graphs.results import MapResult, RunResult, make_map_result
from holdwater.runners.graphs.signatures import option_names

if TYPE_CHECKING:
    from holdwater.caching import CacheBackend
    from holdwater.events.processors import EventProcessor
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer
    from holdwater.runners.graphs.local.event_sinks import EventSink


class SyncRunner(BaseRunner):
    """Runs graphs of plain functions, one after the other.  Thread-safe."""

    def __init__(
        self,
        *,
        cache: CacheBackend | None = None,
        checkpointer: Checkpointer | None = None,
        event_processors: Iterable[EventProcessor] | None = None,
    ) -> None:
        """Create a runner.

        `cache`: stores the results of nodes with `cache=True`.  `event_processors`: get the events of all runs.
        `checkpointer`: records runs, so that they can resume after a failure or a crash.
        """
        self.cache = cache
        self.checkpointer = checkpointer
        self.event_processors = tuple(event_processors or ())
        self._node_cache = make_node_cache(cache)
        self._compatibility = CompatibilityCache(self)

    @property
    def capabilities(self) -> RunnerCapabilities:
        return RunnerCapabilities()

    def run(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        session_id: str | None = None,
        max_iterations: int | None = None,
        error_handling: ErrorHandling = "raise",
        on_missing: OnMissing = "ignore",
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        event_processors: Sequence[EventProcessor] | None = None,
        **keywords: Any,
    ) -> RunResult:
        """Run a graph once.

        - `inputs`, `values`, keywords: input values by name.  They also select the entry of a loop.
        - `select`: outputs to return, by names and globs; by default the leaves.
        - `max_iterations`: supersteps of a loop before InfiniteLoopError; None is no limit.
        - `error_handling`: "continue" returns a failed result with the finished outputs instead of raising.
        - `on_missing`: "ignore", "warn" or "error" for a selected output that was not written.

        Raises the exception of a node unchanged; MissingInputError, GraphConfigError, IncompatibleRunnerError,
        InfiniteLoopError, ConfigError.
        """
        check_options(
            error_handling=error_handling,
            on_missing=on_missing,
            resume=resume,
            max_iterations=max_iterations,
            workflow_id=workflow_id,
            has_checkpointer=self.checkpointer is not None,
        )
        self._compatibility.check_graph(graph)
        setting = RunContext(
            runner=self,
            node_cache=self._node_cache,
            workflow_id=workflow_id,
            session_id=session_id,
            max_iterations=max_iterations,
        )
        given = GivenInputs(inputs, values, keywords, _RUN_OPTIONS)
        outlet = self._make_event_sink(setting, event_processors)
        try:
            if self.checkpointer is not None:
                from holdwater.runners.graphs.durable import request as durable

                order = durable.prepare_durable(
                    self.checkpointer,
                    graph,
                    setting,
                    given,
                    normalize_names(select),
                    normalize_names(entrypoint),
                    resume,
                )
                with concurrency_limit(1):  # one after the other, as without a checkpointer
                    ending, outputs = durable.run_durable(order), order.outputs
            else:
                asked = build_request(graph, given, select, entrypoint)
                ending, outputs = sync_driver.run_graph(asked.prepared, asked.inputs, setting), asked.prepared.outputs
        finally:
            if outlet is not None:
                outlet.close()
        notes = () if outlet is None else tuple(outlet.dispatcher.failures)
        return to_result(
            ending,
            outputs,
            error_handling,
            on_missing,
            run_id=setting.run_id,
            workflow_id=setting.workflow_id,
            session_id=session_id,
            notes=notes,
        )

    def map(
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
        error_handling: ErrorHandling = "raise",
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        event_processors: Sequence[EventProcessor] | None = None,
        **keywords: Any,
    ) -> MapResult:
        """Run a graph for each item of the mapped inputs, which are lists.  Results are in the order of the items.

        - `map_mode`: "zip" pairs the lists, "product" uses every combination, the last input varying fastest.
        - `clone`: every item gets deep copies of these other inputs (True: all of them); by default items share them.
        - `error_handling`: "raise" stops at the first failed item; "continue" returns failed results in their places.
        - `workflow_id`: id of a recorded map, whose items are recorded one by one as they end.  Calling it again runs
          those that are missing or failed, and with `resume="merge"` those that have other inputs than before; with
          "strict" the first of these is an error.  Iterators are drawn lazily, and results loaded when looked at.

        Raises the exception of a node unchanged; MapOverError (a ValueError) for lists of unequal length,
        GraphConfigError, also for a graph with interrupts, MissingInputError, IncompatibleRunnerError,
        InfiniteLoopError, ConfigError; of a recorded map also InvalidTransition, StructureChanged, RunInProgress,
        EncodingError, GraphFailed, StoreUnavailable.
        """
        check_options(
            error_handling=error_handling,
            resume=resume,
            max_iterations=max_iterations,
            workflow_id=workflow_id,
            has_checkpointer=self.checkpointer is not None,
        )
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
            return self._map_durably(order, session_id, max_iterations, event_processors)
        try:
            asked = build_request(graph, given, select, entrypoint)
        except MissingInputError as error:
            if error_handling == "raise":
                raise
            return make_failed_map_result(error, graph, given, map_over, map_mode)
        items = expand_items(asked.inputs, map_over, map_mode, clone)
        setting = self._map_context(session_id, max_iterations)
        outlet = self._make_event_sink(setting, event_processors) if len(items) else None
        keep = RunResult.from_outcome if error_handling == "continue" else None
        try:
            results = sync_driver.map_graph(asked.prepared, items, setting, RunResult, keep)
        finally:
            if outlet is not None:
                outlet.close()
        return make_map_result(results, items.params, map_mode, setting.run_id)

    def _map_durably(
        self,
        order: MapOrder,
        session_id: str | None,
        max_iterations: int | None,
        event_processors: Sequence[EventProcessor] | None,
    ) -> MapResult:
        from holdwater.runners.graphs.durable.map_request import run_map

        assert self.checkpointer is not None
        setting = self._map_context(session_id, max_iterations, order.workflow_id)
        outlet = self._make_event_sink(setting, event_processors)
        try:
            return run_map(self.checkpointer, order, setting)
        finally:
            if outlet is not None:
                outlet.close()

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

    def run_inside(self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run the graph of a node within an outer run, with this runner's cache if it has one."""
        if self._node_cache is not None:
            run_context.node_cache = self._node_cache
        return sync_driver.run_graph_node(node, inputs, run_context)

    def _make_event_sink(
        self, run_context: RunContext, extra_processors: Sequence[EventProcessor] | None
    ) -> EventSink | None:
        dispatcher = make_dispatcher(self.event_processors, extra_processors)
        if dispatcher is None:
            return None
        from holdwater.runners.graphs.local.event_sinks import EventSink

        run_context.run_id = new_run_id()
        run_context.event_sink = EventSink(dispatcher)
        return run_context.event_sink


_RUN_OPTIONS: Final = option_names(SyncRunner.run)
_MAP_OPTIONS: Final = option_names(SyncRunner.map)
