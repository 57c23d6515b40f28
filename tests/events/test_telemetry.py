from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from holdwater import AsyncRunner, Context, DefaultRunner, Graph, Step, SyncRunner, WorkflowRunner, node
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
from holdwater.steps import Workflow
from tests.events.event_samples import EventSequence
from tests.model.hostile_exceptions import HOSTILE
from tests.suite.runners import Define, define

__all__ = ["define"]

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


# -- tasks and steps


def requests_of(exporter: InMemorySpanExporter) -> list[tuple[str, str | None, str | None]]:
    """Spans that functions have opened, with the spans around them."""
    spans = {span.context.span_id: span for span in exporter.get_finished_spans() if span.context is not None}

    def around(span: ReadableSpan | None) -> ReadableSpan | None:
        return None if span is None or span.parent is None else spans.get(span.parent.span_id)

    found = []
    for span in spans.values():
        if span.name == "request":
            outer = around(span)
            outermost = around(outer)
            found.append((span.name, getattr(outer, "name", None), getattr(outermost, "name", None)))
    return found


@pytest.fixture
def request_span(provider: TracerProvider) -> Callable[..., dict[str, Any]]:
    """A function of a task or a step that opens a span of its own."""
    tracer = provider.get_tracer("library")

    def function(*arguments: Any) -> dict[str, Any]:
        with tracer.start_as_current_span("request"):
            return {}

    return function


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_spans_of_a_task_function_are_children_of_the_nodes(
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
    request_span: Callable[..., dict[str, Any]],
    define: Define,
    kind: str,
) -> None:
    from opentelemetry import trace

    async def function_async(context: Context) -> None:
        request_span(context)

    def function(context: Context) -> None:
        request_span(context)

    name = define("etl", ("load", function_async if kind == "async" else function, {}))
    with DefaultRunner("memory://", event_processors=[OpenTelemetryProcessor(provider)]) as runner:
        with provider.get_tracer("mine").start_as_current_span("http"):
            runner.execute(name)
        runner.execute(name)
    spans = by_name(exporter)
    assert parent_of(spans, "http") is None
    assert requests_of(exporter) == [("request", "node load", "run etl")] * 2
    outermost = [span.parent for span in exporter.get_finished_spans() if span.name == "run etl"]
    assert [parent is None for parent in outermost] == [False, True]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_each_attempt_of_a_task_is_a_span(
    provider: TracerProvider, exporter: InMemorySpanExporter, define: Define
) -> None:
    failures = [OSError("no route")]

    def load(context: Context) -> None:
        if failures:
            raise failures.pop()

    name = define("etl", ("load", load, {"retry_attempts": 2, "retry_delay_ms": 1}))
    with DefaultRunner("memory://", event_processors=[OpenTelemetryProcessor(provider)]) as runner:
        runner.execute(name)
    first, second = (span for span in exporter.get_finished_spans() if span.name == "node load")
    assert (first.status.is_ok, first.status.description, second.status.is_ok) == (False, "OSError", True)
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time
    assert (first.events[0].attributes or {})["exception.message"] == "no route"


def test_spans_of_a_step_and_of_the_steps_of_its_child_runs(
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
    request_span: Callable[..., dict[str, Any]],
) -> None:
    items = Workflow(steps=[Step.lambda_("item", request_span)])
    workflow = Workflow("w", [Step.lambda_("a", request_span), Step.map("m", items=[1, 2], iterator=items)])
    with WorkflowRunner(event_processors=[OpenTelemetryProcessor(provider)]) as runner:
        runner.execute(workflow)
    assert sorted(requests_of(exporter)) == [
        ("request", "node a", "run w"),
        ("request", "node item", "run w/m"),
        ("request", "node item", "run w/m"),
    ]
    assert parent_of(by_name(exporter), "run w/m") == "node m"


def test_nothing_is_made_where_no_tracer_provider_is_set(define: Define) -> None:
    processor = OpenTelemetryProcessor()
    assert not processor.is_listening
    with DefaultRunner("memory://", event_processors=[processor]) as runner:
        runner.execute(define("one", ("a", lambda context: None, {})))
        assert [thread.name for thread in threading.enumerate() if thread.name == "holdwater-events"] == []
