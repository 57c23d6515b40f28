from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from holdwater.events import (
    AsyncEventProcessor,
    BaseEvent,
    EventDispatcher,
    EventProcessor,
    NodeEndEvent,
    NodeStartEvent,
    RunStartEvent,
    TypedEventProcessor,
)

START = NodeStartEvent(run_id="r", node_name="a")


class RecordingProcessor(EventProcessor):
    def __init__(self, journal: list[str], name: str = "p") -> None:
        self.journal, self.name = journal, name

    def on_event(self, event: BaseEvent) -> None:
        self.journal.append(f"{self.name} {type(event).__name__}")

    def shutdown(self) -> None:
        self.journal.append(f"{self.name} shutdown")

    def force_flush(self) -> None:
        self.journal.append(f"{self.name} flush")


class AsyncRecordingProcessor(AsyncEventProcessor):
    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

    async def on_event_async(self, event: BaseEvent) -> None:
        await asyncio.sleep(0)
        self.journal.append(f"async {type(event).__name__}")

    async def shutdown_async(self) -> None:
        self.journal.append("async shutdown")


class FailingProcessor(EventProcessor):
    def on_event(self, event: BaseEvent) -> None:
        raise ValueError("disk full")

    shutdown = force_flush = lambda self: 1 / 0  # type: ignore[assignment]


@dataclass(slots=True, kw_only=True)
class HTTPCallMade(BaseEvent):
    url: str


class SpecialEnd(NodeEndEvent):
    pass


# -- typed


def test_a_typed_processor_gets_each_event_at_its_method() -> None:
    heard: list[str] = []

    class Mine(TypedEventProcessor):
        def on_node_start(self, event: NodeStartEvent) -> None:
            heard.append(f"start {event.node_name}")

        def on_run_start_event(self, event: RunStartEvent) -> None:
            heard.append("run")

        def on_http_call_made(self, event: HTTPCallMade) -> None:
            heard.append(event.url)

        def on_node_end(self, event: NodeEndEvent) -> None:
            heard.append(type(event).__name__)

    dispatcher = EventDispatcher([Mine()], strict=True)
    dispatcher.emit(RunStartEvent(run_id="r"))
    dispatcher.emit(START)
    dispatcher.emit(HTTPCallMade(run_id="r", url="http://x"))
    dispatcher.emit(SpecialEnd(run_id="r", node_name="a"))
    dispatcher.emit(BaseEvent(run_id="r"))
    assert heard == ["run", "start a", "http://x", "SpecialEnd"]


# -- dispatching


def test_processors_hear_in_their_order_and_are_shut_down_once() -> None:
    journal: list[str] = []
    dispatcher = EventDispatcher([RecordingProcessor(journal, "one"), RecordingProcessor(journal, "two")])
    dispatcher.emit(START)
    dispatcher.force_flush()
    dispatcher.shutdown()
    dispatcher.shutdown()
    assert journal == [f"{name} {what}" for what in ("NodeStartEvent", "flush", "shutdown") for name in ("one", "two")]


def test_a_dispatcher_without_processors_is_not_active() -> None:
    assert not EventDispatcher().active
    assert EventDispatcher([EventProcessor()]).active


def test_a_failing_processor_is_recorded_and_does_not_stop_others() -> None:
    journal: list[str] = []
    dispatcher = EventDispatcher([FailingProcessor(), RecordingProcessor(journal)])
    dispatcher.emit(START)
    dispatcher.force_flush()
    dispatcher.shutdown()
    assert journal == ["p NodeStartEvent", "p flush", "p shutdown"]
    assert dispatcher.failures == [
        "FailingProcessor failed on NodeStartEvent: ValueError: disk full",
        "FailingProcessor failed in force_flush: ZeroDivisionError: division by zero",
        "FailingProcessor failed in shutdown: ZeroDivisionError: division by zero",
    ]


def test_strict_lets_the_failure_out() -> None:
    with pytest.raises(ValueError, match="disk full"):
        EventDispatcher([FailingProcessor()], strict=True).emit(START)


def test_notes_of_failures_are_bounded() -> None:
    dispatcher = EventDispatcher([FailingProcessor()])
    for _ in range(150):
        dispatcher.emit(START)
    assert (len(dispatcher.failures), dispatcher.failure_count) == (100, 150)


def test_an_error_without_readable_message_is_recorded_by_its_type() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Bad(EventProcessor):
        def on_event(self, event: BaseEvent) -> None:
            raise Mute

    dispatcher = EventDispatcher([Bad()])
    dispatcher.emit(START)
    assert dispatcher.failures == ["Bad failed on NodeStartEvent: Mute: <its text cannot be shown: RuntimeError>"]


def test_in_a_loop_asynchronous_processors_are_awaited() -> None:
    journal: list[str] = []
    dispatcher = EventDispatcher([AsyncRecordingProcessor(journal), RecordingProcessor(journal)])

    async def go() -> None:
        await dispatcher.emit_async(START)
        await dispatcher.shutdown_async()
        await dispatcher.shutdown_async()

    asyncio.run(go())
    assert journal == ["async NodeStartEvent", "p NodeStartEvent", "async shutdown", "p shutdown"]
    assert not dispatcher.failures


def test_failures_of_asynchronous_processors_are_noted() -> None:
    class Bad(AsyncEventProcessor):
        async def on_event_async(self, event: BaseEvent) -> None:
            raise ValueError("no network")

        async def shutdown_async(self) -> None:
            raise ValueError("still none")

    dispatcher = EventDispatcher([Bad()])

    async def go() -> None:
        await dispatcher.emit_async(START)
        await dispatcher.shutdown_async()

    asyncio.run(go())
    assert dispatcher.failures == [
        "Bad failed on NodeStartEvent: ValueError: no network",
        "Bad failed in shutdown: ValueError: still none",
    ]


def test_without_a_loop_an_asynchronous_processor_needs_on_event() -> None:
    dispatcher = EventDispatcher([AsyncRecordingProcessor([])])
    dispatcher.emit(START)
    assert "AsyncRecordingProcessor is only asynchronous" in dispatcher.failures[0]


def test_processors_hear_one_event_at_a_time_from_any_thread() -> None:
    inside: list[int] = []
    most: list[int] = []
    together = threading.Barrier(4)

    class Watch(EventProcessor):
        def on_event(self, event: BaseEvent) -> None:
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    dispatcher = EventDispatcher([Watch()], strict=True)

    def emit() -> None:
        together.wait(10)
        for _ in range(500):
            dispatcher.emit(START)

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 2000
    assert max(most) == 1
