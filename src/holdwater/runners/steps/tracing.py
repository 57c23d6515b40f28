"""OpenTelemetry spans of workflows and steps, where it is installed; nothing otherwise."""

from __future__ import annotations

from importlib.util import find_spec

from holdwater.events.processors import EventProcessor
from holdwater.events.telemetry import OpenTelemetryProcessor
from holdwater.events.types import NodeStartEvent, RunStartEvent


class StepSpans(OpenTelemetryProcessor):
    """Spans `workflow:<name>`, and within them `step:<name>`: the names of the original."""

    def run_span_name(self, event: RunStartEvent) -> str:
        return f"workflow:{event.graph_name}"

    def node_span_name(self, event: NodeStartEvent) -> str:
        return f"step:{event.node_name}"


def with_step_spans(processors: tuple[EventProcessor, ...]) -> tuple[EventProcessor, ...]:
    """These processors, and one that makes spans, if OpenTelemetry is installed and none of them does."""
    if find_spec("opentelemetry") is None or any([isinstance(one, OpenTelemetryProcessor) for one in processors]):
        return processors
    return (*processors, StepSpans())
