"""A recorded run that is given inputs and answers again: inputs win, then the answers count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import AsyncRunner, Graph, MemoryCheckpointer, interrupt, node
from penstock.graphs import AnswerError, InterruptNode


class Till:
    """price -> approve -> pay, and what pay was called with."""

    def __init__(self) -> None:
        self.paid: list[tuple[Any, Any]] = []
        self.graph = Graph(
            [
                node(lambda x: x * 10, output_name="price", name="make"),
                InterruptNode("approve", "price", "ok", str),
                node(self._pay, output_name="final", name="pay"),
            ],
            name="till",
        )

    def _pay(self, ok: str, price: int) -> tuple[str, int]:
        self.paid.append((ok, price))
        return (ok, price)


CALLS: dict[str, tuple[list[dict[str, Any]], list[tuple[Any, Any]]]] = {
    "changed and answered at once": ([{"x": 1}, {"x": 5, "ok": "n"}], [("n", 50)]),
    "changed, then answered": ([{"x": 1}, {"x": 5}, {"ok": "n"}], [("n", 50)]),
    "the same again, with the answer": ([{"x": 1}, {"x": 1, "ok": "y"}], [("y", 10)]),
    "all at once": ([{"x": 1, "ok": "y"}], [("y", 10)]),
    "answered otherwise": ([{"x": 1}, {"ok": "y"}, {"ok": "n"}], [("y", 10), ("n", 10)]),
    "answered otherwise, all again": ([{"x": 1}, {"ok": "y"}, {"x": 1, "ok": "n"}], [("y", 10), ("n", 10)]),
    "answered the same": ([{"x": 1}, {"ok": "y"}, {"ok": "y"}], [("y", 10)]),
    "answered otherwise and back": (
        [{"x": 1}, {"ok": "y"}, {"ok": "n"}, {"ok": "y"}], [("y", 10), ("n", 10), ("y", 10)],
    ),
    "completed, changed and answered": ([{"x": 1}, {"ok": "y"}, {"x": 2, "ok": "n"}], [("y", 10), ("n", 20)]),
    "completed, changed and answered the same": ([{"x": 1}, {"ok": "y"}, {"x": 2, "ok": "y"}], [("y", 10), ("y", 20)]),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "paid"), CALLS.values(), ids=CALLS)
def test_given_again(calls: list[dict[str, Any]], paid: list[tuple[Any, Any]]) -> None:
    till = Till()

    async def main() -> Any:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            for given in calls:
                result = await runner.run(till.graph, given, workflow_id="w")
            return result

    result = asyncio.run(main())
    assert till.paid == paid
    assert result == {"final": paid[-1]}


def test_an_answer_to_an_earlier_question_of_a_run_that_waits_counts() -> None:
    graph = Graph(
        [
            InterruptNode("q1", "x", "v1"),
            node(lambda v1: v1 + "!", output_name="s", name="mark"),
            InterruptNode("q2", "s", "v2"),
            node(lambda s, v2: (s, v2), output_name="z", name="join"),
        ],
        name="two",
    )

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            await runner.run(graph, {"x": 1}, workflow_id="w")
            assert (await runner.run(graph, {"v1": "a"}, workflow_id="w")).pause.value == "a!"  # type: ignore[union-attr]
            assert (await runner.run(graph, {"v1": "b"}, workflow_id="w")).pause.value == "b!"  # type: ignore[union-attr]
            assert await runner.run(graph, {"v2": "c"}, workflow_id="w") == {"z": ("b!", "c")}
            assert await runner.run(graph, {"v1": "a", "v2": "d"}, workflow_id="w") == {"z": ("a!", "d")}

    asyncio.run(main())


def test_a_wrong_answer_in_the_place_of_an_earlier_one_changes_nothing() -> None:
    till = Till()

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            await runner.run(till.graph, {"x": 1, "ok": "y"}, workflow_id="w")
            with pytest.raises(AnswerError):
                await runner.run(till.graph, {"ok": 7}, workflow_id="w")
            assert await runner.run(till.graph, {}, workflow_id="w") == {"final": ("y", 10)}

    asyncio.run(main())
    assert till.paid == [("y", 10)]


def test_an_input_may_have_the_name_of_an_interrupt() -> None:
    @interrupt(answer_name="decision")
    def review(draft: str) -> str:
        return draft

    graph = Graph(
        [
            node(lambda topic, review: f"{topic} by {review}", output_name="draft", name="write"),
            review,
            node(lambda decision, draft: (decision, draft), output_name="final", name="end"),
        ],
        name="named",
    )

    async def main(runner: AsyncRunner, **options: Any) -> None:
        paused = await runner.run(graph, {"topic": "t", "review": "peer"}, **options)
        assert paused.pause is not None
        assert paused.pause.value == "t by peer"
        done = await runner.run(graph, {"topic": "t", "review": "peer", "decision": "yes"}, **options)
        assert done == {"final": ("yes", "t by peer")}

    asyncio.run(main(AsyncRunner()))
    with MemoryCheckpointer() as checkpointer:
        asyncio.run(main(AsyncRunner(checkpointer=checkpointer), workflow_id="w"))
