"""The caller of a recorded run: its event loop, concurrency limit, listeners, interrupt handlers and early answers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.errors import TaskCancelled
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.context_isolation import run_in_context_copy
from holdwater.model.coroutines import ForeignLoopCall, run_awaitable, wait_all_shielded
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.error_location import note_location
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.node_call import NodeCacheProtocol
    from holdwater.graphs.nodes.base import Node
    from holdwater.model.values import StoredValue
    from holdwater.runners.graphs.local.spans import NodeSpan, RunSpan

T = TypeVar("T")


class LocalCaller:
    """The caller of a recorded run and of the runs nested in it."""

    def __init__(self, graph: GraphProtocol, run_context: RunContext, loop: asyncio.AbstractEventLoop | None) -> None:
        self.graph, self.run_context, self.loop = graph, run_context, loop
        self.limiter = limiter.current_limiter()
        self.context_vars = contextvars.copy_context()
        self.errors: dict[str, Exception] = {}
        """run id -> first exception of the run"""
        self.run_spans: dict[str, RunSpan | None] = {}
        self.node_spans: dict[tuple[str, str], NodeSpan] = {}
        """(run id, node) -> span of a node whose nested runs are active"""
        self.started_nested: set[tuple[str, str]] = set()
        """nodes whose nested runs were started by this call"""
        self.finished_nested: set[tuple[str, str]] = set()
        """nodes whose nested runs have ended: no further events are sent for them"""
        self.answers = dict(run_context.answers)
        self.announced: set[str] = set()
        """pause ids of questions whose events were sent"""
        self._in_flight: set[ForeignLoopCall[Any]] = set()
        """functions and handlers that are being awaited in the loop"""
        self._cancelled = False
        self.lock = threading.Lock()

    def caller_run(self, run_id: str) -> CallerRun:
        """Create the environment of one of its runs."""
        with self.lock:
            return CallerRun(self, run_id, self._run_span(run_id))

    def schedule_in_loop(self, coroutine: Coroutine[Any, Any, T]) -> ForeignLoopCall[T]:
        """Await a coroutine in the loop of the caller, with the caller's context variables."""
        assert self.loop is not None
        one: ForeignLoopCall[T] = run_in_context_copy(self.context_vars, ForeignLoopCall, coroutine, self.loop)
        with self.lock:
            self._in_flight.add(one)
            if self._cancelled:
                one.cancel()
        one.future.add_done_callback(lambda _: self._in_flight.discard(one))
        return one

    def cancel(self) -> None:
        """Cancel coroutines in the loop, current and later ones; plain functions waiting for a permit do not start."""
        with self.lock:
            self._cancelled = True
            carried = list(self._in_flight)
        for one in carried:
            one.cancel()

    def raise_if_cancelled(self) -> None:
        """Raise TaskCancelled if the caller was cancelled."""
        if self._cancelled:
            raise TaskCancelled("its caller was interrupted")

    async def wait_until_idle(self) -> None:
        """Wait until all coroutines in the loop have ended, those of timed-out nodes included."""
        await wait_all_shielded([asyncio.wrap_future(one.future) for one in list(self._in_flight)])

    def end_nested_spans(self, outcome: RunOutcome) -> None:
        """End the spans of nested runs with the outcome of the run."""
        for run_id in sorted(self.run_spans, key=len, reverse=True):
            watch = self.run_spans[run_id]
            if watch is not None and "/" in run_id:
                watch.emit_end(RunOutcome({}, self.errors.get(run_id), outcome.pauses))
        self.run_spans.clear()

    def validate_answer(self, pause_id: str, value: Any) -> Any:
        """Check an answer with `InterruptNode.parse_answer`.  Raises AnswerError."""
        graph, (*path, name) = self.graph, pause_id.split("/")
        for step in path:
            node = graph.nodes.get(step)
            if isinstance(node, GraphNode):  # the other parts of the path are indexes of items
                graph = node.graph
        asking = graph.nodes[name]
        return asking.parse_answer(value) if isinstance(asking, InterruptNode) else value

    def _run_span(self, run_id: str) -> RunSpan | None:
        if run_id not in self.run_spans:
            self.run_spans[run_id] = (
                self.run_context.make_run_span(self.graph) if "/" not in run_id else self._nested_run_span(run_id)
            )
        return self.run_spans[run_id]

    def _nested_run_span(self, run_id: str) -> RunSpan | None:
        """Return the span of a nested run; one started by an earlier call gets a new span."""
        parent_id, _, place = run_id.rpartition("/")
        name = place.rsplit(".", 2)[0]
        node = (parent_id, name)
        if self.run_context.event_sink is None or node in self.finished_nested:
            return None
        span = self.node_spans.get(node)
        if span is None:
            above = self._run_span(parent_id)
            if above is None:
                return None
            span = self.node_spans[node] = above.start_node_span(nested_graph(self.graph, parent_id).nodes[name], {})
        from holdwater.runners.graphs.local.spans import RunSpan

        nested = RunContext(
            runner=self.run_context.runner,
            run_id=self.run_context.run_id,
            workflow_id=self.run_context.workflow_id,
            session_id=self.run_context.session_id,
            parent_span_id=span.span_id,
            item_index=int(place.rsplit(".", 1)[1]),
        )
        watch = RunSpan(nested, self.run_context.event_sink, name)
        watch.emit_start({}, is_resume=node not in self.started_nested)
        return watch


