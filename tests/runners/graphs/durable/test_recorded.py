"""Runs on the record: what a caller adds to them, in the process that calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import ConfigError, InvalidTransition, RunInProgress, StructureChanged
from holdwater.events import InterruptEvent, NodeStartEvent
from holdwater.graphs import END, Graph, InterruptNode, interrupt, node, route
from holdwater.runners.graphs import AsyncRunner, SyncRunner
from holdwater.runners.graphs.durable.checkpointers import Checkpointer, MemoryCheckpointer, SqliteCheckpointer
from tests.runners.graphs.samples import run_with_timeout, small_graph


@pytest.fixture(params=["memory", "sqlite"])
def checkpointer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Checkpointer]:
    with MemoryCheckpointer() if request.param == "memory" else SqliteCheckpointer(tmp_path / "runs.db") as made:
        yield made


def chat_graph() -> Graph:
    @node(output_name="messages")
    def remember(messages: list[str], reply: str) -> list[str]:
        return [*messages, reply]

    @route(["ask", END])
    def more(messages: list[str]) -> Any:
        return END if messages[-1] == "bye" else "ask"

    return Graph([InterruptNode("ask", "messages", "reply"), remember, more], name="chat")


def test_every_turn_of_a_loop_can_be_answered_while_it_runs(checkpointer: Checkpointer) -> None:
    async def main() -> None:
        said = iter(["hello", "well", "bye"])
        async with AsyncRunner(checkpointer=checkpointer).iter(chat_graph(), {"messages": []}, workflow_id="w") as run:
            async for event in run:
                if isinstance(event, InterruptEvent):
                    run.respond(event.response_param, next(said))
        assert run.result["messages"] == ["hello", "well", "bye"]

    run_with_timeout(main())


def test_every_turn_of_a_loop_can_be_a_call_of_its_own(checkpointer: Checkpointer) -> None:
    runner = AsyncRunner(checkpointer=checkpointer)
    assert run_with_timeout(runner.run(chat_graph(), {"messages": []}, workflow_id="w")).paused
    for reply in ("hello", "well"):
        assert run_with_timeout(runner.run(chat_graph(), {"reply": reply}, workflow_id="w")).paused
    assert run_with_timeout(runner.run(chat_graph(), {"reply": "bye"}, workflow_id="w"))["messages"] == [
        "hello",
        "well",
        "bye",
    ]


def test_a_cancelled_caller_cancels_its_functions_and_a_later_one_continues(checkpointer: Checkpointer) -> None:
    begun: list[str] = []

    async def main() -> None:
        started, ended, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @node(output_name="y")
        def first(x: int) -> int:
            begun.append("first")
            return x

        @node(output_name="z")
        async def hang(y: int) -> int:
            begun.append("hang")
            started.set()
            try:
                await may_end.wait()
            finally:
                ended.set()
            return y

        graph = Graph([first, hang], name="hanging")
        runner = AsyncRunner(checkpointer=checkpointer)
        async with runner.iter(graph, {"x": 1}, workflow_id="w") as run:
            async for event in run:
                if isinstance(event, NodeStartEvent) and event.node_name == "hang":
                    await started.wait()
                    break
        await ended.wait()
        may_end.set()
        assert await runner.run(graph, {}, workflow_id="w") == {"z": 1}

    run_with_timeout(main())
    assert begun == ["first", "hang", "hang"]


def test_an_id_belongs_to_one_graph(checkpointer: Checkpointer) -> None:
    runner = SyncRunner(checkpointer=checkpointer)
    runner.run(small_graph(), {"x": 1}, workflow_id="w")
    with pytest.raises(StructureChanged, match="'small'"):
        runner.run(Graph(small_graph().nodes.values(), name="other"), {"x": 1}, workflow_id="w")
    with pytest.raises(StructureChanged):
        runner.run(Graph([small_graph().nodes["double"]], name="small"), {"x": 1}, workflow_id="w")


def test_an_id_is_run_once_at_a_time(checkpointer: Checkpointer) -> None:
    async def main() -> None:
        started, may_end = asyncio.Event(), asyncio.Event()

        @node(output_name="y")
        async def hold(x: int) -> int:
            started.set()
            await may_end.wait()
            return x

        graph = Graph([hold], name="held")
        runner = AsyncRunner(checkpointer=checkpointer)
        once = asyncio.ensure_future(runner.run(graph, {"x": 1}, workflow_id="w"))
        await started.wait()
        with pytest.raises(RunInProgress, match="'w'"):
            await runner.run(graph, {"x": 1}, workflow_id="w")
        may_end.set()
        assert await once == {"y": 1}

    run_with_timeout(main())


def test_strictly_resumed_a_run_takes_answers_and_nothing_else(tmp_path: Path) -> None:
    @node(output_name="doubled")
    def twice(x: int) -> int:
        return 2 * x

    @interrupt(answer_name="fine")
    def ask(doubled: int) -> str:
        return f"{doubled}?"

    graph = Graph([twice, ask], name="strict")
    with SqliteCheckpointer(tmp_path / "runs.db") as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer)

        async def go() -> None:
            assert (await runner.run(graph, {"x": 1}, workflow_id="w", resume="strict")).paused
            with pytest.raises(InvalidTransition, match="'x'"):
                await runner.run(graph, {"x": 2, "fine": True}, workflow_id="w", resume="strict")
            done = await runner.run(graph, {"x": 1, "fine": True}, workflow_id="w", resume="strict")
            assert done["fine"] is True
            with pytest.raises(InvalidTransition, match="is completed"):
                await runner.run(graph, workflow_id="w", resume="strict")
            again = await runner.run(graph, {"x": 2, "fine": False}, workflow_id="w")
            assert again["fine"] is False

        asyncio.run(go())
    with pytest.raises(ConfigError, match="resume"):
        asyncio.run(runner.run(graph, {"x": 1}, resume="sometimes"))  # type: ignore[arg-type]


def test_a_fork_refuses_what_its_node_does_not_take(checkpointer: Checkpointer) -> None:
    runner = SyncRunner(checkpointer=checkpointer)
    runner.run(small_graph(), {"x": 1, "y": 2}, workflow_id="w")
    with pytest.raises(ConfigError, match="did you mean 'doubled'"):
        checkpointer.fork("w", "add", {"doubledd": 5})
    new = checkpointer.fork("w", "add", {"doubled": 5})
    assert runner.run(small_graph(), workflow_id=new)["total"] == 7
