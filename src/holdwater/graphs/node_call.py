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
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.gates import GateNode
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.model.cancellation import STOP, failure_of, is_cancellation, is_task_cancelled
from holdwater.model.context_isolation import copier
from holdwater.model.results import NodeResult

UNEVALUATED_TYPES: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""kinds of values that are still to be computed"""
Awaiter = Callable[[Coroutine[Any, Any, Any]], Any]


class ExecutionSpan(Protocol):
    """One execution of a node, as its listener knows it.  It ends with `done` or `failed`, or is never heard of again
    because the run was cancelled.
    """

    def enter_function(self) -> None:
        """The body is about to be called, in this context, which is its own."""

    def emit_chunk(self, value: object) -> None:
        """From any thread; a thread that is not the listener's may have to wait here."""

    def emit_cache_hit(self, key: str) -> None: ...

    def emit_decision(self, decision: tuple[str, ...]) -> None: ...

    def emit_end(self, values: Mapping[str, Any], *, cached: bool = False) -> None: ...

    def emit_error(self, error: BaseException) -> None: ...

    async def drain(self) -> None:
        """Wait until the listener can hear more."""


class NodeListener(Protocol):
    """Who wants to hear of the nodes of a run."""

    def start_node_span(self, node: Node, inputs: Mapping[str, Any]) -> ExecutionSpan: ...


@dataclass(slots=True)
class CacheLookup:
    """What is known of an execution from earlier ones.  `key`: None if nothing can be kept of it.

    `value` is what the function returned, a generator as the list of what it yielded.
    """

    key: str | None = None
    is_hit: bool = False
    value: Any = None
    decision: tuple[str, ...] | None = None
    store: Callable[[Any, tuple[str, ...] | None], None] | None = None
    """takes the value and the decision of this execution"""


class NodeCacheProtocol(Protocol):
    """Where performances are kept between runs.  Thread-safe."""

    def lookup(self, node: Node, inputs: Mapping[str, Any]) -> CacheLookup: ...


