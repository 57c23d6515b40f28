"""What runs at once in one loop: how much of it is left, how much only waits for people, and how it is wound up."""

from __future__ import annotations

import asyncio

from holdwater.model.coroutines import over
from holdwater.runners.graphs.local.run_context import Above


class Resting:
    """Counts what runs, and what of it has nothing left but questions, and tells who waits for it all."""

    def __init__(self, above: Above) -> None:
        self.above = above
        self.running = 0
        self.resting = 0
        self.idle = False

    def rests(self) -> None:
        self.resting += 1
        self.check()

    def wakes(self) -> None:
        self.resting -= 1
        self.stir()

    def check(self) -> None:
        if self.running and self.running == self.resting and not self.idle:
            self.idle = True
            self.above.rests()

    def stir(self) -> None:
        """Something is to do again."""
        if self.idle:
            self.idle = False
            self.above.wakes()


async def drained(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel these tasks and wait for their ends, also if this is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    await over(tasks)
