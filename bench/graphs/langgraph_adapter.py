"""LangGraph without a checkpointer; of its two ways to fan out the quicker one, Send."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

IMPORTS = ("from langgraph.graph import StateGraph",)


class Number(TypedDict):
    x: int


class Three(TypedDict, total=False):
    x: int
    a: int
    b: int
    c: int


class Wide(TypedDict):
    x: int
    ys: Annotated[list[int], operator.add]
    out: int


def join(state: Wide) -> dict[str, int]:
    return {"out": sum(state["ys"])}


class Adapter:
    def chain(self, n: int) -> Callable[[], object]:
        graph: Any = StateGraph(Number)
        names = [START, *(f"n{i}" for i in range(n)), END]
        for name in names[1:-1]:
            graph.add_node(name, lambda state: {"x": state["x"] + 1})
        for before, after in pairwise(names):
            graph.add_edge(before, after)
        made = graph.compile()
        return lambda: made.invoke({"x": 0}, {"recursion_limit": n + 5})["x"]

    def fan(self, n: int) -> Callable[[], object]:
        graph: Any = StateGraph(Wide)
        graph.add_node("leaf", lambda state: {"ys": [state["x"] + state["i"]]})
        graph.add_node("join", join)
        graph.add_conditional_edges(
            START, lambda state: [Send("leaf", {"x": state["x"], "i": i}) for i in range(n)], ["leaf"]
        )
        graph.add_edge("leaf", "join")
        graph.add_edge("join", END)
        made = graph.compile()
        return lambda: made.invoke({"x": 1, "ys": []})["out"]

    def map(self, n: int) -> Callable[[], object]:
        graph: Any = StateGraph(Three)
        graph.add_node("first", lambda state: {"a": state["x"] + 1})
        graph.add_node("second", lambda state: {"b": state["a"] * 2})
        graph.add_node("third", lambda state: {"c": state["a"] + state["b"]})
        for before, after in ((START, "first"), ("first", "second"), ("second", "third"), ("third", END)):
            graph.add_edge(before, after)
        made = graph.compile()
        return lambda: [made.invoke({"x": x})["c"] for x in range(n)]

    def cycle(self, n: int) -> Callable[[], object]:
        graph: Any = StateGraph(Number)
        graph.add_node("step", lambda state: {"x": state["x"] + 1})
        graph.add_node("check", lambda state: {})
        graph.add_edge(START, "step")
        graph.add_edge("step", "check")
        graph.add_conditional_edges("check", lambda state: "step" if state["x"] < n else END, ["step", END])
        made = graph.compile()
        return lambda: made.invoke({"x": 0}, {"recursion_limit": 2 * n + 10})["x"]

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        async def leaf(state: Any) -> dict[str, list[int]]:
            await asyncio.sleep(sleep_seconds)
            return {"ys": [state["i"]]}

        graph: Any = StateGraph(Wide)
        graph.add_node("leaf", leaf)
        graph.add_node("join", join)
        graph.add_conditional_edges(START, lambda state: [Send("leaf", {"i": i}) for i in range(n)], ["leaf"])
        graph.add_edge("leaf", "join")
        graph.add_edge("join", END)
        made = graph.compile()

        async def run() -> int:
            return int((await made.ainvoke({"x": 0, "ys": []}, {"max_concurrency": at_once}))["out"])

        return lambda: asyncio.run(run())
