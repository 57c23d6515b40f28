"""The next work of a database that no engine works on."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.model.time import Micros


@dataclass(frozen=True, slots=True)
class NextWork:
    """The work of one schema, at a moment.

    `channel`: tells of changes.  `due_at`: of the first work, timer, schedule, trigger poll, deadline or end of a
    lease; None: there is none.  `ready_count`, `last_ready_at`: of tasks that wait in the queue, up to 1,000.
    """

    channel: str
    due_at: Micros | None
    ready_count: int
    last_ready_at: Micros | None
