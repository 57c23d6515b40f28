"""Activities of unfinished runs, read from their rows and their outstanding work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from holdwater.model import ids
from holdwater.model.ports import Store
from holdwater.model.records import RunRow, WorkRow

State = Literal[
    "queued", "running", "waiting", "waiting for child runs", "orphaned", "paused", "completed", "failed", "cancelled"
]
Liveness = Callable[[str], bool | None]
"""owner -> whether its process lives; None: only its leases can tell"""


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity of a run at one instant.

    `queued`: its work is due and no runner has begun it.  `running`: a runner executes it, in process `pid` on `host`.
    `waiting`: for an instant, `until` (microseconds since the epoch: a timer, or the delay of a retry).
    `orphaned`: the process that executed it died or lost its lease (`host`, `pid`, where they are known); the next
    runner that has its workflow takes it over.  Otherwise the status of the run.
    """

    state: State
    host: str | None = None
    pid: int | None = None
    until: int | None = None


def of_run(row: RunRow, work: Sequence[WorkRow], now: int, is_alive: Liveness) -> Activity:
    """The activity of one run.  `work`: its outstanding work; `now`: by the store's clock, in microseconds."""
    if row.status != "running":
        return Activity(row.status)  # type: ignore[arg-type]
    alive = {w.owner: _holds(w, now, is_alive) for w in work if w.owner is not None}
    begun = [w for w in work if w.kind == "execute" and w.owner is not None and w.began]
    for w in begun:
        if w.owner is not None and alive[w.owner]:
            return _somewhere("running", w.owner)
    lost = [w for w in work if (w.owner is None and w.orphaned) or (w.owner is not None and not alive[w.owner])]
    if lost:
        owner = next((w.owner for w in lost if w.owner is not None), None)
        return Activity("orphaned") if owner is None else _somewhere("orphaned", owner)
    if any(w.kind == "execute" or (w.kind == "wake" and w.owner is None and w.due_at <= now) for w in work):
        return Activity("queued")
    timers = [w.due_at for w in work if w.kind == "wake"]
    if timers:
        return Activity("waiting", until=min(timers))
    return Activity("waiting for child runs" if work else "running")


def of_runs(store: Store, rows: Sequence[RunRow], now: int) -> dict[str, Activity]:
    """The activities of several runs, read together; run id -> activity.  Raises StoreUnavailable."""
    unfinished: Final = [row.id for row in rows if row.status == "running"]
    work = store.works(unfinished) if unfinished else {}
    return {row.id: of_run(row, work.get(row.id, ()), now, store.alive) for row in rows}


def _holds(work: WorkRow, now: int, is_alive: Liveness) -> bool:
    known = is_alive(work.owner or "")
    return work.lease_until > now if known is None else known


def _somewhere(state: State, owner: str) -> Activity:
    host, pid = ids.host_and_pid(owner)
    return Activity(state, host, pid)
