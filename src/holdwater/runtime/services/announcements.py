"""Announcements: the workflows of this runner are written to the catalog of the database when they are new or changed.

A start that changes nothing writes nothing: what is announced already is compared by its digest.
"""

from __future__ import annotations

import threading
from typing import Final

from holdwater.model.catalog import PlanRow, WorkflowRow
from holdwater.model.descriptor import describe_workflow
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.workflows import ExecutableWorkflows

SEEN_INTERVAL_US: Final = 3_600_000_000
"""age at which `seen_at` is written again by a runner that starts"""


class WorkflowAnnouncer:
    """A service of the loop.  Raises StoreUnavailable; what was to be announced still is then."""

    def __init__(
        self, store: Store, clock: Clock, workflows: ExecutableWorkflows, error_log: InternalErrors, *, enabled: bool
    ) -> None:
        self._store, self._clock, self._workflows, self._error_log = store, clock, workflows, error_log
        self._is_enabled: Final = enabled
        self.check_needed = enabled
        """workflows may have been registered"""
        self._waiting: list[threading.Event] = []
        self._announced: dict[str, WorkflowDefinition] = {}

    def request(self, finished: threading.Event) -> None:
        """Set an event when all that is registered now has been announced."""
        self._waiting.append(finished)
        self.check_needed = True

    def due_at(self, now: Micros) -> Micros | None:
        return now if self.check_needed and self._is_enabled else None

    def run(self, now: Micros) -> None:
        """Announce what is new or changed here, and not announced like this already."""
        if not (self.check_needed and self._is_enabled):
            return
        new = self._new_definitions()
        if new:
            known = self._store.announced_digests()
            rows: list[WorkflowRow] = []
            plans: list[PlanRow] = []
            for name, definition in new.items():
                row, its_plans = self._describe(name, definition, now)
                digest, seen_at = known.get(name, (None, now))
                if digest != row.digest or seen_at < now - SEEN_INTERVAL_US:
                    rows.append(row)
                    plans += its_plans
            self._store.announce_workflows(rows, plans)
            self._announced.update(new)
        self.check_needed = False
        for finished in self._waiting:
            finished.set()
        self._waiting.clear()

    def _new_definitions(self) -> dict[str, WorkflowDefinition]:
        """Find the definitions that were registered since the last look, without those inside of others."""
        names = set(self._workflows.startable_names())
        found = {name: self._workflows.find(name) for name in names if name.rpartition("/")[0] not in names}
        return {
            name: definition
            for name, definition in found.items()
            if definition is not None and self._announced.get(name) is not definition
        }

    def _describe(self, name: str, definition: WorkflowDefinition, now: Micros) -> tuple[WorkflowRow, list[PlanRow]]:
        try:
            return describe_workflow(name, definition, now)
        except Exception as error:  # noqa: BLE001 - code of the workflow; it runs all the same
            self._error_log.add(f"describing workflow {name!r}", error)
            plan, style = definition.plan, definition.style.name
            row = WorkflowRow(name, style, plan.structure, release=definition.release, registered_at=now, seen_at=now)
            return row, [PlanRow(plan.structure, name, style, plan.to_data())]
