"""Activities of unfinished runs, read from their rows and their outstanding work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from holdwater.model import ids
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros

ActivityState = Literal[
    "queued", "running", "waiting", "waiting for child runs", "orphaned", "waiting for an answer", "paused",
    "completed", "failed", "cancelled",
]  # fmt: skip
LivenessProbe = Callable[[str], bool | None]
"""owner -> whether its process lives; None: only its leases can tell"""


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity of a run at one instant.

    - "queued": its work is due and no runner has started it.
    - "running": a runner executes it, in process `pid` on `host`.
    - "waiting": until `waiting_until` (microseconds since the epoch: a timer, or the delay of a retry).
    - "waiting for child runs".
    - "orphaned": the process that executed it died or lost its lease (`host`, `pid`, if known); the next runner that
      has its workflow takes it over.
    - "waiting for an answer": nothing else is left to do; the first open question waits for `answer_name`, "" if that
      cannot be read.
    - otherwise the status of the run.
    """

    state: ActivityState
    host: str | None = None
    pid: int | None = None
    waiting_until: Micros | None = None
    answer_name: str = ""


def derive_activity(row: RunRow, work: Sequence[WorkRow], now: Micros, is_alive: LivenessProbe) -> Activity:
    """Derive the activity of a run.  `work`: its outstanding work.  `now`: by the store's clock, microseconds."""
    if row.status != RunStatus.RUNNING:
        return Activity(row.status)  # type: ignore[arg-type]
    alive = {w.owner: _is_owner_alive(w, now, is_alive) for w in work if w.owner is not None}
    begun = [w for w in work if w.kind == "execute" and w.owner is not None and w.started]
    for w in begun:
        if w.owner is not None and alive[w.owner]:
            return _activity_on_host("running", w.owner)
    lost = [w for w in work if (w.owner is None and w.reclaimed) or (w.owner is not None and not alive[w.owner])]
    if lost:
        owner = next((w.owner for w in lost if w.owner is not None), None)
        return Activity("orphaned") if owner is None else _activity_on_host("orphaned", owner)
    if any(w.kind == "execute" or (w.kind == "timer" and w.owner is None and w.due_at <= now) for w in work):
        return Activity("queued")
    timers = [w.due_at for w in work if w.kind == "timer"]
    if timers:
        return Activity("waiting", waiting_until=min(timers))
    return Activity("waiting for child runs" if work else "running")


def read_activities(store: Store, rows: Sequence[RunRow], now: Micros) -> dict[str, Activity]:
    """Read the activities of several runs together, by run id.  Raises StoreUnavailable."""
    unfinished: Final = [row.id for row in rows if row.status == RunStatus.RUNNING]
    work = store.work_of_runs(unfinished) if unfinished else {}
    return {row.id: derive_activity(row, work.get(row.id, ()), now, store.is_alive) for row in rows}


def _is_owner_alive(work: WorkRow, now: Micros, is_alive: LivenessProbe) -> bool:
    known = is_alive(work.owner or "")
    return work.lease_until > now if known is None else known


def _activity_on_host(state: ActivityState, owner: str) -> Activity:
    host, pid = ids.parse_owner_id(owner)
    return Activity(state, host, pid)
