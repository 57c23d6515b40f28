"""Calls of nodes, for runs in memory and recorded ones, in a thread and in an event loop.

Inputs are passed by their names in the graph; the result is one value per output (None for emitted ones), and the
decision of a gate.  A missing listener or cache costs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, Protocol

from holdwater.errors import NodeReturnError
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.node_listener import ExecutionSpan, NodeListener, observed
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.gates import GateNode
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.streaming_context import CURRENT_ATTEMPT, StreamingContext
from holdwater.model.cancellation_token import CANCELLATION_TOKEN, is_cancellation, is_task_cancelled, to_node_failure
from holdwater.model.context_isolation import context_copier
from holdwater.model.results import NodeResult

UNEVALUATED_TYPES: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""types of values that are not computed yet"""
Awaiter = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(slots=True)
class CacheLookup:
    """The outcome of a cache lookup.  `key`: None if the execution cannot be cached.

    `value`: the function's return value; of a generator, the list of yielded values.
    """

    key: str | None = None
    is_hit: bool = False
    value: Any = None
    decision: tuple[str, ...] | None = None
    store: Callable[[Any, tuple[str, ...] | None], None] | None = None
    """stores value and decision of this execution"""


class NodeCacheProtocol(Protocol):
    """A cache of node results between runs.  Thread-safe."""

    def lookup(self, node: Node, inputs: Mapping[str, Any]) -> CacheLookup: ...


class NodeCall:
    """A node prepared for calls."""

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
        """Prepare calls.  `bound`: bound values by name.  `signal_count`: number of signals after the data outputs."""
        self.node = node
        self.default_inputs: tuple[tuple[str, Callable[[], Any]], ...] = tuple(_default_inputs(node, bound))
        """(input, function that returns its value) of bound and default inputs"""
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
        """Add bound values and copies of defaults.  Raises GraphConfigError for a default that cannot be copied."""
        for name, value in self.default_inputs:
            if name not in inputs:
                inputs[name] = value()
        return inputs

    def invoke(self, inputs: dict[str, Any], span: ExecutionSpan | None = None) -> Any:
        """Call the function; the return value may be a coroutine or a generator."""
        assert self._function is not None
        params = self._param_names
        kwargs = inputs if params is None else {params[name]: value for name, value in inputs.items()}
        if self._context_param is not None:
            kwargs = {**kwargs, self._context_param: StreamingContext(span)}
        return self._function(**kwargs)

    def resolve_returned(self, returned: Any, awaiter: Awaiter | None = None) -> Any:
        """Resolve the return value of a plain function: await a coroutine, collect a generator of a wrapped function.

        `awaiter`: awaits in place of this thread.  Raises NodeReturnError for an awaitable without an awaiter.
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
        """Convert a return value to outputs and decision.  Raises NodeReturnError for an invalid one."""
        if self._gate is not None:
            return NodeResult(self._emitted_values, self._gate.decide(returned))
        return NodeResult(self.output_values(returned))

    def cached_result(self, lookup: CacheLookup) -> NodeResult:
        """Convert a cache hit to outputs and decision."""
        if lookup.decision is not None:
            return NodeResult(self._emitted_values, lookup.decision)
        return NodeResult(self.output_values(lookup.value))

    def answer_result(self, answer: Any) -> NodeResult:
        """Convert an answer to the outputs of an interrupt.  Raises AnswerError."""
        assert isinstance(self.node, InterruptNode)
        return NodeResult((self.node.parse_answer(answer), *self._emitted_values))

    def output_values(self, returned: Any) -> tuple[Any, ...]:
        """Split a return value to one value per output.  Raises NodeReturnError for a wrong number of values."""
        if self._output_count == 1:
            return (returned, *self._emitted_values) if self._emitted_values else (returned,)
        if self._output_count == 0:
            return self._emitted_values
        if not isinstance(returned, (tuple, list)) or len(returned) != self._output_count:
            raise self._wrong_count_error(returned)
        return (*returned, *self._emitted_values)

    def outputs_by_name(self, result: NodeResult) -> dict[str, Any]:
        """Return the data outputs of a result by name."""
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


def _collect_generator(source: GeneratorType[Any, Any, Any], span: ExecutionSpan | None) -> list[Any]:
    """Collect the items of a generator; a cancellation of the run closes it between two items."""
    stop, parent = CANCELLATION_TOKEN.get(), CURRENT_ATTEMPT.get()
    if stop is None and parent is None and span is None:
        return list(source)
    items = []
    try:
        for value in source:
            items.append(value)
            if span is not None:
                span.emit_chunk(value)
            if stop is not None:
                stop.raise_if_cancelled()
            if parent is not None:
                parent.raise_if_cancelled()
    finally:
        source.close()
    return items


async def _collect_async_generator(
    source: AsyncGeneratorType[Any, Any], span: ExecutionSpan | None = None
) -> list[Any]:
    """Collect the items of an asynchronous generator, which is always closed at the end."""
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
    """Call a plain function or generator to its end, in a copy of the current context.

    Its exceptions propagate unchanged.  `awaiter`: see `NodeCall.resolve_returned`.
    """
    if listener is None and node_cache is None:
        return call.to_result(context_copier()().run(_invoke_function, call, inputs, None, awaiter))
    with observed(listener, call.node, inputs) as span:
        recall = node_cache.lookup(call.node, inputs) if node_cache is not None and call.node.cache else _NO_LOOKUP
        if recall.is_hit:
            return _finish_from_cache(call, recall, span)
        return _finish_call(call, recall, context_copier()().run(_invoke_function, call, inputs, span, awaiter), span)


def _invoke_function(
    call: NodeCall, inputs: dict[str, Any], span: ExecutionSpan | None, awaiter: Awaiter | None
) -> Any:
    """Call the function; a generator is collected to a list."""
    if span is not None:
        span.enter_function()
    try:
        returned = call.invoke(inputs, span)
        if call.is_generator:
            return _collect_generator(returned, span)
        return call.resolve_returned(returned, awaiter) if type(returned) in UNEVALUATED_TYPES else returned
    except BaseException as error:
        if is_cancellation(error):  # its own: a plain function is never cancelled
            raise to_node_failure(error) from error
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
    """Await the coroutine function; an asynchronous generator is collected to a list.

    A CancelledError of the function itself, without a cancellation of this task, is a failure.
    """
    try:
        returned = call.invoke(inputs, span)
        return await (_collect_async_generator(returned, span) if call.is_generator else returned)
    except BaseException as error:
        if is_cancellation(error) and not is_task_cancelled():
            raise to_node_failure(error) from error
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
