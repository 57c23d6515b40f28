"""How the body of a node is called, whoever drives the run: in memory or recorded, in this thread or in a loop.

Inputs go by their names in the graph; what comes back is one value per output (emitted ones have None), and the
decision of a gate.  Nobody pays for a listener or a memo that is not there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, Protocol

from holdwater.errors import ConfigError, NodeReturnError
from holdwater.graphs.messages import a_kind
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.gates import GateNode
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.model.cancellation import STOP, failure_of, is_cancellation, is_task_cancelled
from holdwater.model.context_isolation import copier

PENDING: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""kinds of values that are still to be computed"""
Wait = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(slots=True)
class Performance:
    """What a body gave.  `values`: one per output, emitted ones None; `decision`: the targets a gate opened."""

    values: tuple[Any, ...]
    decision: tuple[str, ...] | None = None


class Span(Protocol):
    """One execution of a node, as its listener knows it.  It ends with `done` or `failed`, or is never heard of again
    because the run was cancelled.
    """

    def enter(self) -> None:
        """The body is about to be called, in this context, which is its own."""

    def chunk(self, value: object) -> None:
        """From any thread; a thread that is not the listener's may have to wait here."""

    def hit(self, key: str) -> None: ...

    def decided(self, decision: tuple[str, ...]) -> None: ...

    def done(self, values: Mapping[str, Any], *, cached: bool = False) -> None: ...

    def failed(self, error: BaseException) -> None: ...

    async def room(self) -> None:
        """Wait until the listener can hear more."""


class Listener(Protocol):
    """Who wants to hear of the nodes of a run."""

    def begin(self, node: Node, inputs: Mapping[str, Any]) -> Span: ...


@dataclass(slots=True)
class Recall:
    """What is known of an execution from earlier ones.  `key`: None if nothing can be kept of it.

    `value` is what the function returned, a generator as the list of what it yielded.
    """

    key: str | None = None
    found: bool = False
    value: Any = None
    decision: tuple[str, ...] | None = None
    keep: Callable[[Any, tuple[str, ...] | None], None] | None = None
    """takes the value and the decision of this execution"""


class Memo(Protocol):
    """Where performances are kept between runs.  Thread-safe."""

    def recall(self, node: Node, inputs: Mapping[str, Any]) -> Recall: ...


