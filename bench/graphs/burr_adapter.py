"""Burr: a fresh application per run on a graph that is built once; the fans are its MapStates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from burr.core import ApplicationBuilder, GraphBuilder, State, action, default, when
from burr.core.parallelism import MapStates

IMPORTS = ("from burr.core import ApplicationBuilder",)


def step_from(source: str, target: str, compute: Callable[[Any], Any]) -> Any:
    @action(reads=[source], writes=[target])
    def step(state: State) -> State:
        return state.update(**{target: compute(state[source])})

    return step


def application(graph: Any, entrypoint: str, **state: Any) -> Any:
    return ApplicationBuilder().with_graph(graph).with_entrypoint(entrypoint).with_state(**state).build()


class Fan(MapStates):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def states(self, state: State, context: Any, inputs: Any) -> Any:
        for i in range(self.n):
            yield state.update(i=i)

    def action(self, state: State, inputs: Any) -> Any:
        @action(reads=["x", "i"], writes=["y"])
        def leaf(state: State) -> State:
            return state.update(y=state["x"] + state["i"])

        return leaf

    def reduce(self, state: State, results: Any) -> State:
        return state.update(out=sum(result["y"] for result in results))

    @property
    def reads(self) -> list[str]:
        return ["x"]

    @property
    def writes(self) -> list[str]:
        return ["out"]


class Sleepers(Fan):
    def __init__(self, n: int, sleep_seconds: float, permits: asyncio.Semaphore) -> None:
        super().__init__(n)
        self.sleep_seconds, self.permits = sleep_seconds, permits

    def is_async(self) -> bool:
        return True

    async def states(self, state: State, context: Any, inputs: Any) -> Any:
        for i in range(self.n):
            yield state.update(i=i)

    def action(self, state: State, inputs: Any) -> Any:
        @action(reads=["i"], writes=["y"])
        async def leaf(state: State) -> State:
            async with self.permits:
                await asyncio.sleep(self.sleep_seconds)
            return state.update(y=state["i"])

        return leaf

    async def reduce(self, state: State, results: Any) -> State:
        total = 0
        async for result in results:
            total += result["y"]
        return state.update(out=total)


class Adapter:
    def chain(self, n: int) -> Callable[[], object]:
        actions = {f"n{i}": step_from("x", "x", lambda x: x + 1) for i in range(n)}
        between = [(f"n{i}", f"n{i + 1}") for i in range(n - 1)]
        graph = GraphBuilder().with_actions(**actions).with_transitions(*between).build()
        return lambda: application(graph, "n0", x=0).run(halt_after=[f"n{n - 1}"])[2]["x"]

    def fan(self, n: int) -> Callable[[], object]:
        graph = GraphBuilder().with_actions(fan=Fan(n)).build()
        return lambda: application(graph, "fan", x=1).run(halt_after=["fan"])[2]["out"]

    def map(self, n: int) -> Callable[[], object]:
        @action(reads=["a", "b"], writes=["c"])
        def third(state: State) -> State:
            return state.update(c=state["a"] + state["b"])

        first, second = step_from("x", "a", lambda x: x + 1), step_from("a", "b", lambda a: a * 2)
        builder = GraphBuilder().with_actions(first=first, second=second, third=third)
        graph = builder.with_transitions(("first", "second"), ("second", "third")).build()
        return lambda: [application(graph, "first", x=x).run(halt_after=["third"])[2]["c"] for x in range(n)]

    def cycle(self, n: int) -> Callable[[], object]:
        @action(reads=[], writes=[])
        def done(state: State) -> State:
            return state

        step, check = step_from("x", "x", lambda x: x + 1), step_from("x", "more", lambda x: x < n)
        builder = GraphBuilder().with_actions(step=step, check=check, done=done)
        graph = builder.with_transitions(
            ("step", "check"), ("check", "step", when(more=True)), ("check", "done", default)
        ).build()
        return lambda: application(graph, "step", x=0, more=True).run(halt_after=["done"])[2]["x"]

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        async def run() -> int:
            fan = Sleepers(n, sleep_seconds, asyncio.Semaphore(at_once))
            builder = ApplicationBuilder().with_actions(fan=fan).with_entrypoint("fan").with_state(x=1)
            return int((await (await builder.abuild()).arun(halt_after=["fan"]))[2]["out"])

        return lambda: asyncio.run(run())
