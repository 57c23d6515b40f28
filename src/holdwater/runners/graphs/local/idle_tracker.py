"""Tracking of concurrent nodes or items: the number that is running, and if all of them only wait for answers."""

from __future__ import annotations

import asyncio

from holdwater.model.coroutines import wait_all_shielded
from holdwater.runners.graphs.local.run_context import ParentRun


class IdleTracker:
    """Counts running and idle children, which only wait for answers; tells the parent run when all are idle."""

    def __init__(self, parent_run: ParentRun) -> None:
        self.parent_run = parent_run
        self.running_count = 0
        self.idle_count = 0
        self.is_idle = False

    def on_child_idle(self) -> None:
        self.idle_count += 1
        self.update()

    def on_child_active(self) -> None:
        self.idle_count -= 1
        self.mark_active()

    def update(self) -> None:
        if self.running_count and self.running_count == self.idle_count and not self.is_idle:
            self.is_idle = True
            self.parent_run.on_child_idle()

    def mark_active(self) -> None:
        """Report that a child is active again."""
        if self.is_idle:
            self.is_idle = False
            self.parent_run.on_child_active()


async def cancel_and_wait(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel these tasks and wait until they have ended, even if the caller is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    await wait_all_shielded(tasks)