class CallerRun:
    """The environment of one run (see `holdwater.graphs.definition.RunEnvironment`)."""

    def __init__(self, caller: LocalCaller, run_id: str, run_span: RunSpan | None) -> None:
        self._caller, self._run_id = caller, run_id
        self.listener: RunSpan | None = run_span
        self.node_cache: NodeCacheProtocol | None = caller.run_context.node_cache

    def run_sync(self, function: Callable[[], T]) -> T:
        limit = self._caller.limiter
        if limit is None:
            return run_in_context_copy(self._caller.context_vars, function)
        limit.acquire_blocking()
        try:
            self._caller.raise_if_cancelled()
            return run_in_context_copy(self._caller.context_vars, function)
        finally:
            limit.release()

    def run_in_caller_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        caller = self._caller
        if caller.loop is None:
            return function()
        return caller.schedule_in_loop(_run_limited(caller.limiter, function)).wait()

    def early_answer(self, node: InterruptNode[..., Any]) -> tuple[Any] | None:
        caller = self._caller
        place = pause_id_of(caller.graph, self._run_id, node.name)
        with caller.lock:
            return (caller.answers.pop(place),) if place in caller.answers else None

    def handler_answer(self, node: InterruptNode[..., Any], value: Any) -> tuple[Any] | None:
        caller = self._caller
        place = pause_id_of(caller.graph, self._run_id, node.name)
        for key in (place, node.name):
            handler = caller.run_context.handlers.get(key)
            if handler is not None:
                answer = handler(value)
                return (self._wait_for_answer(answer) if asyncio.iscoroutine(answer) else answer,)
        return None

    def _wait_for_answer(self, answer: Coroutine[Any, Any, T]) -> T:
        caller = self._caller
        if caller.loop is None:
            return run_awaitable(answer)
        try:
            return caller.schedule_in_loop(answer).future.result()
        except CancelledError:
            caller.raise_if_cancelled()
            raise

    def node_failed(self, node: Node, error: Exception) -> None:
        if not isinstance(node, GraphNode):  # the error of a nested run has its location already
            note_location(error, display_path(self._caller.graph, self._run_id, node.name), node.inputs)
        self._caller.errors.setdefault(self._run_id, error)

    def children_started(self, node: GraphNode, inputs: Mapping[str, Any]) -> None:
        watch = self._caller.run_spans.get(self._run_id)
        if watch is not None:
            place = (self._run_id, node.name)
            self._caller.started_nested.add(place)
            self._caller.finished_nested.discard(place)
            self._caller.node_spans[place] = watch.start_node_span(node, inputs)

    def children_finished(self, node: GraphNode, outputs: Mapping[str, StoredValue], error: Exception | None) -> None:
        caller = self._caller
        stem = f"{self._run_id}/{node.name}."
        for run_id, watch in list(caller.run_spans.items()):
            if watch is not None and run_id.startswith(stem) and "/" not in run_id[len(stem) :]:
                watch.emit_end(RunOutcome({}, caller.errors.get(run_id)))
                del caller.run_spans[run_id]
        if error is not None:  # the run raises the first exception of its children
            inner = next((e for run_id, e in caller.errors.items() if run_id.startswith(stem)), None)
            if inner is not None:
                caller.errors.setdefault(self._run_id, inner)
        if caller.run_context.event_sink is not None:
            caller.finished_nested.add((self._run_id, node.name))
        span = caller.node_spans.pop((self._run_id, node.name), None)
        if span is None:
            return
        if error is None:
            span.emit_end({name: value.copy() for name, value in outputs.items()})
        else:
            span.emit_error(error)


def nested_graph(graph: GraphProtocol, run_id: str) -> GraphProtocol:
    """Return the graph of a run nested in one of `graph`."""
    for part in run_id.split("/")[1:]:
        nested = graph.nodes[part.rsplit(".", 2)[0]]
        assert isinstance(nested, GraphNode)
        graph = nested.graph
    return graph


def pause_id_of(graph: GraphProtocol, run_id: str, node: str) -> str:
    """Return the pause id of a node in a nested run: without generations, with item indexes only for mapped graphs."""
    return (
        "".join([f"{name}/" if item is None else f"{name}/{item}/" for name, item in _nested_path(graph, run_id)])
        + node
    )


def display_path(graph: GraphProtocol, run_id: str, node: str) -> str:
    """Return the path of a node for messages: `outer[2]/inner`."""
    return (
        "".join([f"{name}/" if item is None else f"{name}[{item}]/" for name, item in _nested_path(graph, run_id)])
        + node
    )


def _nested_path(graph: GraphProtocol, run_id: str) -> Iterator[tuple[str, str | None]]:
    """Iterate over the graph nodes that contain a run: (name, index of the item if the graph is mapped)."""
    for part in run_id.split("/")[1:]:
        name, _, item = part.rsplit(".", 2)
        nested = graph.nodes[name]
        assert isinstance(nested, GraphNode)
        yield name, None if nested.map_config is None else item
        graph = nested.graph


async def _run_limited(
    capacity_limiter: limiter.CapacityLimiter | None, function: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    if capacity_limiter is None:
        return await function()
    await capacity_limiter.acquire()
    try:
        return await function()
    finally:
        capacity_limiter.release()