class Parent(Protocol):
    """A recorded attempt, which may have child runs."""

    def execute(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    async def execute_async(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    def raise_if_cancelled(self) -> None: ...


_parent: ContextVar[Parent | None] = ContextVar("holdwater_parent", default=None)


@contextmanager
def on_record(parent: Parent) -> Iterator[None]:
    """Bodies called inside the block belong to this attempt."""
    token = _parent.set(parent)
    try:
        yield
    finally:
        _parent.reset(token)


class Stream:
    """The NodeContext of one execution."""

    __slots__ = ("_parent", "_span")

    def __init__(self, span: Span | None) -> None:
        self._span = span
        self._parent = _parent.get()  # now: threads that the body starts do not have its context variables

    def stream(self, chunk: object) -> None:
        """Send a chunk to whoever listens to the run."""
        if self._span is not None:
            self._span.chunk(chunk)

    def execute(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a registered workflow as a child, and wait for its result."""
        return self._recorded().execute(workflow, inputs, key=key)

    async def execute_async(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """The same for `async def` bodies."""
        return await self._recorded().execute_async(workflow, inputs, key=key)

    def _recorded(self) -> Parent:
        if self._parent is None:
            raise ConfigError(
                "this run is not recorded, so it has no child runs",
                hint="register_graph(graph), then DefaultRunner(...).execute(name, inputs)",
            )
        return self._parent


class Call:
    """One node of a graph and what calling it takes, found out once."""

    __slots__ = (
        "_arity",
        "_context",
        "_emitted",
        "_func",
        "_gate",
        "_params",
        "_wrapped",
        "is_generator",
        "is_retried",
        "node",
        "spares",
    )

    def __init__(self, node: Node, bound: Mapping[str, Any], signals: int = 0) -> None:
        """`signals`: values besides its outputs, which say that it was called."""
        self.node = node
        self.spares: tuple[tuple[str, Callable[[], Any]], ...] = tuple(_spares(node, bound))
        """inputs that have a value when none is given, with how to get it"""
        self._arity = len(node.data_outputs)
        self._emitted = (None,) * (len(node.emit) + signals)
        self._params: dict[str, str] | None = None
        self._context: str | None = None
        self._func: Callable[..., Any] | None = None
        self._gate = node if isinstance(node, GateNode) else None
        self.is_generator = node.is_generator
        self.is_retried = node.retry is not None and node.retry.max_attempts > 1
        self._wrapped: Callable[..., Any] | None = None
        if isinstance(node, CallNode):
            self._func = node.func
            self._wrapped = inspect.unwrap(node.func) if hasattr(node.func, "__wrapped__") else None
            params = {name: node.param(name) for name in node.inputs}
            if any(name != param for name, param in params.items()):
                self._params = params
            self._context = node.context_param

    def complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """Add what is bound and, as fresh copies, the defaults.  Raises GraphConfigError for one without copies."""
        for name, value in self.spares:
            if name not in given:
                given[name] = value()
        return given

    def raw(self, inputs: dict[str, Any], span: Span | None = None) -> Any:
        """What the function returns, be it a coroutine or a generator."""
        assert self._func is not None
        params = self._params
        kwargs = inputs if params is None else {params[name]: value for name, value in inputs.items()}
        if self._context is not None:
            kwargs = {**kwargs, self._context: Stream(span)}
        return self._func(**kwargs)

    def settled(self, returned: Any, wait: Wait | None = None) -> Any:
        """What a plain function returned; if that is a coroutine, or the generator of a function it wraps, its outcome.

        `wait`: awaits in the place of this thread.  Raises NodeReturnError for what cannot be awaited here.
        """
        kind = type(returned)
        if kind is GeneratorType and self._wrapped is not None and inspect.isgeneratorfunction(self._wrapped):
            return _drawn(returned, None)
        if kind is AsyncGeneratorType and self._wrapped is not None and inspect.isasyncgenfunction(self._wrapped):
            returned = _collected(returned)
        elif kind is not CoroutineType:
            return returned
        if wait is None:
            returned.close()
            raise NodeReturnError(
                f"node {self.node.name!r} returned a coroutine, but its function is no async def, so it is not awaited",
                hint="make what wraps it async def, and await in it; AsyncRunner without a checkpointer awaits it",
            )
        return wait(returned)

    def performed(self, returned: Any) -> Performance:
        """What a returned value means.  Raises NodeReturnError if it means nothing."""
        if self._gate is not None:
            return Performance(self._emitted, self._gate.decide(returned))
        return Performance(self.values(returned))

    def recalled(self, recall: Recall) -> Performance:
        """What is kept of an earlier execution."""
        if recall.decision is not None:
            return Performance(self._emitted, recall.decision)
        return Performance(self.values(recall.value))

    def answered(self, answer: Any) -> Performance:
        """What an answer to an interrupt means.  Raises AnswerError."""
        assert isinstance(self.node, InterruptNode)
        return Performance((self.node.accept(answer), *self._emitted))

    def values(self, returned: Any) -> tuple[Any, ...]:
        """One value per output.  Raises NodeReturnError for a wrong number of them."""
        if self._arity == 1:
            return (returned, *self._emitted) if self._emitted else (returned,)
        if self._arity == 0:
            return self._emitted
        if not isinstance(returned, (tuple, list)) or len(returned) != self._arity:
            raise self._miscounted(returned)
        return (*returned, *self._emitted)

    def named(self, performance: Performance) -> dict[str, Any]:
        """The data outputs of a performance by name."""
        return dict(zip(self.node.data_outputs, performance.values, strict=False))

    def _miscounted(self, returned: Any) -> NodeReturnError:
        got = f"{len(returned)} values" if isinstance(returned, (tuple, list)) else a_kind(returned)
        return NodeReturnError(
            f"node {self.node.name!r} has {self._arity} data outputs but returned {got}",
            hint=f"return a tuple: ({', '.join(self.node.data_outputs)})",
        )


def _spares(node: Node, bound: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name in node.inputs:
        if name in bound:
            yield name, partial(_same, bound[name])
        elif isinstance(node, CallNode) and node.has_default_for(name):
            yield name, partial(node.fresh_default_for, name)


def _same(value: Any) -> Any:
    return value


@contextmanager
def spanned(listener: Listener | None, node: Node, inputs: Mapping[str, Any]) -> Iterator[Span | None]:
    """One execution told to a listener, if there is one: how it begins, and that it failed if it does."""
    if listener is None:
        yield None
        return
    span = listener.begin(node, inputs)
    try:
        yield span
    except Exception as error:
        span.failed(error)
        raise


def _drawn(source: GeneratorType[Any, Any, Any], span: Span | None) -> list[Any]:
    """The items of a generator.  Where its run can be cancelled, it is closed between two items then."""
    stop, parent = STOP.get(), _parent.get()
    if stop is None and parent is None and span is None:
        return list(source)
    items = []
    try:
        for value in source:
            items.append(value)
            if span is not None:
                span.chunk(value)
            if stop is not None:
                stop.check()
            if parent is not None:
                parent.raise_if_cancelled()
    finally:
        source.close()
    return items


async def _collected(source: AsyncGeneratorType[Any, Any], span: Span | None = None) -> list[Any]:
    """The items of an asynchronous generator, which is closed when this ends, however it does."""
    items = []
    try:
        async for value in source:
            items.append(value)
            if span is not None:
                span.chunk(value)
                await span.room()
    finally:
        await source.aclose()
    return items


def perform(
    call: Call,
    inputs: dict[str, Any],
    listener: Listener | None,
    memo: Memo | None,
    wait: Wait | None = None,
) -> Performance:
    """Call a plain function or generator and wait for its end, in a copy of the running context.

    What it raises is raised, unwrapped.  `wait`: see `Call.settled`.
    """
    if listener is None and memo is None:
        return call.performed(copier()().run(_called, call, inputs, None, wait))
    with spanned(listener, call.node, inputs) as span:
        recall = memo.recall(call.node, inputs) if memo is not None and call.node.cache else _FORGOTTEN
        if recall.found:
            return _recalled(call, recall, span)
        return _finished(call, recall, copier()().run(_called, call, inputs, span, wait), span)


def _called(call: Call, inputs: dict[str, Any], span: Span | None, wait: Wait | None) -> Any:
    """What the function returns, a generator as the list of what it yields."""
    if span is not None:
        span.enter()
    try:
        returned = call.raw(inputs, span)
        if call.is_generator:
            return _drawn(returned, span)
        return call.settled(returned, wait) if type(returned) in PENDING else returned
    except BaseException as error:
        if is_cancellation(error):  # nothing cancels a plain function
            raise failure_of(error) from error
        raise


async def perform_async(
    call: Call, inputs: dict[str, Any], listener: Listener | None, memo: Memo | None
) -> Performance:
    """Await a coroutine function, or collect an async generator."""
    if listener is None and memo is None:
        return call.performed(await _awaited(call, inputs, None))
    with spanned(listener, call.node, inputs) as span:
        if span is not None:
            await span.room()
        recall = memo.recall(call.node, inputs) if memo is not None and call.node.cache else _FORGOTTEN
        if recall.found:
            return _recalled(call, recall, span)
        if span is not None:
            span.enter()
        returned = await _awaited(call, inputs, span)
        done = _finished(call, recall, returned, span)
        if span is not None:
            await span.room()
        return done


async def _awaited(call: Call, inputs: dict[str, Any], span: Span | None) -> Any:
    """What the coroutine returns, of an asynchronous generator the list of what it yields.

    A CancelledError that is no cancellation of this task, which is the body's own, is a failure.
    """
    try:
        returned = call.raw(inputs, span)
        return await (_collected(returned, span) if call.is_generator else returned)
    except BaseException as error:
        if is_cancellation(error) and not is_task_cancelled():
            raise failure_of(error) from error
        raise


_FORGOTTEN: Final = Recall()


def _recalled(call: Call, recall: Recall, span: Span | None) -> Performance:
    done = call.recalled(recall)
    if span is not None:
        assert recall.key is not None
        span.hit(recall.key)
        if done.decision is not None:
            span.decided(done.decision)
        span.done(call.named(done), cached=True)
    return done


def _finished(call: Call, recall: Recall, returned: Any, span: Span | None) -> Performance:
    done = call.performed(returned)
    if recall.keep is not None:
        recall.keep(returned, done.decision)
    if span is not None:
        if done.decision is not None:
            span.decided(done.decision)
        span.done(call.named(done))
    return done
