from __future__ import annotations

import json

from holdwater.events import (
    CacheHitEvent,
    EventDispatcher,
    InterruptEvent,
    MapLog,
    NodeEndEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunLog,
    RunLogProcessor,
    RunStartEvent,
)
from tests.events.event_samples import EventSequence


def recording_sequence() -> tuple[EventSequence, RunLogProcessor]:
    processor = RunLogProcessor()
    return EventSequence.for_processors(processor), processor


def run_log(processor: RunLogProcessor) -> RunLog:
    assert isinstance(processor.log, RunLog)
    return processor.log


def test_each_execution_of_a_node_is_a_step_with_its_time() -> None:
    run, processor = recording_sequence()
    run.start_run()
    run.run_node("extract", ms=2.00049)
    run.run_node("work", ms=1.5)
    run.run_node("work", ms=3.5, cached=True)
    run.fail_node("load", ValueError("no table"))
    run.end_run("failed", ms=8.25)
    log = run_log(processor)
    assert [(s.node_name, s.status, s.duration_ms) for s in log.steps] == [
        ("extract", "completed", 2.0),
        ("work", "completed", 1.5),
        ("work", "completed", 3.5),
        ("load", "failed", 0.0),
    ]
    assert log.timing == {"extract": 2.0, "work": 5.0, "load": 0.0}
    work = log.node_stats["work"]
    assert (work.count, work.avg_ms, work.max_ms, work.cached, work.errors) == (2, 2.5, 3.5, 1, 0)
    assert [step.error for step in log.errors] == ["ValueError: no table"]
    assert log.summary() == "etl: failed, 4 steps, 8.2 ms, 1 error, slowest work (5.0 ms)"


def test_the_table_has_a_line_per_step() -> None:
    run, processor = recording_sequence()
    run.start_run()
    run.start_node("sub")
    inner = run.nested_run("sub").start_run()
    inner.run_node("fetch", ms=7.0, cached=True)
    inner.end_run()
    run.end_node("sub", ms=9.0)
    run.end_run()
    assert str(processor.log).splitlines() == [
        "etl: completed, 1 step, 10.0 ms",
        "  node     status        ms",
        "  sub      completed  9.000",
        "    fetch  completed  7.000  cached",
    ]


def test_a_log_is_json() -> None:
    run, processor = recording_sequence()
    run.start_run()
    run.fail_node("a", ValueError("x"))
    run.end_run("failed")
    assert json.loads(json.dumps(run_log(processor).to_dict()))["steps"][0]["error"] == "ValueError: x"


def test_a_map_is_one_log_with_one_per_item() -> None:
    run, processor = recording_sequence()
    run.start_run(items=2)
    items = [run.map_item(0).start_run(), run.map_item(1).start_run()]  # at the same time
    items[1].run_node("double", ms=2.0)
    items[0].fail_node("double", ValueError("odd"))
    items[0].end_run("failed")
    items[1].end_run()
    run.end_run("failed")
    log = processor.log
    assert isinstance(log, MapLog)
    assert [(item.item_index, item.status) for item in log.items] == [(0, "failed"), (1, "completed")]
    assert log.timing == {"double": 2.0}
    assert [step.error for step in log.errors] == ["ValueError: odd"]
    assert log.summary() == "etl: failed, 2 items, 10.0 ms, 1 failed"
    assert str(log).splitlines()[1:] == [
        "  node    calls     ms  ms each  errors",
        "  double      2  2.000    1.000       1",
    ]
    assert len(log.to_dict()["items"]) == 2


def test_decisions_cache_hits_and_questions_are_recorded() -> None:
    processor = RunLogProcessor()
    dispatcher = EventDispatcher([processor], strict=True)
    for event in (
        RunStartEvent(run_id="r", span_id="run"),
        NodeStartEvent(run_id="r", span_id="1", node_name="gate"),
        RouteDecisionEvent(run_id="r", span_id="1", gate_name="gate", decision=["a", "b"]),
        CacheHitEvent(run_id="r", span_id="1", node_name="gate"),
        NodeEndEvent(run_id="r", span_id="1", node_name="gate", cached=True),
        NodeStartEvent(run_id="r", span_id="2", node_name="ask"),
        NodeStartEvent(run_id="r", span_id="3", node_name="given_up"),
        InterruptEvent(run_id="r", span_id="2", interrupt_name="ask", response_param="answer"),
        RunEndEvent(run_id="r", span_id="run", status="paused"),
    ):
        dispatcher.emit(event)
    log = run_log(processor)
    assert [(step.status, step.cached, step.decision) for step in log.steps] == [
        ("completed", True, ["a", "b"]),
        ("paused", False, None),
        ("cancelled", False, None),
    ]
    assert "cached -> a, b" in str(log)


def test_a_recorder_keeps_a_log_per_run() -> None:
    run, processor = recording_sequence()
    assert processor.log is None
    for name in ("one", "two"):
        run.name = name
        run.start_run().end_run()
    assert [log.graph_name for log in processor.logs] == ["one", "two"]
