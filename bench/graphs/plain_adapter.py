"""No system at all: what the same work costs in plain Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import sources

IMPORTS = ()


class Adapter:
    def chain(self, n: int) -> Callable[[], object]:
        calls = sources.functions(sources.chain(n))

        def run() -> int:
            x = 0
            for call in calls:
                x = call(x)
            return x

        return run

    def fan(self, n: int) -> Callable[[], object]:
        *calls, join = sources.functions(sources.fan(n))
        return lambda: join(*[call(1) for call in calls])

    def map(self, n: int) -> Callable[[], object]:
        first, second, third = sources.functions(sources.three())

        def one(x: int) -> int:
            a = first(x)
            return int(third(a, second(a)))

        return lambda: [one(x) for x in range(n)]

    def cycle(self, n: int) -> Callable[[], object]:
        def step(x: int) -> int:
            return x + 1

        def check(x: int) -> bool:
            return x < n

        def run() -> int:
            x = step(0)
            while check(x):
                x = step(x)
            return x

        return run

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        calls = sources.functions(sources.sleepers(n, sleep_seconds))

        async def run() -> int:
            permits = asyncio.Semaphore(at_once)

            async def limited(i: int) -> int:
                async with permits:
                    return int(await calls[i](0))

            return sum(await asyncio.gather(*map(limited, range(n))))

        return lambda: asyncio.run(run())
