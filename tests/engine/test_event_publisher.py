"""Event processors of durable runners: what they hear of tasks, steps and graphs, and where their spans belong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, Graph, Step, WorkflowRunner, node
from holdwater.errors import ConfigError
from holdwater.events import (
    AsyncEventProcessor,
    BaseEvent,
    EventProcessor,
    NodeErrorEvent,
    NodeStartEvent,
    RichProgressProcessor,
    RunEndEvent,
    RunLog,
    RunLogProcessor,
    RunStartEvent,
)
from holdwater.graphs import interrupt
from holdwater.steps import StepResult, Workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate


class Recorder(EventProcessor):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[BaseEvent] = []
        self.shut_down = 0

    def on_event(self, event: BaseEvent) -> None:
        self.events.append(event)

    def shutdown(self) -> None:
        self.shut_down += 1

    @property
    def brief(self) -> list[str]:
        return [
            f"{type(e).__name__.removesuffix('Event')} {getattr(e, 'node_name', e.graph_name)}" for e in self.events
        ]


def fail_times(failures: int) -> Callable[[Context], None]:
    left = [failures]

    def body(context: Context) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("no route")

    return body


def test_tasks(define: Define) -> None:
    recorder = Recorder()
    name = define(
        "etl",
        ("load", fail_times(0), {}),
        ("clean", fail_times(1), {"dependencies": ["load"], "retry_attempts": 2, "retry_delay_ms": 1}),
        ("store", fail_times(9), {"dependencies": ["clean"], "retry_attempts": 1}),
    )
    with DefaultRunner("memory://", event_processors=[recorder]) as runner:
        run_id = runner.execute(name).run_id
        assert recorder.brief == [
            "RunStart etl",
            "NodeStart load",
            "NodeEnd load",
            "NodeStart clean",
            "NodeError clean",
            "NodeStart clean",
            "NodeEnd clean",
            "NodeStart store",
            "NodeError store",
            "RunEnd etl",
        ]
    retried, given_up = (event for event in recorder.events if isinstance(event, NodeErrorEvent))
    assert (retried.will_retry, given_up.will_retry) == (True, False)
    assert type(retried.error) is OSError
    end = recorder.events[-1]
    assert isinstance(end, RunEndEvent)
    assert (end.status, end.error) == ("failed", given_up.error)
    assert len({event.scope for event in recorder.events}) == 1
    assert {event.run_id for event in recorder.events} == {run_id}
    assert recorder.shut_down == 1


def test_steps() -> None:
    recorder = Recorder()
    workflow = Workflow(
        "jump",
        [
            Step.choice("any", lambda ctx: True, then_step="last"),
            Step.lambda_("never", lambda ctx, config: {}),
            Step.lambda_("last", lambda ctx, config: StepResult.fail("refused", "TRANSIENT")),
        ],
    )
    with WorkflowRunner(event_processors=[recorder]) as runner:
        runner.execute(workflow)
    assert recorder.brief == [
        "RunStart jump",
        "NodeStart any",
        "RouteDecision any",
        "NodeEnd any",
        "NodeStart last",
        "NodeError last",
        "RunEnd jump",
    ]
    (failed,) = (event for event in recorder.events if isinstance(event, NodeErrorEvent))
    assert (failed.error_type, str(failed.error)) == ("TRANSIENT", "refused")


@interrupt(answer_name="approved")
def ask(total: int) -> str:
    return f"spend {total}?"


@node(output_name="done")
def finish(approved: bool) -> bool:
    return approved


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


def test_a_pause_ends_a_run_that_an_answer_resumes() -> None:
    recorder = Recorder()
    with DefaultRunner("memory://", event_processors=[recorder]) as runner:
        handle = runner.submit(Graph([ask, finish], name="asking"), {"total": 4})
        handle.result(SIGNAL_TIMEOUT_SECONDS)
        assert recorder.brief[-2:] == ["Interrupt ask", "RunEnd asking"]
        handle.answer(None, True)
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    starts = [event for event in recorder.events if isinstance(event, RunStartEvent)]
    assert [start.is_resume for start in starts] == [False, True]
    ends = [event for event in recorder.events if isinstance(event, RunEndEvent)]
    assert [end.status for end in ends] == ["paused", "completed"]


def test_child_runs_are_inside_the_node_that_wants_them() -> None:
    recorder = Recorder()
    mapped = Graph([double], name="doubles").as_node().map_over("x")
    with DefaultRunner("memory://", event_processors=[recorder]) as runner:
        runner.execute(Graph([mapped], name="outer"), {"x": [1, 2]})
    (outer,) = (e for e in recorder.events if isinstance(e, NodeStartEvent) and e.node_name == "doubles")
    inner = [e for e in recorder.events if isinstance(e, RunStartEvent) and e.parent_span_id is not None]
    assert [(start.parent_span_id, start.item_index) for start in inner] == [(outer.span_id, 0), (outer.span_id, 1)]
    ends = recorder.brief
    assert ends.index("NodeStart doubles") < ends.index("NodeStart double") < ends.index("NodeEnd doubles")


def test_a_run_that_another_runner_began_is_resumed(
    url: str, define: Define, gate: Gate, open_runner: Callable[..., DefaultRunner]
) -> None:
    name = define(
        "two",
        ("first", fail_times(0), {}),
        ("second", lambda context: gate(), {"dependencies": ["first"]}),
    )
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit(name).run_id
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    recorder = Recorder()
    with DefaultRunner(url, event_processors=[recorder]) as second:
        second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert recorder.brief == ["RunStart two", "NodeStart second", "NodeEnd second", "RunEnd two"]
    assert [event.is_resume for event in recorder.events if isinstance(event, RunStartEvent)] == [True]


def test_run_logs_and_progress_of_tasks(define: Define, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLogProcessor()
    name = define("etl", ("load", fail_times(1), {"retry_attempts": 2, "retry_delay_ms": 1}))
    with DefaultRunner("memory://", event_processors=[log, RichProgressProcessor(interactive=False)]) as runner:
        runner.execute(name)
        assert isinstance(log.log, RunLog)
        assert [(step.node_name, step.status) for step in log.log.steps] == [("load", "failed"), ("load", "completed")]
    assert capsys.readouterr().err.splitlines()[-1] == "etl: 100 % (1/1 nodes, 2 calls)"


def test_a_processor_that_raises_is_reported_and_stops_nothing(define: Define) -> None:
    class Broken(EventProcessor):
        def on_event(self, event: BaseEvent) -> None:
            raise RuntimeError("broken")

    recorder = Recorder()
    with DefaultRunner("memory://", event_processors=[Broken(), recorder]) as runner:
        assert runner.execute(define("one", ("a", fail_times(0), {}))).status == "Completed"
        assert runner.internal_errors()[0].where == "Broken failed on RunStartEvent"
    assert len(recorder.events) == 4


def test_a_processor_may_ask_for_the_result_of_a_run_that_has_ended(define: Define) -> None:
    class Asks(EventProcessor):
        status = ""

        def on_event(self, event: BaseEvent) -> None:
            if isinstance(event, RunEndEvent):
                self.status = runner.handle(event.run_id).result(SIGNAL_TIMEOUT_SECONDS).status

    asks = Asks()
    with DefaultRunner("memory://", event_processors=[asks]) as runner:
        runner.execute(define("one", ("a", fail_times(0), {})))
        assert runner.internal_errors() == ()
    assert asks.status == "Completed"


def test_a_result_asked_for_after_the_end_waits_for_the_processors_too(define: Define) -> None:
    may_go_on = threading.Event()

    class SlowRecorder(Recorder):
        def on_event(self, event: BaseEvent) -> None:
            if isinstance(event, RunEndEvent):
                assert may_go_on.wait(SIGNAL_TIMEOUT_SECONDS)
            super().on_event(event)

    recorder = SlowRecorder()
    name = define("etl", ("load", fail_times(0), {}))
    with DefaultRunner("memory://", event_processors=[recorder]) as runner:
        handle = runner.submit(name)
        for _ in handle.events():  # until its end is recorded
            pass
        threading.Timer(0.1, may_go_on.set).start()
        assert handle.result().status == "Completed"
        assert recorder.brief[-1] == "RunEnd etl"


def test_asynchronous_processors_are_awaited(define: Define) -> None:
    heard: list[str] = []

    class Awaited(AsyncEventProcessor):
        async def on_event_async(self, event: BaseEvent) -> None:
            await asyncio.sleep(0)
            heard.append(type(event).__name__)

        async def shutdown_async(self) -> None:
            heard.append("shutdown")

    with DefaultRunner("memory://", event_processors=[Awaited()]) as runner:
        runner.execute(define("one", ("a", fail_times(0), {})))
    assert heard == ["RunStartEvent", "NodeStartEvent", "NodeEndEvent", "RunEndEvent", "shutdown"]


def test_anything_else_is_no_processor() -> None:
    wrong: Any = [print]
    for make in (
        lambda: DefaultRunner("memory://", event_processors=wrong),
        lambda: WorkflowRunner(event_processors=wrong),
    ):
        with pytest.raises(ConfigError, match="EventProcessor"):
            make()
