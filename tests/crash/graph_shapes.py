"""Graphs whose outcome no crash may change.  Every body first leaves a line in the effects log.

A question carries the answer it wants: whoever answers needs no code of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdwater.graphs import END, Graph, ifelse, interrupt, node, register_graph, route
from tests.crash.shapes import append_effect

GraphAndInputs = tuple[Graph, dict[str, Any]]
"""a graph and what it is given"""


def pause_with_reply(text: str, reply: Any) -> dict[str, Any]:
    return {"text": text, "reply": reply}


def doubling_graph(name: str = "inner") -> Graph:
    @node(output_name="doubled")
    def double(x: int) -> int:
        append_effect("double")
        return 2 * x

    @node(output_name="y")
    async def increase(doubled: int) -> int:
        append_effect("increase")
        return doubled + 1

    return Graph([double, increase], name=name)


@node(output_name="total")
def total(ys: list[int]) -> int:
    append_effect("total")
    return sum(y for y in ys if y is not None)


def dag() -> GraphAndInputs:
    @node(output_name=("a", "b"))
    def split(x: int) -> tuple[int, int]:
        append_effect("split")
        return x, -x

    @node(output_name="left")
    async def left(a: int) -> int:
        append_effect("left")
        return a + 1

    @node(output_name="right")
    def right(b: int) -> int:
        append_effect("right")
        return b - 1

    @node(output_name="joined")
    def join(left: int, right: int) -> list[int]:
        append_effect("join")
        return [left, right]

    return Graph([split, left, right, join], name="dag"), {"x": 3}


def loops() -> GraphAndInputs:
    @node(output_name="n")
    def step(n: int) -> int:
        append_effect("step")
        return n + 1

    @node(output_name="seen")
    def note(n: int, seen: list[int]) -> list[int]:
        append_effect("note")
        return [*seen, n]

    @route(["step", END])
    def more(n: int, seen: list[int]) -> Any:
        append_effect("more")
        return END if n >= 4 else "step"

    @node(output_name="report")
    def report(n: int, seen: list[int]) -> str:
        append_effect("report")
        return f"{n} {len(seen)}"

    return Graph([step, note, more, report], name="loops"), {"n": 0, "seen": []}


def gates() -> GraphAndInputs:
    """A branch not taken, and one that ends."""

    @ifelse(when_true="big", when_false="small")
    def is_big(x: int) -> bool:
        append_effect("is_big")
        return x > 10

    @node(output_name="found")
    def big(x: int) -> str:
        append_effect("big")
        return "big"

    @node(output_name="found")
    def small(x: int) -> str:
        append_effect("small")
        return "small"

    @route(["go_on", END])
    def enough(found: str) -> Any:
        append_effect("enough")
        return END

    @node(output_name="more")
    def go_on(found: str) -> str:
        append_effect("go_on")
        return "more"

    return Graph([is_big, big, small, enough, go_on], name="gates"), {"x": 3}


def nests() -> GraphAndInputs:
    """A graph in a graph in a graph, and a map of graphs."""
    middle = Graph([doubling_graph().as_node(name="low"), squared], name="middle")
    mapped = doubling_graph("mapped").as_node(name="all").map_over("x").rename_inputs(x="z").rename_outputs(y="ys")
    return Graph([middle.as_node(name="mid"), spread, mapped, total], name="nests"), {"x": 3}


@node(output_name="square")
def squared(y: int) -> int:
    append_effect("squared")
    return y * y


@node(output_name="z")
def spread(square: int) -> list[int]:
    append_effect("spread")
    return [square, square + 1, square + 2]


def asks() -> GraphAndInputs:
    """Two questions at once, and one in a loop, asked in every turn."""

    @interrupt(answer_name="left")
    def ask_left(x: int) -> dict[str, Any]:
        append_effect("ask_left")
        return pause_with_reply("left?", x)

    @interrupt(answer_name="right")
    async def ask_right(x: int) -> dict[str, Any]:
        append_effect("ask_right")
        return pause_with_reply("right?", -x)

    @node(output_name="sum")
    def add(left: int, right: int) -> int:
        append_effect("add")
        return left + right

    @interrupt(answer_name="word")
    def ask_word(words: list[str]) -> dict[str, Any]:
        append_effect("ask_word")
        return pause_with_reply("next?", f"word{len(words)}")

    @node(output_name="words")
    def remember(words: list[str], word: str) -> list[str]:
        append_effect("remember")
        return [*words, word]

    @route(["ask_word", END])
    def more(words: list[str]) -> Any:
        append_effect("more")
        return END if len(words) >= 2 else "ask_word"

    return Graph([ask_left, ask_right, add, ask_word, remember, more], name="asks"), {"x": 3, "words": []}


def asks_inside() -> GraphAndInputs:
    """Questions of items of a map, one of which asks nothing, and of a graph in a graph."""

    @ifelse(when_true="ask", when_false="skip")
    def unsure(x: int) -> bool:
        append_effect("unsure")
        return x > 0

    @interrupt(answer_name="verdict")
    def ask(x: int) -> dict[str, Any]:
        append_effect("ask")
        return pause_with_reply(f"{x}?", x * 10)

    @node(output_name="verdict")
    def skip(x: int) -> int:
        append_effect("skip")
        return 0

    @node(output_name="y")
    def use(verdict: int) -> int:
        append_effect("use")
        return verdict + 1

    low = Graph([unsure, ask, skip, use], name="low")
    middle = Graph([low.as_node(name="low")], name="middle").as_node(name="mid").rename_outputs(y="once")
    mapped = (
        low.as_node(name="all")
        .map_over("x", on_pause="item")
        .rename_inputs(x="xs")
        .rename_outputs(y="ys", verdict="verdicts")
    )

    @node(output_name="result")
    def result(once: int, total: int) -> list[int]:
        append_effect("result")
        return [once, total]

    return Graph([middle, mapped, total, result], name="asks_inside"), {"x": 5, "xs": [1, 0, 2]}


SHAPES: dict[str, Callable[[], GraphAndInputs]] = {f.__name__: f for f in (dag, loops, gates, nests, asks, asks_inside)}
PAUSING = ("asks", "asks_inside")


def define_shape(shape: str) -> dict[str, Any]:
    """Register the graph; returns what it is given."""
    graph, given = SHAPES[shape]()
    register_graph(graph, shape)
    return given
