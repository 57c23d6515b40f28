"""Hamilton: the plain driver, and the asynchronous one, which has no limit of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import sources
from hamilton import async_driver, driver

IMPORTS = ("from hamilton import driver",)


def driver_of(module: ModuleType) -> Any:
    return driver.Builder().with_modules(module).build()


class Adapter:
    def chain(self, n: int) -> Callable[[], object]:
        made, out = driver_of(sources.chain(n)), f"x{n}"
        return lambda: made.execute([out], inputs={"x0": 0})[out]

    def fan(self, n: int) -> Callable[[], object]:
        made = driver_of(sources.fan(n))
        return lambda: made.execute(["out"], inputs={"x": 1})["out"]

    def map(self, n: int) -> Callable[[], object]:
        made = driver_of(sources.three())
        return lambda: [made.execute(["c"], inputs={"x": x})["c"] for x in range(n)]

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        module = sources.sleepers(n, sleep_seconds)
        for function in sources.functions(module):
            setattr(module, function.__name__, limited(function))
        outputs = [f"y{i}" for i in range(n)]
        made = asyncio.run(async_driver.Builder().with_modules(module).build())

        async def run() -> int:
            permits.append(asyncio.Semaphore(at_once))
            return sum((await made.execute(outputs, inputs={"start": 0})).values())

        return lambda: asyncio.run(run())


permits: list[asyncio.Semaphore] = []


def limited(body: Any) -> Any:
    async def within(start: int) -> int:
        async with permits[-1]:
            return int(await body(start))

    within.__name__, within.__module__ = body.__name__, body.__module__
    within.__annotations__ = {"start": int, "return": int}
    return within
