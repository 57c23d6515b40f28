"""OpenTelemetry spans of workflows and steps, if OpenTelemetry is installed."""

from __future__ import annotations

from importlib.util import find_spec

from holdwater.events.processors import EventProcessor
from holdwater.events.telemetry import OpenTelemetryProcessor
from holdwater.events.types import NodeStartEvent, RunStartEvent


class StepSpans(OpenTelemetryProcessor):
    """Creates spans `workflow:<name>`, and inside them `step:<name>`."""

    def run_span_name(self, event: RunStartEvent) -> str:
        return f"workflow:{event.graph_name}"

    def node_span_name(self, event: NodeStartEvent) -> str:
        return f"step:{event.node_name}"


def with_step_spans(processors: tuple[EventProcessor, ...]) -> tuple[EventProcessor, ...]:
    """Add a processor that creates spans, if OpenTelemetry is installed and none of these does."""
    if find_spec("opentelemetry") is None or any([isinstance(one, OpenTelemetryProcessor) for one in processors]):
        return processors
    return (*processors, StepSpans())
