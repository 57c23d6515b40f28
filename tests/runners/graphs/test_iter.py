from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdwater.errors import PauseNotFound
from holdwater.events import (
    AsyncEventProcessor,
    InterruptEvent,
    NodeEndEvent,
    NodeStartEvent,
    RunEndEvent,
    RunStartEvent,
    StreamingChunkEvent,
)
from holdwater.events.types import BaseEvent
from holdwater.graphs import FunctionNode, Graph, node
from holdwater.runners.graphs import AsyncRunner, RunHandle, RunStatus
from tests.runners.graphs.samples import RecordingProcessor, review_graph, run_with_timeout, small_graph

runner = AsyncRunner()


async def collect(run: RunHandle, answers: dict[str, Any] | None = None) -> list[BaseEvent]:
    events = []
    async for event in run:
        events.append(event)
        if isinstance(event, InterruptEvent) and answers and event.response_param in answers:
            run.respond(event.response_param, answers[event.response_param])
    return events


def event_kinds(events: list[BaseEvent]) -> list[str]:
    return [type(event).__name__.removesuffix("Event") for event in events]


def test_events_and_the_result() -> None:
    async def main() -> None:
        async with runner.iter(small_graph(), {"x": 2}, session_id="s") as run:
            with pytest.raises(RuntimeError, match="not ended"):
                run.result
            events = await collect(run)
        assert event_kinds(events) == ["RunStart", "NodeStart", "NodeEnd", "NodeStart", "NodeEnd", "RunEnd"]
        start, end = events[0], events[-1]
        assert isinstance(start, RunStartEvent)
        assert isinstance(end, RunEndEvent)
        assert (start.inputs, start.session_id) == ({"x": 2}, "s")
        assert (end.outputs, end.status) == ({"total": 5}, "completed")
        assert run.result == {"total": 5}
        assert {event.run_id for event in events} == {run.result.run_id}

    run_with_timeout(main())


def test_respond() -> None:
    async def main() -> None:
        async with runner.iter(review_graph(), {"topic": "rain"}) as run:
            events = await collect(run, {"verdict": "good"})
        assert run.result == {"final": "about rain: good"}
        (question,) = [event for event in events if isinstance(event, InterruptEvent)]
        assert (question.interrupt_name, question.value) == ("ask", "about rain")
        assert question.workflow_id
        assert event_kinds(events).count("RunEnd") == 1

    run_with_timeout(main())


def test_without_an_answer_the_run_ends_paused() -> None:
    async def main() -> None:
        async with runner.iter(review_graph(), {"topic": "rain"}) as run:
            events = await collect(run)
        assert isinstance(events[-1], RunEndEvent)
        assert events[-1].status == "paused"
        assert run.result.status is RunStatus.PAUSED
        assert run.result.pause is not None
        with pytest.raises(PauseNotFound):
            run.respond("nothing", 1)

    run_with_timeout(main())


def test_wrong_answers() -> None:
    async def main() -> None:
        async with runner.iter(review_graph(), {"topic": "rain"}) as run:
            async for event in run:
                if isinstance(event, InterruptEvent):
                    with pytest.raises(PauseNotFound, match=r"verdict|ask"):
                        run.respond("other", "x")
                    with pytest.raises(TypeError, match="verdict"):
                        run.respond("verdict", 3)
                    run.respond("ask", "by its id")
        assert run.result["final"] == "about rain: by its id"

    run_with_timeout(main())


def test_answers_may_come_while_other_nodes_run() -> None:
    async def main() -> None:
        answered = asyncio.Event()

        @node(output_name="slow")
        async def linger(topic: str) -> str:
            await answered.wait()
            return topic

        graph = Graph([*review_graph().nodes.values(), linger])
        async with runner.iter(graph, {"topic": "rain"}) as run:
            async for event in run:
                if isinstance(event, InterruptEvent):
                    run.respond("verdict", "good")
                if isinstance(event, NodeEndEvent) and event.node_name == "publish":
                    answered.set()
        assert run.result == {"final": "about rain: good", "slow": "rain"}

    run_with_timeout(main())


def test_nested_and_several_questions() -> None:
    inner = review_graph()
    outer = Graph(
        [
            inner.as_node(name="left")
            .rename_inputs(topic="a")
            .rename_outputs(verdict="left_verdict", final="left_final", draft="left_draft"),
            inner.as_node(name="right")
            .rename_inputs(topic="b")
            .rename_outputs(verdict="right_verdict", final="right_final", draft="right_draft"),
        ]
    )
    given = {"a": "sun", "b": "rain"}

    async def main() -> None:
        paused = await runner.run(outer, given)
        assert [pause.pause_id for pause in paused.pauses] == ["left/ask", "right/ask"]
        assert paused.pause is not None
        assert (paused.pause.node, paused.pause.response_param) == ("left/ask", "left_verdict")
        # One answer: the other question stays.
        once = await runner.run(outer, {**given, "left/ask": "yes"})
        assert [pause.pause_id for pause in once.pauses] == ["right/ask"]
        done = await runner.run(outer, {**given, "left/ask": "yes", "right_verdict": "no"})
        assert done["left_final"] == "about sun: yes"
        assert done["right_final"] == "about rain: no"
        async with runner.iter(outer, given) as run:
            await collect(run, {"left_verdict": "yes", "right_verdict": "no"})  # events name the outermost port
        assert run.result == done
        async with runner.iter(outer, given) as run:
            await collect(run, {"right_verdict": "no"})
        assert run.result.status is RunStatus.PAUSED
        assert [pause.pause_id for pause in run.result.pauses] == ["left/ask"]

    run_with_timeout(main())


