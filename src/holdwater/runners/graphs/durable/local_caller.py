"""Who called for a recorded run: the loop its coroutines live in, its budget, its listeners and handlers, and answers
given before the questions.
"""

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
from holdwater.model.context_isolation import in_copy_of
from holdwater.model.coroutines import Carried, over, run_to_end
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.error_location import locate
from holdwater.runners.graphs.local.run_context import Ending, Setting

if TYPE_CHECKING:
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.node_call import Memo
    from holdwater.graphs.nodes.base import Node
    from holdwater.model.values import Stored
    from holdwater.runners.graphs.local.spans import NodeSpan, Watch

T = TypeVar("T")


class Caller:
    """Who called for a recorded run, and is told of it and of the runs nested in it."""

    def __init__(self, graph: Graph, setting: Setting, loop: asyncio.AbstractEventLoop | None) -> None:
        self.graph, self.setting, self.loop = graph, setting, loop
        self.budget = limiter.current()
        self.variables = contextvars.copy_context()
        self.errors: dict[str, Exception] = {}
        """by run: what was raised first"""
        self.watches: dict[str, Watch | None] = {}
        self.spans: dict[tuple[str, str], NodeSpan] = {}
        """of nodes whose nested runs go on, by run and name"""
        self.unfolded: set[tuple[str, str]] = set()
        """those whose nested runs were begun by this call"""
        self.folded: set[tuple[str, str]] = set()
        """those whose nested runs are over: nothing more is told of these"""
        self.answers = dict(setting.answers)
        self.told: set[str] = set()
        """pause ids of questions that listeners have heard of"""
        self._carried: set[Carried[Any]] = set()
        """bodies and handlers that are awaited in the loop now"""
        self._cancelled = False
        self.lock = threading.Lock()

    def part(self, run_id: str) -> Part:
        """One of its runs."""
        with self.lock:
            return Part(self, run_id, self._watch(run_id))

    def carried(self, coroutine: Coroutine[Any, Any, T]) -> Carried[T]:
        """Await it in the loop of the caller, with the caller's context variables."""
        assert self.loop is not None
        one: Carried[T] = in_copy_of(self.variables, Carried, coroutine, self.loop)
        with self.lock:
            self._carried.add(one)
            if self._cancelled:
                one.cancel()
        one.result.add_done_callback(lambda _: self._carried.discard(one))
        return one

    def cancel(self) -> None:
        """Cancel what is awaited in the loop, now or later; plain bodies that wait for their turn do not begin."""
        with self.lock:
            self._cancelled = True
            carried = list(self._carried)
        for one in carried:
            one.cancel()

    def check(self) -> None:
        """Raise TaskCancelled if the caller is gone."""
        if self._cancelled:
            raise TaskCancelled("its caller was interrupted")

    async def settled(self) -> None:
        """Wait in the loop until all that is awaited there has ended, that of nodes which timed out too."""
        await over([asyncio.wrap_future(one.result) for one in list(self._carried)])

    def close(self, ending: Ending) -> None:
        """Its run has come to this: so have the runs in it that listeners have not heard the end of."""
        for run_id in sorted(self.watches, key=len, reverse=True):
            watch = self.watches[run_id]
            if watch is not None and "/" in run_id:
                watch.ended(Ending({}, self.errors.get(run_id), ending.pauses))
        self.watches.clear()

    def accepted(self, pause_id: str, value: Any) -> Any:
        """The value as an answer to this question (see `InterruptNode.accept`).  Raises AnswerError if it is none."""
        graph, (*path, name) = self.graph, pause_id.split("/")
        for step in path:
            node = graph.nodes.get(step)
            if isinstance(node, GraphNode):  # the others are numbers of items
                graph = node.graph
        asking = graph.nodes[name]
        return asking.accept(value) if isinstance(asking, InterruptNode) else value

    def _watch(self, run_id: str) -> Watch | None:
        if run_id not in self.watches:
            self.watches[run_id] = self.setting.watch(self.graph) if "/" not in run_id else self._watch_inside(run_id)
        return self.watches[run_id]

    def _watch_inside(self, run_id: str) -> Watch | None:
        """That of a nested run.  One that an earlier call began goes on here, in a span of its own."""
        parent_id, _, place = run_id.rpartition("/")
        name = place.rsplit(".", 2)[0]
        node = (parent_id, name)
        if self.setting.outlet is None or node in self.folded:
            return None
        span = self.spans.get(node)
        if span is None:
            above = self._watch(parent_id)
            if above is None:
                return None
            span = self.spans[node] = above.begin(graph_of(self.graph, parent_id).nodes[name], {})
        from holdwater.runners.graphs.local.spans import Watch

        nested = Setting(
            runner=self.setting.runner,
            run_id=self.setting.run_id,
            workflow_id=self.setting.workflow_id,
            session_id=self.setting.session_id,
            parent_span=span.span_id,
            item_index=int(place.rsplit(".", 1)[1]),
        )
        watch = Watch(nested, self.setting.outlet, name)
        watch.started({}, is_resume=node not in self.unfolded)
        return watch


