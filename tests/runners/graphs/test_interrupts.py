from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from holdwater.checkpointers import MemoryCheckpointer
from holdwater.errors import IncompatibleRunnerError, InputError
from holdwater.graphs import END, FunctionNode, Graph, InterruptNode, interrupt, node, route
from holdwater.runners.graphs import AsyncRunner, PauseReason, RunStatus, SyncRunner
from tests.runners.graphs.samples import review_graph, run_with_timeout

runner = AsyncRunner()


def test_pause_and_answer_with_the_inputs() -> None:
    paused = run_with_timeout(runner.run(review_graph(), {"topic": "rain"}))
    assert paused.status is RunStatus.PAUSED
    assert paused.paused
    assert paused.pauses == (paused.pause,)
    assert paused.pause is not None
    assert paused.pause.reason is PauseReason.HUMAN_INPUT
    assert paused.pause.node == paused.pause.pause_id == "ask"
    assert paused.pause.response_param == "verdict"
    assert paused.pause.value == "about rain"
    done = run_with_timeout(runner.run(review_graph(), {"topic": "rain", paused.pause.response_param: "good"}))
    assert done == {"final": "about rain: good"}


def test_answers_are_checked() -> None:
    with pytest.raises(TypeError, match="verdict"):
        run_with_timeout(runner.run(review_graph(), {"topic": "rain", "verdict": 5}))
    with pytest.raises(TypeError, match="verdict"):
        run_with_timeout(runner.run(review_graph(), {"topic": "rain"}, interrupt_handlers={"ask": lambda value: 5}))


def test_a_handler_of_no_interrupt_is_refused() -> None:
    with pytest.raises(InputError, match="'aks'") as caught:
        run_with_timeout(runner.run(review_graph(), {"topic": "rain"}, interrupt_handlers={"aks": len}))
    assert "did you mean 'ask'?" in str(caught.value)


def test_handlers() -> None:
    async def later(value: str) -> str:
        return value.upper()

    assert run_with_timeout(runner.run(review_graph(), {"topic": "rain"}, interrupt_handlers={"ask": later})) == {
        "final": "about rain: ABOUT RAIN"
    }
    nested = Graph([review_graph().as_node(name="inner")])
    for name in ("ask", "inner/ask"):
        result = run_with_timeout(
            runner.run(nested, {"topic": "rain"}, interrupt_handlers={name: len}, error_handling="continue")
        )
        assert isinstance(result.error, TypeError)
        result = run_with_timeout(runner.run(nested, {"topic": "rain"}, interrupt_handlers={name: str.title}))
        assert result["final"] == "about rain: About Rain"


def test_function_form() -> None:
    @dataclass
    class Question:
        prompt: str
        answer_type = int

    asked: list[str] = []

    @interrupt(answer_name="amount")
    def how_much(topic: str) -> Question:
        asked.append(topic)
        return Question(f"how much {topic}?")

    graph = Graph([how_much, FunctionNode(lambda topic, amount: [topic] * amount, name="repeat", output_name="out")])
    paused = run_with_timeout(runner.run(graph, {"topic": "rain"}))
    assert paused.pause is not None
    assert paused.pause.value == Question("how much rain?")
    del asked[:]
    assert run_with_timeout(runner.run(graph, {"topic": "rain", "amount": 2})) == {"out": ["rain", "rain"]}
    assert asked == []  # with an answer at hand nothing is asked


def test_other_nodes_go_on_while_one_asks() -> None:
    @node(output_name="size")
    def measure(draft: str) -> int:
        return len(draft)

    graph = Graph([*review_graph().nodes.values(), measure])
    paused = run_with_timeout(runner.run(graph, {"topic": "rain"}))
    assert paused.status is RunStatus.PAUSED
    assert paused == {"size": 10}


def test_a_failure_beats_a_question() -> None:
    @node(output_name="size")
    def fail(draft: str) -> int:
        raise KeyError("lost")

    with pytest.raises(KeyError):
        run_with_timeout(runner.run(Graph([*review_graph().nodes.values(), fail]), {"topic": "rain"}))
    result = run_with_timeout(
        runner.run(Graph([*review_graph().nodes.values(), fail]), {"topic": "rain"}, error_handling="continue")
    )
    assert result.status is RunStatus.FAILED
    assert result.pause is None


def chat_graph() -> Graph:
    @node(output_name="messages")
    def remember(messages: list[str], reply: str) -> list[str]:
        return [*messages, reply]

    @route(["ask", END])
    def more(messages: list[str]) -> Any:
        return END if messages[-1] == "bye" else "ask"

    return Graph([InterruptNode("ask", "messages", "reply"), remember, more])