def test_mapped_questions() -> None:
    inner = review_graph()
    outer = Graph([inner.as_node(name="all").map_over("topic", on_pause="item")])

    async def main() -> None:
        paused = await runner.run(outer, {"topic": ["a", "b"]})
        assert [pause.pause_id for pause in paused.pauses] == ["all/0/ask", "all/1/ask"]
        async with runner.iter(outer, {"topic": ["a", "b"]}) as run:
            async for event in run:
                if isinstance(event, InterruptEvent):
                    run.respond(f"all/{event.item_index}/ask", f"verdict {event.item_index}")
        assert run.result["final"] == ["about a: verdict 0", "about b: verdict 1"]

    run_with_timeout(main())


def test_leaving_the_block_early_cancels() -> None:
    async def main() -> None:
        cancelled = asyncio.Event()

        @node(output_name="y")
        async def hang(x: int) -> int:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return x

        ear = RecordingProcessor()
        async with runner.iter(Graph([hang]), {"x": 1}, event_processors=[ear]) as run:
            async for event in run:
                if isinstance(event, NodeStartEvent):
                    break
        assert cancelled.is_set()
        assert ear.shutdowns == 1
        with pytest.raises(RuntimeError, match="cancelled"):
            run.result

    run_with_timeout(main())


def test_an_error_ends_the_events_and_is_raised_by_the_result() -> None:
    @node(output_name="y")
    def fail(x: int) -> int:
        raise KeyError("lost")

    async def main() -> None:
        async with runner.iter(Graph([fail]), {"x": 1}) as run:
            events = await collect(run)
        assert event_kinds(events) == ["RunStart", "NodeStart", "NodeError", "RunEnd"]
        with pytest.raises(KeyError, match="lost"):
            run.result
        async with runner.iter(Graph([fail]), {"x": 1}, error_handling="continue") as run:
            await collect(run)
        assert run.result.status is RunStatus.ERROR
        async with runner.iter(Graph([fail]), {}) as run:  # refused before its first event
            assert await collect(run) == []
        with pytest.raises(ValueError, match="x"):
            run.result

    run_with_timeout(main())


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_a_slow_consumer_holds_the_run_up(kind: str) -> None:
    yielded: list[int] = []

    async def pour(n: int) -> Any:
        for k in range(n):
            yielded.append(k)
            yield k

    def pour_in_thread(n: int) -> Any:
        for k in range(n):
            yielded.append(k)
            yield k

    function: Any = pour if kind == "async" else pour_in_thread
    graph = Graph([FunctionNode(function, output_name="all")])

    async def main() -> None:
        async with runner.iter(graph, {"n": 2000}) as run:
            events = run.__aiter__()
            chunks = 0
            async for event in events:
                if isinstance(event, StreamingChunkEvent):
                    assert event.chunk_index == event.chunk == chunks
                    chunks += 1
                    assert len(yielded) <= chunks + 200
        assert chunks == 2000
        assert len(run.result["all"]) == 2000

    run_with_timeout(main())


def test_leaving_while_a_thread_waits_for_the_buffer_to_drain() -> None:
    def pour(n: int) -> Any:
        yield from range(n)

    async def main() -> None:
        async with runner.iter(Graph([FunctionNode(pour, output_name="all")]), {"n": 2000}) as run:
            async for event in run:
                if isinstance(event, StreamingChunkEvent):
                    break

    run_with_timeout(main())


def test_outside_of_a_block() -> None:
    async def main() -> None:
        run = runner.iter(small_graph(), {"x": 1})
        with pytest.raises(RuntimeError, match="async with"):
            run.result
        with pytest.raises(RuntimeError, match="async with"):
            await collect(run)

    run_with_timeout(main())


def test_asynchronous_processors_get_every_event_in_order() -> None:
    class Slow(AsyncEventProcessor):
        def __init__(self) -> None:
            self.heard: list[str] = []
            self.busy = False

        async def on_event_async(self, event: BaseEvent) -> None:
            assert not self.busy
            self.busy = True
            await asyncio.sleep(0)
            self.heard.append(type(event).__name__)
            self.busy = False

        async def shutdown_async(self) -> None:
            self.heard.append("shutdown")

    slow = Slow()
    graph = Graph([FunctionNode(lambda x: x, name=f"n{k}", output_name=f"o{k}") for k in range(100)])
    run_with_timeout(runner.run(graph, {"x": 1}, event_processors=[slow]))
    assert slow.heard[0] == "RunStartEvent"
    assert slow.heard[-2:] == ["RunEndEvent", "shutdown"]
    assert len(slow.heard) == 203
