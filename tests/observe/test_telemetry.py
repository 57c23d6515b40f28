from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from penstock.observe import (
    CacheHitEvent,
    InterruptEvent,
    NodeStartEvent,
    OpenTelemetryProcessor,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)
from tests.observe.play import Play

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
    run = Play.to(OpenTelemetryProcessor(provider))
    with provider.get_tracer("mine").start_as_current_span("request"):
        run.start(nodes=1)
    run.begin("rag")
    fan = run.inside("rag").start(items=1)
    item = fan.item(0).start()
    item.node("embed", cached=True)
    item.end()
    fan.end()
    run.finish("rag")
    run.end()
    spans = {f"{s.name}{(s.attributes or {}).get('penstock.item_index', '')}": s for s in exporter.get_finished_spans()}
    assert [parent_of(spans, name) for name in ("node embed", "run inner0", "map inner", "node rag", "run etl")] == [
        "run inner0",
        "map inner",
        "node rag",
        "run etl",
        "request",
    ]
    assert (spans["node embed"].attributes or {})["penstock.cached"] is True
    assert (spans["run etl"].start_time, spans["run etl"].end_time) == (1000 * 10**9, 1004.5 * 10**9)


def test_a_failure_is_on_the_spans(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    run = Play.to(OpenTelemetryProcessor(provider))
    error = ValueError("no table")
    run.start()
    run.begin("sibling")
    run.fail("load", error)
    run.end("failed", error=error)
    spans = by_name(exporter)
    for name in ("node load", "run etl"):
        assert not spans[name].status.is_ok
        assert (spans[name].events[0].attributes or {})["exception.message"] == "no table"
    assert (spans["node sibling"].attributes or {})["penstock.given_up"] is True


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
    assert attributes["penstock.decision"] == ("a", "b")
    assert attributes["penstock.waits_for"] == "answer"
    assert [event.name for event in spans["node gate"].events] == ["cache hit"]
    assert (spans["run g"].attributes or {})["penstock.session_id"] == "s"


def test_without_the_package_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from penstock.observe import OpenTelemetryProcessor\n"
        "try: OpenTelemetryProcessor()\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "opentelemetry-api, which is not installed" in done.stdout
    assert "pip install opentelemetry-sdk" in done.stdout
