"""Runs and nodes as OpenTelemetry spans.  Needs the package `opentelemetry-api`; importing this module does not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdwater.errors import ConfigError
from holdwater.events.open_spans import OpenSpans
from holdwater.events.processor_events import RecordedError
from holdwater.events.processors import TypedEventProcessor
from holdwater.events.types import (
    BaseEvent,
    CacheHitEvent,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)
from holdwater.model.error_report import error_message, format_traceback, is_a, qualified_type_name, type_name

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider


class OpenTelemetryProcessor(TypedEventProcessor):
    """A span per run, map, item and node, nested as they are; an outermost run is a child of the span that is current.

    While a node's body runs its span is the current one, but where asynchronous processors are behind with the events.

    Values of inputs and outputs are never put on spans.  `tracer_provider` None: the global one.  Raises ConfigError if
    OpenTelemetry is not installed.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ModuleNotFoundError as error:
            raise ConfigError(
                "OpenTelemetryProcessor needs the package opentelemetry-api, which is not installed",
                hint="pip install opentelemetry-sdk",
            ) from error
        self._trace = trace
        self._provider = tracer_provider
        self._open_spans: OpenSpans[Span, Span] = OpenSpans()
        self._lock = threading.Lock()

    @property
    def is_listening(self) -> bool:
        """False as long as the application has set no tracer provider."""
        return not isinstance(self._tracer_provider, self._trace.ProxyTracerProvider)

    @property
    def _tracer_provider(self) -> TracerProvider:
        return self._provider or self._trace.get_tracer_provider()

    def run_span_name(self, event: RunStartEvent) -> str:
        """Return the name of the span of a run or a map."""
        return f"{'map' if event.is_map else 'run'} {event.graph_name or 'graph'}"

    def node_span_name(self, event: NodeStartEvent) -> str:
        """Return the name of the span of a node."""
        return f"node {event.node_name}"

    def on_event(self, event: BaseEvent) -> None:
        with self._lock:
            super().on_event(event)

    def on_run_start(self, event: RunStartEvent) -> None:
        spans = self._open_spans
        parent = spans.enclosing_map(event) or spans.enclosing_node(event) or spans.enclosing_run(event)
        span = self._start_span(event, self.run_span_name(event), parent)
        span.set_attributes({"holdwater.run_id": event.run_id, "holdwater.is_map": event.is_map})
        for key, value in (
            ("holdwater.graph", event.graph_name),
            ("holdwater.workflow_id", event.workflow_id),
            ("holdwater.session_id", event.session_id),
            ("holdwater.item_index", event.item_index),
            ("holdwater.map_size", event.map_size),
        ):
            if value is not None:
                span.set_attribute(key, value)
        self._open_spans.begin_run(event, span)

    def on_node_start(self, event: NodeStartEvent) -> None:
        run = self._open_spans.run_for(event)
        if run is not None:
            span = self._start_span(event, self.node_span_name(event), run)
            span.set_attributes({"holdwater.run_id": event.run_id, "holdwater.node": event.node_name})
            self._open_spans.begin_node(event, span)

    def enter_node(self, span_id: str) -> None:
        """Make the node's span the current one: spans that the body makes are its children."""
        with self._lock:
            span = self._open_spans.node_by_span_id(span_id)
        if span is not None:
            from opentelemetry import context

            context.attach(self._trace.set_span_in_context(span))  # never detached: the context is the body's own

    def on_cache_hit(self, event: CacheHitEvent) -> None:
        span = self._open_spans.node_for(event)
        if span is not None:
            span.add_event("cache hit", timestamp=_timestamp_ns(event))

    def on_route_decision(self, event: RouteDecisionEvent) -> None:
        span = self._open_spans.node_for(event)
        if span is not None:
            span.set_attribute("holdwater.decision", event.decision)

    def on_interrupt(self, event: InterruptEvent) -> None:
        span = self._open_spans.end_node(event)
        if span is not None:
            span.set_attribute("holdwater.awaiting_input", event.response_param)
            span.end(_timestamp_ns(event))

    def on_node_end(self, event: NodeEndEvent) -> None:
        span = self._open_spans.end_node(event)
        if span is not None:
            span.set_attribute("holdwater.cached", event.cached)
            span.end(_timestamp_ns(event))

    def on_node_error(self, event: NodeErrorEvent) -> None:
        span = self._open_spans.end_node(event)
        if span is not None:
            self._end_failed_span(span, event, event.error)

    def on_run_end(self, event: RunEndEvent) -> None:
        span, given_up = self._open_spans.end_run(event)
        for node in given_up:
            node.set_attribute("holdwater.cancelled", True)
            node.end(_timestamp_ns(event))
        if span is None:
            return
        span.set_attributes({"holdwater.status": event.status, "holdwater.iterations": event.iterations})
        if event.error is not None or event.status == "failed":
            self._end_failed_span(span, event, event.error)
        else:
            span.end(_timestamp_ns(event))

    def force_flush(self) -> None:
        """Flush the provider, if it can be."""
        flush = getattr(self._tracer_provider, "force_flush", None)
        if flush is not None:
            flush()

    def _start_span(self, event: BaseEvent, name: str, parent: Span | None) -> Span:
        context = None if parent is None else self._trace.set_span_in_context(parent)
        tracer = self._tracer_provider.get_tracer("holdwater")
        return tracer.start_span(name, context, start_time=_timestamp_ns(event))

    def _end_failed_span(self, span: Span, event: BaseEvent, error: BaseException | None) -> None:
        description = None
        if error is not None:
            span.add_event("exception", exception_attributes(error), timestamp=_timestamp_ns(event))
            description = error_message(error) if is_a(error, RecordedError) else type_name(error)
        span.set_status(self._trace.StatusCode.ERROR, description)
        span.end(_timestamp_ns(event))


def exception_attributes(error: BaseException) -> dict[str, str]:
    """Return the attributes `Span.record_exception` writes, robust against errors of the exception's own code."""
    if is_a(error, RecordedError):
        return {
            "exception.type": type_name(error),
            "exception.message": error_message(error),
            "exception.stacktrace": error.traceback,
        }
    return {
        "exception.type": qualified_type_name(error),
        "exception.message": error_message(error),
        "exception.stacktrace": format_traceback(error),
    }


def _timestamp_ns(event: BaseEvent) -> int:
    return int(event.timestamp * 1e9)