class ParentAttempt(Protocol):
    """A recorded attempt, which may have child runs."""

    def execute(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    async def execute_async(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    def raise_if_cancelled(self) -> None: ...


_current_attempt: ContextVar[ParentAttempt | None] = ContextVar("holdwater_attempt", default=None)


@contextmanager
def in_attempt(attempt: ParentAttempt) -> Iterator[None]:
    """Bodies called inside the block belong to this attempt."""
    token = _current_attempt.set(attempt)
    try:
        yield
    finally:
        _current_attempt.reset(token)


class StreamingContext:
    """The NodeContext of one execution."""

    __slots__ = ("_attempt", "_span")

    def __init__(self, span: ExecutionSpan | None) -> None:
        self._span = span
        self._attempt = _current_attempt.get()  # now: threads that the body starts do not have its context variables

    def stream(self, chunk: object) -> None:
        """Send a chunk to whoever listens to the run."""
        if self._span is not None:
            self._span.emit_chunk(chunk)

    def execute(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a registered workflow as a child, and wait for its result."""
        return self._require_attempt().execute(workflow, inputs, key=key)

    async def execute_async(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """The same for `async def` bodies."""
        return await self._require_attempt().execute_async(workflow, inputs, key=key)

    def _require_attempt(self) -> ParentAttempt:
        if self._attempt is None:
            raise ConfigError(
                "this run is not recorded, so it has no child runs",
                hint="register_graph(graph), then DefaultRunner(...).execute(name, inputs)",
            )
        return self._attempt


class NodeCall:
    """One node of a graph and what calling it takes, found out once."""

    __slots__ = (
        "_context_param",
        "_emitted_values",
        "_function",
        "_gate",
        "_output_count",
        "_param_names",
        "_wrapped_function",
        "default_inputs",
        "is_generator",
        "is_retried",
        "node",
    )

    def __init__(self, node: Node, bound: Mapping[str, Any], signal_count: int = 0) -> None:
        """`signals`: values besides its outputs, which say that it was called."""
        self.node = node
        self.default_inputs: tuple[tuple[str, Callable[[], Any]], ...] = tuple(_default_inputs(node, bound))
        """inputs that have a value when none is given, with how to get it"""
        self._output_count = len(node.data_outputs)
        self._emitted_values = (None,) * (len(node.emit) + signal_count)
        self._param_names: dict[str, str] | None = None
        self._context_param: str | None = None
        self._function: Callable[..., Any] | None = None
        self._gate = node if isinstance(node, GateNode) else None
        self.is_generator = node.is_generator
        self.is_retried = node.retry is not None and node.retry.max_attempts > 1
        self._wrapped_function: Callable[..., Any] | None = None
        if isinstance(node, CallNode):
            self._function = node.func
            self._wrapped_function = inspect.unwrap(node.func) if hasattr(node.func, "__wrapped__") else None
            params = {name: node.param(name) for name in node.inputs}
            if any(name != param for name, param in params.items()):
                self._param_names = params
            self._context_param = node.context_param

    def add_default_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Add what is bound and, as fresh copies, the defaults.  Raises GraphConfigError for one without copies."""
        for name, value in self.default_inputs:
            if name not in inputs:
                inputs[name] = value()
        return inputs

    def invoke(self, inputs: dict[str, Any], span: ExecutionSpan | None = None) -> Any:
        """What the function returns, be it a coroutine or a generator."""
        assert self._function is not None
        params = self._param_names
        kwargs = inputs if params is None else {params[name]: value for name, value in inputs.items()}
        if self._context_param is not None:
            kwargs = {**kwargs, self._context_param: StreamingContext(span)}
        return self._function(**kwargs)

    def resolve_returned(self, returned: Any, awaiter: Awaiter | None = None) -> Any:
        """What a plain function returned; if that is a coroutine, or the generator of a function it wraps, its outcome.

        `wait`: awaits in the place of this thread.  Raises NodeReturnError for what cannot be awaited here.
        """
        kind = type(returned)
        if (
            kind is GeneratorType
            and self._wrapped_function is not None
            and inspect.isgeneratorfunction(self._wrapped_function)
        ):
            return _collect_generator(returned, None)
        if (
            kind is AsyncGeneratorType
            and self._wrapped_function is not None
            and inspect.isasyncgenfunction(self._wrapped_function)
        ):
            returned = _collect_async_generator(returned)
        elif kind is not CoroutineType:
            return returned
        if awaiter is None:
            returned.close()
            raise NodeReturnError(
                f"node {self.node.name!r} returned a coroutine, but its function is no async def, so it is not awaited",
                hint="make what wraps it async def, and await in it; AsyncRunner without a checkpointer awaits it",
            )
        return awaiter(returned)

    def to_result(self, returned: Any) -> NodeResult:
        """What a returned value means.  Raises NodeReturnError if it means nothing."""
        if self._gate is not None:
            return NodeResult(self._emitted_values, self._gate.decide(returned))
        return NodeResult(self.output_values(returned))

    def cached_result(self, lookup: CacheLookup) -> NodeResult:
        """What is kept of an earlier execution."""
        if lookup.decision is not None:
            return NodeResult(self._emitted_values, lookup.decision)
        return NodeResult(self.output_values(lookup.value))

    def answer_result(self, answer: Any) -> NodeResult:
        """What an answer to an interrupt means.  Raises AnswerError."""
        assert isinstance(self.node, InterruptNode)
        return NodeResult((self.node.parse_answer(answer), *self._emitted_values))

    def output_values(self, returned: Any) -> tuple[Any, ...]:
        """One value per output.  Raises NodeReturnError for a wrong number of them."""
        if self._output_count == 1:
            return (returned, *self._emitted_values) if self._emitted_values else (returned,)
        if self._output_count == 0:
            return self._emitted_values
        if not isinstance(returned, (tuple, list)) or len(returned) != self._output_count:
            raise self._wrong_count_error(returned)
        return (*returned, *self._emitted_values)

    def outputs_by_name(self, result: NodeResult) -> dict[str, Any]:
        """The data outputs of a performance by name."""
        return dict(zip(self.node.data_outputs, result.values, strict=False))

    def _wrong_count_error(self, returned: Any) -> NodeReturnError:
        got = f"{len(returned)} values" if isinstance(returned, (tuple, list)) else type_with_article(returned)
        return NodeReturnError(
            f"node {self.node.name!r} has {self._output_count} data outputs but returned {got}",
            hint=f"return a tuple: ({', '.join(self.node.data_outputs)})",
        )


def _default_inputs(node: Node, bound: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name in node.inputs:
        if name in bound:
            yield name, partial(_identity, bound[name])
        elif isinstance(node, CallNode) and node.has_default_for(name):
            yield name, partial(node.fresh_default_for, name)


def _identity(value: Any) -> Any:
    return value


@contextmanager
def observed(listener: NodeListener | None, node: Node, inputs: Mapping[str, Any]) -> Iterator[ExecutionSpan | None]:
    """One execution told to a listener, if there is one: how it begins, and that it failed if it does."""
    if listener is None:
        yield None
        return
    span = listener.start_node_span(node, inputs)
    try:
        yield span
    except Exception as error:
        span.emit_error(error)
        raise


def _collect_generator(source: GeneratorType[Any, Any, Any], span: ExecutionSpan | None) -> list[Any]:
    """The items of a generator.  Where its run can be cancelled, it is closed between two items then."""
    stop, parent = STOP.get(), _current_attempt.get()
    if stop is None and parent is None and span is None:
        return list(source)
    items = []
    try:
        for value in source:
            items.append(value)
            if span is not None:
                span.emit_chunk(value)
            if stop is not None:
                stop.check()
            if parent is not None:
                parent.raise_if_cancelled()
    finally:
        source.close()
    return items


async def _collect_async_generator(
    source: AsyncGeneratorType[Any, Any], span: ExecutionSpan | None = None
) -> list[Any]:
    """The items of an asynchronous generator, which is closed when this ends, however it does."""
    items = []
    try:
        async for value in source:
            items.append(value)
            if span is not None:
                span.emit_chunk(value)
                await span.drain()
    finally:
        await source.aclose()
    return items


def call_function(
    call: NodeCall,
    inputs: dict[str, Any],
    listener: NodeListener | None,
    node_cache: NodeCacheProtocol | None,
    awaiter: Awaiter | None = None,
) -> NodeResult:
    """Call a plain function or generator and wait for its end, in a copy of the running context.

    What it raises is raised, unwrapped.  `wait`: see `Call.settled`.
    """
    if listener is None and node_cache is None:
        return call.to_result(copier()().run(_invoke_function, call, inputs, None, awaiter))
    with observed(listener, call.node, inputs) as span:
        recall = node_cache.lookup(call.node, inputs) if node_cache is not None and call.node.cache else _NO_LOOKUP
        if recall.is_hit:
            return _finish_from_cache(call, recall, span)
        return _finish_call(call, recall, copier()().run(_invoke_function, call, inputs, span, awaiter), span)


def _invoke_function(
    call: NodeCall, inputs: dict[str, Any], span: ExecutionSpan | None, awaiter: Awaiter | None
) -> Any:
    """What the function returns, a generator as the list of what it yields."""
    if span is not None:
        span.enter_function()
    try:
        returned = call.invoke(inputs, span)
        if call.is_generator:
            return _collect_generator(returned, span)
        return call.resolve_returned(returned, awaiter) if type(returned) in UNEVALUATED_TYPES else returned
    except BaseException as error:
        if is_cancellation(error):  # nothing cancels a plain function
            raise failure_of(error) from error
        raise


async def call_function_async(
    call: NodeCall, inputs: dict[str, Any], listener: NodeListener | None, node_cache: NodeCacheProtocol | None
) -> NodeResult:
    """Await a coroutine function, or collect an async generator."""
    if listener is None and node_cache is None:
        return call.to_result(await _invoke_function_async(call, inputs, None))
    with observed(listener, call.node, inputs) as span:
        if span is not None:
            await span.drain()
        recall = node_cache.lookup(call.node, inputs) if node_cache is not None and call.node.cache else _NO_LOOKUP
        if recall.is_hit:
            return _finish_from_cache(call, recall, span)
        if span is not None:
            span.enter_function()
        returned = await _invoke_function_async(call, inputs, span)
        done = _finish_call(call, recall, returned, span)
        if span is not None:
            await span.drain()
        return done


async def _invoke_function_async(call: NodeCall, inputs: dict[str, Any], span: ExecutionSpan | None) -> Any:
    """What the coroutine returns, of an asynchronous generator the list of what it yields.

    A CancelledError that is no cancellation of this task, which is the body's own, is a failure.
    """
    try:
        returned = call.invoke(inputs, span)
        return await (_collect_async_generator(returned, span) if call.is_generator else returned)
    except BaseException as error:
        if is_cancellation(error) and not is_task_cancelled():
            raise failure_of(error) from error
        raise


_NO_LOOKUP: Final = CacheLookup()


def _finish_from_cache(call: NodeCall, lookup: CacheLookup, span: ExecutionSpan | None) -> NodeResult:
    done = call.cached_result(lookup)
    if span is not None:
        assert lookup.key is not None
        span.emit_cache_hit(lookup.key)
        if done.decision is not None:
            span.emit_decision(done.decision)
        span.emit_end(call.outputs_by_name(done), cached=True)
    return done


def _finish_call(call: NodeCall, lookup: CacheLookup, returned: Any, span: ExecutionSpan | None) -> NodeResult:
    done = call.to_result(returned)
    if lookup.store is not None:
        lookup.store(returned, done.decision)
    if span is not None:
        if done.decision is not None:
            span.emit_decision(done.decision)
        span.emit_end(call.outputs_by_name(done))
    return done
