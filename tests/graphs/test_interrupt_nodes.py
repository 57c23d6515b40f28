"""Interrupts as nodes: their ports, what they show and which answers they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from holdwater.errors import AnswerError, SignatureError
from holdwater.graphs import InterruptNode, interrupt, node


@dataclass
class Question:
    answer_type = bool
    prompt: str


@interrupt(answer_name="approved")
def approve(draft: str, tone: str = "kind") -> Question:
    """Ask."""
    return Question(f"Publish {draft}?")


def test_declared_it_shows_its_input() -> None:
    ask = InterruptNode(name="review", input_param="draft", response_param="decision", response_type=str)
    assert (ask.name, ask.inputs, ask.outputs, ask.data_outputs) == ("review", ("draft",), ("decision",), ("decision",))
    assert (ask.input_param, ask.response_param, ask.response_type) == ("draft", "decision", str)
    assert ask.func(draft="text") == "text"
    assert ask.is_interrupt
    assert not ask.is_gate
    assert not ask.has_default_for("draft")
    assert ask.get_output_type("decision") is str


def test_as_a_function_it_shows_what_that_returns() -> None:
    assert approve("x").prompt == "Publish x?"
    assert (approve.name, approve.inputs, approve.outputs) == ("approve", ("draft", "tone"), ("approved",))
    assert (approve.input_param, approve.response_param, approve.answer_name) == (None, "approved", "approved")
    assert approve.get_default_for("tone") == "kind"
    assert approve.response_type is bool
    assert approve.get_output_type("approved") is bool
    assert approve.__doc__ == "Ask."


def test_both_words_for_the_answer_and_all_options() -> None:
    @interrupt(
        response_param="reply",
        response_type=int,
        name="ask",
        rename_inputs={"x": "y"},
        emit="asked",
        wait_for="ready",
        hide=True,
        cache=True,
    )
    async def question(x: int) -> Question:
        return Question(str(x))

    assert (question.name, question.inputs, question.outputs) == ("ask", ("y",), ("reply", "asked"))
    assert (question.data_outputs, question.emit, question.wait_for) == (("reply",), ("asked",), ("ready",))
    assert question.is_async
    assert question.response_type is int, "what is said here counts more than the question class"
    assert (question.hide, question.cache) == (True, True)


def test_any_return_annotation_will_do() -> None:
    @interrupt(answer_name="reply")
    def show(x: int) -> dict[str, int]:
        return {"x": x}

    assert show.response_type is None
    assert show.get_output_type("reply") is None
    show.parse_answer(object())


def test_renames_reach_the_answer() -> None:
    ask = InterruptNode("review", "draft", "decision").rename_inputs(draft="text").rename_outputs(decision="verdict")
    assert (ask.input_param, ask.response_param) == ("text", "verdict")
    assert ask.map_inputs_to_params({"text": 1}) == {"draft": 1}


@pytest.mark.parametrize(
    ("expected", "good", "bad"),
    [
        (bool, True, "yes"),
        (str, "x", None),
        (Literal["yes", "no"], "no", "maybe"),
        (list[int], [1, 2], [1, "2"]),
        (int | None, None, 1.5),
    ],
)
def test_answers_are_checked(expected: Any, good: object, bad: object) -> None:
    ask = InterruptNode("review", "draft", "decision", expected)
    assert ask.parse_answer(good) == good
    with pytest.raises(AnswerError, match="'review'") as raised:
        ask.parse_answer(bad)
    assert repr(bad) in str(raised.value)
    assert "'decision'" in str(raised.value)
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, ValueError)


def test_the_question_class_says_what_an_answer_is() -> None:
    assert approve.parse_answer(False) is False
    with pytest.raises(AnswerError, match="must be bool"):
        approve.parse_answer("no")


def test_fingerprints() -> None:
    hashes = {
        InterruptNode("a", "x", "y").definition_hash,
        InterruptNode("a", "x", "y", int).definition_hash,
        approve.definition_hash,
    }
    assert len(hashes) == 3
    assert InterruptNode("a", "x", "y").definition_hash == InterruptNode("b", "p", "q").definition_hash


def test_what_is_refused() -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="yield"):
        interrupt(answer_name="a")(rows)
    with pytest.raises(TypeError, match="once"):
        interrupt()
    with pytest.raises(TypeError, match="once"):
        interrupt(answer_name="a", response_param="b")
    with pytest.raises(TypeError, match="needs a name, not 5"):
        interrupt(answer_name=5)(lambda: 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        interrupt(answer_name="a", colour="red")(lambda: 1)  # type: ignore[call-arg]
    with pytest.raises(SignatureError, match="@interrupt"):
        InterruptNode(approve.func, "a", "b")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="more than once"):
        InterruptNode("a", "x", "y", emit="y")


def test_the_function_of_a_node_can_ask() -> None:
    @node(output_name="shown")
    def show(x: int) -> int:
        return x

    ask = interrupt(answer_name="reply")(show)
    assert (ask.func, ask.outputs) == (show.func, ("reply",))