def test_in_a_loop_every_turn_asks_and_an_early_answer_counts_once() -> None:
    said = iter(["hello", "well", "bye"])
    graph = chat_graph()
    result = run_with_timeout(runner.run(graph, {"messages": []}, interrupt_handlers={"ask": lambda shown: next(said)}))
    assert result["messages"] == ["hello", "well", "bye"]
    paused = run_with_timeout(runner.run(graph, {"messages": [], "reply": "hello"}))
    assert paused.pause is not None
    assert paused.pause.value == ["hello"]


def test_sync_runner_has_no_interrupts() -> None:
    with pytest.raises(IncompatibleRunnerError, match="interrupts"):
        SyncRunner().run(review_graph(), {"topic": "rain"})
    with pytest.raises(IncompatibleRunnerError, match="interrupts"):
        SyncRunner().run(Graph([review_graph().as_node(name="inner")]), {"topic": "rain"})


def test_items_of_a_map_are_answered_by_pause_id() -> None:
    graph = Graph([review_graph().as_node(name="all").map_over("topic", on_pause="item")])
    inputs: dict[str, Any] = {"topic": ["rain", "sun"]}
    paused = run_with_timeout(runner.run(graph, inputs))
    assert [pause.pause_id for pause in paused.pauses] == ["all/0/ask", "all/1/ask"]
    assert [pause.response_param for pause in paused.pauses] == ["all/0/ask", "all/1/ask"], "of this item, of no other"
    with pytest.warns(UserWarning, match="'all/0/ask' still wait for answers"):
        paused = run_with_timeout(runner.run(graph, {**inputs, "all/1/ask": "good"}))
    assert [pause.pause_id for pause in paused.pauses] == ["all/0/ask"]
    done = run_with_timeout(runner.run(graph, {**inputs, "all/1/ask": "good", "all/0/ask": "bad"}))
    assert done["final"] == ["about rain: bad", "about sun: good"]


@pytest.mark.parametrize("topics", [["rain"], ["rain", "sun", "wind"]])
@pytest.mark.parametrize("depth", [1, 2])
def test_items_are_answered_one_by_one_on_the_record(topics: list[str], depth: int) -> None:
    graph = Graph([review_graph().as_node(name="all").map_over("topic", on_pause="item")], name="mapped")
    if depth == 2:
        graph = Graph([graph.as_node(name="outer")], name="outermost")
    with MemoryCheckpointer() as checkpointer:
        kept = AsyncRunner(checkpointer=checkpointer)
        result = run_with_timeout(kept.run(graph, {"topic": topics}, workflow_id="w"))
        turns = 0
        while result.pause is not None:
            turns += 1
            result = run_with_timeout(kept.run(graph, {result.pause.response_param: "good"}, workflow_id="w"))
    assert turns == len(topics)
    assert result["final"] == [f"about {topic}: good" for topic in topics]


# -- loops that begin before, at and behind their question


def _conversation_graph(replies: list[str], **options: Any) -> Graph:
    def shout(said: str) -> str:
        replies.append(said)
        return said.upper()

    return Graph(
        [
            InterruptNode("ask", "reply", "said"),
            node(shout, output_name="reply", name="shout"),
            route(["ask", END])(lambda said: END if said == "bye" else "ask").with_name("more"),
        ],
        name="talk",
        **options,
    )


ENTRY_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "at the question": ({}, {"reply": "hello"}, ["a", "bye"]),
    "at the question, by name": ({"entrypoint": "ask"}, {"reply": "hello"}, ["a", "bye"]),
    "behind the question, by name": ({"entrypoint": "shout"}, {"said": "x"}, ["x", "a", "bye"]),
    "behind the question, by what is given": ({}, {"said": "x"}, ["x", "a", "bye"]),
}


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("options", "given", "said"), ENTRY_CASES.values(), ids=ENTRY_CASES)
def test_a_loop_begins_at_its_question_or_behind_it(
    options: dict[str, Any], given: dict[str, Any], said: list[str], recorded: bool
) -> None:
    seen: list[str] = []
    answers = iter(["a", "bye"])
    with MemoryCheckpointer() as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
        run = runner.run(
            _conversation_graph(seen, **options), given, interrupt_handlers={"ask": lambda shown: next(answers)}
        )
        assert asyncio.run(run) == {"reply": "BYE", "said": "bye"}
    assert seen == said


def test_a_recorded_loop_that_began_behind_its_question_is_answered_under_the_same_name() -> None:
    seen: list[str] = []
    graph = _conversation_graph(seen, entrypoint="shout")

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            for word in ("x", "a"):
                assert (await runner.run(graph, {"said": word}, workflow_id="w")).paused
            assert await runner.run(graph, {"said": "bye"}, workflow_id="w") == {"reply": "BYE", "said": "bye"}

    asyncio.run(main())
    assert seen == ["x", "a", "bye"]
