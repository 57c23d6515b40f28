"""Fires and the runs they start, written in one transaction, for schedules and triggers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError, StoreUnavailable
from holdwater.model import codec
from holdwater.model import events as ev
from holdwater.model.error_report import describe_error
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.provenance import Provenance
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import Micros, to_rfc3339
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.claim_limits import ClaimLimits
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.service_protocols import CommittedRuns, MakeRunRow


class FiringWriter:
    """Makes runs of fires, and writes both.

    `recovery_us`: pause of a schedule that this process can make nothing of.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        run_loader: RunLoader,
        limits: ClaimLimits,
        claim_requests: ClaimRequests,
        commits: CommittedRuns,
        make_run_row: MakeRunRow,
        error_log: InternalErrors,
        recovery_us: int,
    ) -> None:
        self._store, self._clock, self._run_loader = store, clock, run_loader
        self._limits, self._claim_requests, self._commits = limits, claim_requests, commits
        self._make_run_row, self._error_log, self._recovery_us = make_run_row, error_log, recovery_us

    def create_run(
        self,
        firing: Firing,
        fire: FireRow,
        definition: WorkflowDefinition,
        extra_values: dict[str, Any],
        now: Micros,
        inputs: Any = None,
    ) -> list[ActiveRun]:
        """Add a fire to a firing, and return its run; none if its inputs do not fit, which the fire then says."""
        row = firing.schedule
        try:
            context = dict(inputs if inputs is not None else _decode_context(row.inputs) if row.inputs else {})
            cells = definition.encode_inputs({**context, **definition.select_inputs(extra_values)})
            is_unvalidated = row.kind == "cron" and not definition.has_code  # a manifest has it as data
            if is_unvalidated:
                cells = definition.validate_inputs(cells)
            head = self._make_run_row(row.workflow, definition, now)
            _fire_provenance(row).write_to(head)
            run = ActiveRun(
                head,
                self._run_loader.compiled_plan(definition.plan),
                definition.style,
                definition,
                is_new=True,
            )
            run.apply_entry(JournalEntry(ev.Started(cells, unvalidated=is_unvalidated)), self._clock)
        except BaseException as error:  # noqa: BLE001 - as above
            fire.state, fire.reason = "failed", self.describe_error(row, error)
            firing.fires.append(fire)
            return []
        fire.state, fire.run_id, fire.reason = "started", run.row.id, None
        firing.fires.append(fire)
        return [run]

    def write(self, firings: Sequence[tuple[Firing, list[ActiveRun]]], now: Micros) -> list[bool]:
        """Write firings with their new runs, and go on with these; False for each that another runner has written.

        Raises StoreUnavailable, RunnerClosed.
        """
        if not firings:
            return []
        budget = self._limits.budget(now)
        for firing, runs in firings:
            firing.new_runs = [run.build_update(now, budget) for run in runs]
        try:
            verdicts = self._store.commit_firings([firing for firing, _ in firings])
        except (StoreUnavailable, RunnerClosed):
            self._claim_requests.outcome_unknown()
            raise
        except StoreError as error:
            if len(firings) > 1:  # one bad firing does not stop the others
                return [self.write([one], now)[0] for one in firings]
            bad = firings[0][0].schedule
            row = self._store.get_schedule(bad.id)
            return self._store.commit_firings([self.postpone(row, error, now)]) if row is not None else [False]
        for (firing, runs), written in zip(firings, verdicts, strict=True):
            for run, change in zip(runs, firing.new_runs, strict=True) if written else ():
                self._commits.add_committed_run(run, change)
        self._limits.note_unclaimed(budget)
        return verdicts

    def postpone(self, row: ScheduleRow, error: BaseException, now: Micros) -> Firing:
        """A firing that settles nothing: this process cannot fire the schedule, and leaves it to others for a while."""
        return Firing(replace(row, last_error=self.describe_error(row, error), next_at=Micros(now + self._recovery_us)))

    def describe_error(self, row: ScheduleRow, error: BaseException) -> str:
        """The error as people see it; one of the engine or of user code is reported with its traceback, too."""
        if isinstance(error, HoldwaterError):
            return f"{type(error).__name__}: {error.message}"
        self._error_log.add(f"schedule {row.name or row.id}", error)
        return describe_error(error)


def _decode_context(context: str) -> dict[str, Any]:
    """The values of a context by key.  Raises DecodingError."""
    return {key: codec.revive(tree) for key, tree in json.loads(context).items()}


def _fire_provenance(row: ScheduleRow) -> Provenance:
    """The facts of a run that a schedule or a trigger starts."""
    if row.kind == "trigger":
        return Provenance("trigger", f"trigger:{row.name}")
    return Provenance("cron", f"schedule:{row.name or row.id}")


def fire_values(row: ScheduleRow, instant: Micros) -> dict[str, Any]:
    """Values in the context of every run of a schedule or trigger."""
    if row.kind == "trigger":
        return {"trigger_name": row.name, "triggered_at": to_rfc3339(instant)}
    return {
        "scheduled_time": to_rfc3339(instant),
        "schedule_id": row.id,
        "schedule_timezone": row.timezone,
        "schedule_expression": row.expression,
    }