class Part:
    """The surroundings of one run (see `holdwater.graphs.definition.Surroundings`)."""

    def __init__(self, caller: Caller, run_id: str, watch: Watch | None) -> None:
        self._caller, self._run_id = caller, run_id
        self.listener: Watch | None = watch
        self.memo: Memo | None = caller.setting.memo

    def call(self, body: Callable[[], T]) -> T:
        limit = self._caller.budget
        if limit is None:
            return in_copy_of(self._caller.variables, body)
        limit.acquire_blocking()
        try:
            self._caller.check()
            return in_copy_of(self._caller.variables, body)
        finally:
            limit.release()

    def carry(self, body: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        caller = self._caller
        if caller.loop is None:
            return body()
        return caller.carried(_within(caller.budget, body)).arrived()

    def answered_before(self, node: InterruptNode[..., Any]) -> tuple[Any] | None:
        caller = self._caller
        place = place_of(caller.graph, self._run_id, node.name)
        with caller.lock:
            return (caller.answers.pop(place),) if place in caller.answers else None

    def answered(self, node: InterruptNode[..., Any], shown: Any) -> tuple[Any] | None:
        caller = self._caller
        place = place_of(caller.graph, self._run_id, node.name)
        for key in (place, node.name):
            handler = caller.setting.handlers.get(key)
            if handler is not None:
                answer = handler(shown)
                return (self._awaited(answer) if asyncio.iscoroutine(answer) else answer,)
        return None

    def _awaited(self, answer: Coroutine[Any, Any, T]) -> T:
        caller = self._caller
        if caller.loop is None:
            return run_to_end(answer)
        try:
            return caller.carried(answer).result.result()
        except CancelledError:
            caller.check()
            raise

    def raised(self, node: Node, error: Exception) -> None:
        if not isinstance(node, GraphNode):  # what it raises tells of an error of a run inside, which says where
            locate(error, path_of(self._caller.graph, self._run_id, node.name), node.inputs)
        self._caller.errors.setdefault(self._run_id, error)

    def unfolded(self, node: GraphNode, inputs: Mapping[str, Any]) -> None:
        watch = self._caller.watches.get(self._run_id)
        if watch is not None:
            place = (self._run_id, node.name)
            self._caller.unfolded.add(place)
            self._caller.folded.discard(place)
            self._caller.spans[place] = watch.begin(node, inputs)

    def folded(self, node: GraphNode, outputs: Mapping[str, Stored], error: Exception | None) -> None:
        caller = self._caller
        stem = f"{self._run_id}/{node.name}."
        for run_id, watch in list(caller.watches.items()):
            if watch is not None and run_id.startswith(stem) and "/" not in run_id[len(stem) :]:
                watch.ended(Ending({}, caller.errors.get(run_id)))
                del caller.watches[run_id]
        if error is not None:  # the first that a child raised is what this run raises
            inner = next((e for run_id, e in caller.errors.items() if run_id.startswith(stem)), None)
            if inner is not None:
                caller.errors.setdefault(self._run_id, inner)
        if caller.setting.outlet is not None:
            caller.folded.add((self._run_id, node.name))
        span = caller.spans.pop((self._run_id, node.name), None)
        if span is None:
            return
        if error is None:
            span.done({name: value.copy() for name, value in outputs.items()})
        else:
            span.failed(error)


def graph_of(graph: Graph, run_id: str) -> Graph:
    """The graph of a run nested in one of `graph`."""
    for part in run_id.split("/")[1:]:
        nested = graph.nodes[part.rsplit(".", 2)[0]]
        assert isinstance(nested, GraphNode)
        graph = nested.graph
    return graph


def place_of(graph: Graph, run_id: str, node: str) -> str:
    """The pause id of a node in a run nested in one of `graph`: without turns, items only where a graph is mapped."""
    return "".join([f"{name}/" if item is None else f"{name}/{item}/" for name, item in _way(graph, run_id)]) + node


def path_of(graph: Graph, run_id: str, node: str) -> str:
    """Where a node is, for people: `outer[2]/inner`."""
    return "".join([f"{name}/" if item is None else f"{name}[{item}]/" for name, item in _way(graph, run_id)]) + node


def _way(graph: Graph, run_id: str) -> Iterator[tuple[str, str | None]]:
    """The nested nodes on the way to a run: name, and the number of the item where the graph is mapped."""
    for part in run_id.split("/")[1:]:
        name, _, item = part.rsplit(".", 2)
        nested = graph.nodes[name]
        assert isinstance(nested, GraphNode)
        yield name, None if nested.map_config is None else item
        graph = nested.graph


async def _within(limit: limiter.Budget | None, body: Callable[[], Coroutine[Any, Any, T]]) -> T:
    if limit is None:
        return await body()
    await limit.acquire()
    try:
        return await body()
    finally:
        limit.release()
