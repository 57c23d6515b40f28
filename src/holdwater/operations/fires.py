"""Fires by hand: a run of a schedule or trigger at once, and what has become of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.engine.engine import Engine
from holdwater.errors import ScheduleNotFound, WorkflowNotFound
from holdwater.model.paused_workflows import paused_names
from holdwater.model.provenance import Provenance
from holdwater.model.time import Micros
from holdwater.operations.catalog import get_workflow
from holdwater.operations.databases import Database
from holdwater.operations.schedule_queries import get_schedule, list_fires
from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.operations.schedules import request_run_now
from holdwater.operations.starting import start_by_name

PICKUP_SECONDS: Final = 10.0
"""longest wait for a runner that is there to start the run"""
UNKNOWN_RUNNER_SECONDS: Final = 1.0
"""longest wait where no living runner is known: one that has just started is not listed yet"""
POLL_SECONDS: Final = 0.02
_RECENT_FIRES: Final = 100
"""among which the one that was asked for is found"""


@dataclass(frozen=True, slots=True)
class ManualFire:
    """A fire by hand.

    `run_ids`: its runs; none as long as no runner has started one.  `fire`: as the history has it; None for a fire with
    an event, which is a run and no part of the history.
    """

    run_ids: tuple[str, ...]
    fire: FireInfo | None


def fire_schedule(database: Database, schedule_id: str, *, pickup_seconds: float = PICKUP_SECONDS) -> ManualFire:
    """Have a run of a schedule or trigger started at once, whatever the fire times, overlap or state.

    A runner that has the workflow starts it; this waits up to `pickup_seconds` for the run, or up to a second if no
    living runner is known to have the workflow.
    Raises ScheduleNotFound, StoreUnavailable.
    """
    asked = RequestedFire(database, schedule_id, pickup_seconds=pickup_seconds)
    while (found := asked.look()) is None:
        time.sleep(POLL_SECONDS)
    return found


class RequestedFire:
    """A fire by hand that was asked for just now, and is looked at until a run is started, or for some time.

    `fire_schedule` does so in a thread; a server does it in its event loop, so that no thread waits.
    Making it raises ScheduleNotFound, StoreUnavailable.
    """

    def __init__(self, database: Database, schedule_id: str, *, pickup_seconds: float = PICKUP_SECONDS) -> None:
        """Ask for it.  `pickup_seconds`: see `fire_schedule`."""
        schedule = get_schedule(database, schedule_id)
        self._database, self._schedule_id = database, schedule.id
        self._at = request_run_now(database, schedule.id)
        is_soon = _has_runner(database, schedule.workflow)
        wait_seconds = pickup_seconds if is_soon else min(pickup_seconds, UNKNOWN_RUNNER_SECONDS)
        self._give_up = time.monotonic() + wait_seconds

    def look(self) -> ManualFire | None:
        """Read what has become of it; None: it is to be looked at again.  Raises ScheduleNotFound, StoreUnavailable."""
        fire = _find_fire(self._database, self._schedule_id, self._at)
        if fire.state == "requested" and time.monotonic() < self._give_up:
            return None
        return ManualFire((fire.run_id,) if fire.run_id else (), fire)


def event_trees(schedule: ScheduleInfo, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON trees of an event, and those of the context of a schedule for the names it does not have."""
    return {**({} if schedule.inputs is None else json.loads(schedule.inputs)), **event}


def fire_with_event(engine: Engine, schedule: ScheduleInfo, inputs: Mapping[str, Any]) -> ManualFire:
    """Start a run of a schedule or trigger with these inputs; it is no part of the history.

    Raises the errors of `start_by_name`.
    """
    provenance = Provenance(schedule.kind, f"schedule:{schedule.name or schedule.id}")
    started = start_by_name(engine, schedule.workflow, inputs, provenance=provenance)
    return ManualFire((started.info.id,), None)


def _has_runner(database: Database, workflow: str) -> bool:
    """Return True if a living runner takes new runs of a workflow."""
    if workflow in paused_names(database.store):
        return False
    try:
        return bool(get_workflow(database, workflow).runners)
    except WorkflowNotFound:
        return False


def _find_fire(database: Database, schedule_id: str, at: Micros) -> FireInfo:
    """Read the fire of an instant.  Raises ScheduleNotFound if it was deleted meanwhile."""
    for fire in list_fires(database, schedule_id, limit=_RECENT_FIRES):
        if fire.scheduled_at == at:
            return fire
    raise ScheduleNotFound(f"schedule {schedule_id} was deleted meanwhile")
