"""Holdwater, as it installs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType

import sources

from holdwater.graphs import END, Graph, node, route
from holdwater.runners.graphs import AsyncRunner, SyncRunner

IMPORTS = (
    "import holdwater",
    "import holdwater.graphs",
    "from holdwater.graphs import Graph, node; from holdwater.runners.graphs import AsyncRunner, SyncRunner",
)


def graph(module: ModuleType) -> Graph:
    return Graph([node(output_name=f.__name__)(f) for f in sources.functions(module)])


class Adapter:
    def __init__(self) -> None:
        self.runner = SyncRunner()

    def chain(self, n: int) -> Callable[[], object]:
        made, out = graph(sources.chain(n)), f"x{n}"
        return lambda: self.runner.run(made, {"x0": 0})[out]

    def fan(self, n: int) -> Callable[[], object]:
        made = graph(sources.fan(n))
        return lambda: self.runner.run(made, {"x": 1})["out"]

    def map(self, n: int) -> Callable[[], object]:
        made = graph(sources.three())
        return lambda: self.runner.map(made, {"x": range(n)}, map_over="x")["c"]

    def cycle(self, n: int) -> Callable[[], object]:
        @node(output_name="x")
        def step(x: int) -> int:
            return x + 1

        @route(targets=["step", END])
        def check(x: int) -> str:
            return "step" if x < n else END

        made = Graph([step, check]).with_entrypoint("step")
        return lambda: self.runner.run(made, {"x": 0})["x"]

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        made, runner = graph(sources.sleepers(n, sleep_seconds)), AsyncRunner()

        async def run() -> int:
            return sum((await runner.run(made, {"start": 0}, max_concurrency=at_once)).values())

        return lambda: asyncio.run(run())
