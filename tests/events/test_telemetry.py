from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from holdwater import AsyncRunner, Graph, SyncRunner, node
from holdwater.events import (
    CacheHitEvent,
    InterruptEvent,
    NodeErrorEvent,
    NodeStartEvent,
    OpenTelemetryProcessor,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)
from tests.events.event_samples import EventSequence
from tests.model.hostile_exceptions import HOSTILE

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent_of(spans: dict[str, ReadableSpan], name: str) -> str | None:
    parent = spans[name].parent
    return next((n for n, s in spans.items() if parent and s.context and s.context.span_id == parent.span_id), None)


def test_spans_nest_as_runs_do(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    run = EventSequence.for_processors(OpenTelemetryProcessor(provider))
    with provider.get_tracer("mine").start_as_current_span("request"):
        run.start_run(nodes=1)
    run.start_node("rag")
    fan = run.nested_run("rag").start_run(items=1)
    item = fan.map_item(0).start_run()
    item.run_node("embed", cached=True)
    item.end_run()
    fan.end_run()
    run.end_node("rag")
    run.end_run()
    spans = {
        f"{s.name}{(s.attributes or {}).get('holdwater.item_index', '')}": s for s in exporter.get_finished_spans()
    }
    assert [parent_of(spans, name) for name in ("node embed", "run inner0", "map inner", "node rag", "run etl")] == [
        "run inner0",
        "map inner",
        "node rag",
        "run etl",
        "request",
    ]
    assert (spans["node embed"].attributes or {})["holdwater.cached"] is True
    assert (spans["run etl"].start_time, spans["run etl"].end_time) == (1000 * 10**9, 1004.5 * 10**9)


def test_a_failure_is_on_the_spans(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    run = EventSequence.for_processors(OpenTelemetryProcessor(provider))
    error = ValueError("no table")
    run.start_run()
    run.start_node("sibling")
    run.fail_node("load", error)
    run.end_run("failed", error=error)
    spans = by_name(exporter)
    for name in ("node load", "run etl"):
        assert not spans[name].status.is_ok
        assert (spans[name].events[0].attributes or {})["exception.message"] == "no table"
    assert (spans["node sibling"].attributes or {})["holdwater.cancelled"] is True


def test_decisions_cache_hits_and_questions(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    processor = OpenTelemetryProcessor(provider)
    for event in (
        RunStartEvent(run_id="r", span_id="run", session_id="s", graph_name="g"),
        NodeStartEvent(run_id="r", span_id="1", node_name="gate"),
        CacheHitEvent(run_id="r", span_id="1", node_name="gate"),
        RouteDecisionEvent(run_id="r", span_id="1", gate_name="gate", decision=["a", "b"]),
        InterruptEvent(run_id="r", span_id="1", interrupt_name="gate", response_param="answer"),
        RunEndEvent(run_id="r", span_id="run", status="paused"),
    ):
        processor.on_event(event)
    processor.force_flush()
    spans = by_name(exporter)
    attributes = spans["node gate"].attributes or {}
    assert attributes["holdwater.decision"] == ("a", "b")
    assert attributes["holdwater.awaiting_input"] == "answer"
    assert [event.name for event in spans["node gate"].events] == ["cache hit"]
    assert (spans["run g"].attributes or {})["holdwater.session_id"] == "s"


@pytest.mark.parametrize("kind", ["sync", "generator", "async", "thread"])
def test_spans_of_a_body_are_children_of_the_nodes(
    provider: TracerProvider, exporter: InMemorySpanExporter, kind: str
) -> None:
    from opentelemetry import trace

    tracer = provider.get_tracer("library")

    def fetch(x: int) -> int:
        with tracer.start_as_current_span("request"):
            return x

    async def fetch_async(x: int) -> int:
        return fetch(x)

    def fetch_several(x: int) -> Iterator[int]:
        yield fetch(x)

    body: Any = {"async": fetch_async, "generator": fetch_several}.get(kind, fetch)
    graph = Graph([node(output_name="y", name="fetch")(body)], name="inner").as_node(name="outer").map_over("x")
    outer, processors = Graph([graph], name="g"), [OpenTelemetryProcessor(provider)]
    if kind in ("async", "thread"):
        asyncio.run(AsyncRunner(event_processors=processors).run(outer, {"x": [1, 2]}))
    else:
        SyncRunner(event_processors=processors).run(outer, {"x": [1, 2]})
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    requests = [span for span in spans.values() if span.name == "request"]
    assert len(requests) == 2
    parents = [spans[span.parent.span_id] for span in requests if span.parent is not None]
    assert [parent.name for parent in parents] == ["node fetch"] * 2
    assert len({parent.context.span_id for parent in parents}) == 2
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("name", HOSTILE)
def test_a_span_ends_whatever_is_raised(provider: TracerProvider, exporter: InMemorySpanExporter, name: str) -> None:
    processor = OpenTelemetryProcessor(provider)
    error = HOSTILE[name]()
    for event in (
        RunStartEvent(run_id="r", span_id="run", graph_name="g"),
        NodeStartEvent(run_id="r", span_id="1", node_name="n"),
        NodeErrorEvent(run_id="r", span_id="1", node_name="n", error=error, error_type=name),
        RunEndEvent(run_id="r", span_id="run", status="failed", error=error),
    ):
        processor.on_event(event)
    for span in by_name(exporter).values():
        assert span.status.description == name
        (told,) = span.events
        assert name in str((told.attributes or {})["exception.type"])


def test_without_the_package_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from holdwater.events import OpenTelemetryProcessor\n"
        "try: OpenTelemetryProcessor()\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "opentelemetry-api, which is not installed" in done.stdout
    assert "pip install opentelemetry-sdk" in done.stdout
