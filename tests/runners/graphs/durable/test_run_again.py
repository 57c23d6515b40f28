"""A recorded run that is given inputs and answers again: inputs win, then the answers count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdwater import AsyncRunner, Graph, interrupt, node
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.errors import AnswerError, InputError, PauseNotFound
from holdwater.graphs import InterruptNode


class PaymentGraph:
    """price -> approve -> pay, and what pay was called with."""

    def __init__(self) -> None:
        self.payments: list[tuple[Any, Any]] = []
        self.graph = Graph(
            [
                node(lambda x: x * 10, output_name="price", name="make"),
                InterruptNode("approve", "price", "ok", str),
                node(self._pay, output_name="final", name="pay"),
            ],
            name="till",
        )

    def _pay(self, ok: str, price: int) -> tuple[str, int]:
        self.payments.append((ok, price))
        return (ok, price)


CALL_SEQUENCES: dict[str, tuple[list[dict[str, Any]], list[tuple[Any, Any]]]] = {
    "changed and answered at once": ([{"x": 1}, {"x": 5, "ok": "n"}], [("n", 50)]),
    "changed, then answered": ([{"x": 1}, {"x": 5}, {"ok": "n"}], [("n", 50)]),
    "the same again, with the answer": ([{"x": 1}, {"x": 1, "ok": "y"}], [("y", 10)]),
    "all at once": ([{"x": 1, "ok": "y"}], [("y", 10)]),
    "answered the same": ([{"x": 1}, {"ok": "y"}, {"ok": "y"}], [("y", 10)]),
    "completed, changed and answered": ([{"x": 1}, {"ok": "y"}, {"x": 2, "ok": "n"}], [("y", 10), ("n", 20)]),
    "completed, changed and answered the same": ([{"x": 1}, {"ok": "y"}, {"x": 2, "ok": "y"}], [("y", 10), ("y", 20)]),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "paid"), CALL_SEQUENCES.values(), ids=CALL_SEQUENCES)
def test_given_again(calls: list[dict[str, Any]], paid: list[tuple[Any, Any]]) -> None:
    till = PaymentGraph()

    async def main() -> Any:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            for given in calls:
                result = await runner.run(till.graph, given, workflow_id="w")
            return result

    result = asyncio.run(main())
    assert till.payments == paid
    assert result == {"final": paid[-1]}


def _two_questions_graph() -> Graph:
    return Graph(
        [
            InterruptNode("q1", "x", "v1"),
            node(lambda v1: v1 + "!", output_name="s", name="mark"),
            InterruptNode("q2", "s", "v2"),
            node(lambda s, v2: (s, v2), output_name="z", name="join"),
        ],
        name="two",
    )


def _nested_question_graph(*, mapped: bool) -> Graph:
    inner = Graph([InterruptNode("ask", "doc", "ok")], name="inner").as_node()
    return Graph([inner.map_over("doc", on_pause="item") if mapped else inner], name="outer")


UNMATCHED_ANSWERS: dict[str, tuple[Graph, list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = {
    "answered otherwise, completed": (
        _two_questions_graph(),
        [{"x": 1}, {"v1": "a"}, {"v2": "b"}],
        {"v2": "c"},
        {"z": ("a!", "b")},
    ),
    "answered otherwise, paused": (_two_questions_graph(), [{"x": 1}, {"v1": "a"}], {"v1": "b"}, {}),
    "not asked yet": (_two_questions_graph(), [{"x": 1}], {"v2": "b"}, {}),
    "an item that is not there": (_nested_question_graph(mapped=True), [{"doc": ["a"]}], {"inner/7/ask": 1}, {}),
    "an item of what is not mapped": (_nested_question_graph(mapped=False), [{"doc": "a"}], {"inner/0/ask": 1}, {}),
    "no item of what is mapped": (_nested_question_graph(mapped=True), [{"doc": ["a"]}], {"inner/ask": 1}, {}),
}


@pytest.mark.parametrize(("graph", "calls", "misfit", "state"), UNMATCHED_ANSWERS.values(), ids=UNMATCHED_ANSWERS)
def test_an_answer_that_fits_no_open_question_is_refused(
    graph: Graph, calls: list[dict[str, Any]], misfit: dict[str, Any], state: dict[str, Any]
) -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            for given in calls:
                before = await runner.run(graph, given, workflow_id="w")
            with pytest.raises(PauseNotFound, match="workflow 'w' does not ask"):
                await runner.run(graph, misfit, workflow_id="w")
            after = await runner.run(graph, {}, workflow_id="w")
            assert (after, after.status, after.pauses) == (state, before.status, before.pauses)

    asyncio.run(main())


def test_answers_to_questions_that_come_one_after_the_other_may_be_given_at_once() -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            assert (await runner.run(_two_questions_graph(), {"x": 1}, workflow_id="w")).paused
            assert await runner.run(_two_questions_graph(), {"v1": "a", "v2": "b"}, workflow_id="w") == {
                "z": ("a!", "b")
            }
            assert await runner.run(_two_questions_graph(), {"v1": "a", "v2": "b"}, workflow_id="w") == {
                "z": ("a!", "b")
            }

    asyncio.run(main())


@pytest.mark.parametrize("key", ["ask", "inner/ask", "inner/0/ask"])
def test_handlers_given_later_are_asked(key: str) -> None:
    shown: list[Any] = []

    async def handler(value: Any) -> str:
        shown.append(value)
        return "yes"

    graph = _nested_question_graph(mapped=key == "inner/0/ask")
    doc = ["a"] if key == "inner/0/ask" else "a"

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            assert (await runner.run(graph, {"doc": doc}, workflow_id="w")).paused
            done = await runner.run(graph, {}, workflow_id="w", interrupt_handlers={key: handler})
            assert done == {"ok": ["yes"] if key == "inner/0/ask" else "yes"}

    asyncio.run(main())
    assert shown == ["a"]


def test_a_handler_under_a_path_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="no such interrupt"):
        asyncio.run(
            AsyncRunner().run(
                _nested_question_graph(mapped=False), {"doc": "a"}, interrupt_handlers={"x/y/ask": lambda v: 1}
            )
        )


def test_a_wrong_answer_in_the_place_of_an_earlier_one_changes_nothing() -> None:
    till = PaymentGraph()

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            await runner.run(till.graph, {"x": 1, "ok": "y"}, workflow_id="w")
            with pytest.raises(AnswerError):
                await runner.run(till.graph, {"ok": 7}, workflow_id="w")
            assert await runner.run(till.graph, {}, workflow_id="w") == {"final": ("y", 10)}

    asyncio.run(main())
    assert till.payments == [("y", 10)]


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


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_a_question_that_was_answered_before_it_is_asked_is_not_put(recorded: bool, later: bool) -> None:
    put: list[int] = []

    def ask(x: int) -> str:
        put.append(x)
        return "?"

    async def ask_later(x: int) -> str:
        return ask(x)

    asking = interrupt(answer_name="ok", name="ask")(ask_later if later else ask)
    graph = Graph([asking, node(lambda ok: ok, output_name="z", name="end")], name="early")
    with MemoryCheckpointer() as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
        handlers = {"ask": lambda shown: "handler"}
        assert asyncio.run(runner.run(graph, {"x": 1, "ok": "given"}, interrupt_handlers=handlers)) == {"z": "given"}
    assert not put
