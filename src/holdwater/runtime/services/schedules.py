"""Schedules: finds what is due, decides about it, and has its runs born in the transaction that records the fires.

Every runner on a database does the same and none leads: whoever writes a schedule's next version first has fired it.
Nothing polls: the instant of the next fire is one of those the driver sleeps until, and a changed schedule makes news.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError, StoreUnavailable
from holdwater.model import codec
from holdwater.model import events as ev
from holdwater.model.error_report import describe_error
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import UNSET, Micros, add_seconds, to_rfc3339
from holdwater.model.triggers import triggers
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.services.triggers import TriggerPoller, trigger_values
from holdwater.schedules import Cron, DueDecision, SchedulePolicy, decide_due, decide_overlap

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver

MAX_SCHEDULES_PER_PASS: Final = 64
"""looked at in one pass, after which the driver does whatever else has come in"""
MAX_RUNS_PER_PASS: Final = 128
"""born in one transaction; a schedule with more to make up for goes on in the next pass"""
CLOCK_UNCERTAINTY_US: Final = 1_000_000
"""how long to wait where the clock and its reference do not agree whether something is due"""
IDLE_SCAN_SECONDS: Final = 30.0
"""how often to look although nothing was heard, where others can be heard"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """What a driver does about schedules.  Times in seconds.

    `catch_up_by_default`: what schedules that say nothing do about missed instants: make up for all, `max_catchup` at
    most..  `poll_seconds`, `trigger_poll_seconds`: how often to look at schedules and triggers where no wake-up channel
    works.
    """

    cron: bool = False
    triggers: bool = False
    poll_seconds: float = 30.0
    trigger_poll_seconds: float = 1.0
    max_catchup: int = 100
    catch_up_by_default: bool = False
    recover: bool = True
    recovery_interval_seconds: float = 300.0
    recovery_age_seconds: float = 86_400.0
    recovery_attempts: int = 3
    poll_timeout_seconds: float = 30.0


def schedule_policy(row: ScheduleRow, limits: ScheduleConfig) -> SchedulePolicy:
    """How a schedule treats its instants.  Raises ScheduleError."""
    return SchedulePolicy(
        catchup=row.catchup or ("run_all" if limits.catch_up_by_default else "skip"),  # type: ignore[arg-type]
        max_catchup=row.max_catchup or limits.max_catchup,
        misfire_grace_seconds=row.misfire_grace_us / 1e6,
        jitter_seconds=row.jitter_us / 1e6,
        start_at=row.start_at,
        end_at=row.end_at,
        overlap=row.overlap,  # type: ignore[arg-type]
    )


_parse_cron = lru_cache(maxsize=4096)(Cron)


def _decode_context(context: str) -> dict[str, Any]:
    """The values of a context by key, whatever the keys are.  Raises DecodingError."""
    return {key: codec.revive(tree) for key, tree in json.loads(context).items()}


def _schedule_values(row: ScheduleRow, instant: Micros) -> dict[str, Any]:
    """What every run of a schedule finds in its context."""
    if row.kind == "trigger":
        return trigger_values(row, instant)
    return {
        "scheduled_time": to_rfc3339(instant),
        "schedule_id": row.id,
        "schedule_timezone": row.timezone,
        "schedule_expression": row.expression,
    }


class Scheduler:
    """The driver's schedules.  Raises StoreUnavailable; what was to be done is still due then."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.config: Final = driver.config.scheduling
        self.check_needed = True
        """schedules, workflows or triggers may have changed"""
        self._has_waiting_fires = False
        """there may be fires that wait for the end of a run"""
        self._next_fire_at: Micros | None = None
        self._scan_at = UNSET
        self._expire_at = UNSET
        self._registered_workflows: set[str] = set()
        self.trigger_poller = TriggerPoller(self, driver)

    @property
    def is_enabled(self) -> bool:
        """Whether this runner has anything to do with schedules."""
        return self.config.cron or self.config.triggers

    @property
    def has_work(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return self.is_enabled and (self.check_needed or bool(self.trigger_poller.answers))

    def due_times(self, now: Micros) -> list[Micros]:
        """When there is something to do next."""
        if not self.is_enabled:
            return []
        scan_at = min(self._scan_at, Micros(now + self._scan_interval_us))
        return [scan_at] if self._next_fire_at is None else [scan_at, self._next_fire_at]

    @property
    def _scan_interval_us(self) -> int:
        if self._driver.has_notifications:
            return int(IDLE_SCAN_SECONDS * 1e6)
        seconds = self.config.poll_seconds
        if self.config.triggers and triggers.list_triggers():
            seconds = min(seconds, self.config.trigger_poll_seconds)
        return int(seconds * 1e6)

    def on_run_ended(self) -> None:
        """Fires may have waited for it."""
        if self._has_waiting_fires:
            self.check_needed = True

    def run_due(self, now: Micros) -> None:
        """Fire what is due, as much as fits into one pass."""
        if not self.is_enabled:
            return
        if self._scan_at <= now or self._scan_at > now + self._scan_interval_us:
            self._scan_at, self.check_needed = Micros(now + self._scan_interval_us), True
        if not self.has_work and (self._next_fire_at is None or self._next_fire_at > now):
            return
        driver, store = self._driver, self._driver.store
        names = driver.executable_workflows()
        if self.check_needed:
            if not self._registered_workflows.issuperset(names):
                store.register_workflows([name for name in names if name not in self._registered_workflows], now)
                self._registered_workflows.update(names)
            if self.config.triggers:
                self.trigger_poller.register_triggers(names, now)
            if self._expire_at <= now or self._expire_at > now + 2 * self._recovery_us:
                self._expire_fires(now)
        again = False
        first: Micros | None = None
        if self.config.cron:
            if self.check_needed:
                again = self._start_waiting(names, now)
            first = store.next_due_at("cron", names)
            if first is not None and first <= now:
                driver.sample_clock()  # what has fired early cannot be taken back
                now = driver.clock.earliest_now()
                again |= self._fire_due(store.due_schedules("cron", now, MAX_SCHEDULES_PER_PASS, names), now)
                first = store.next_due_at("cron", names)
                if first is not None and now < first <= driver.clock.now():  # the clock may have been set back
                    first = Micros(driver.clock.now() + CLOCK_UNCERTAINTY_US)
        if self.config.triggers:
            self.trigger_poller.poll_due(names, now)
        self.check_needed = again
        self._next_fire_at = min(
            [at for at in (first, self.trigger_poller.next_due_at(names)) if at is not None], default=None
        )

    # -- what is due

    def _fire_due(self, rows: Sequence[ScheduleRow], now: Micros) -> bool:
        """Decide about each of these and write it; returns whether to look again at once."""
        if not rows:
            return False
        busy = [row.id for row in rows if row.overlap != "allow"]
        unfinished: dict[str, int] = {}
        for schedule_id, _ in self._driver.store.unfinished_fires(busy) if busy else ():
            unfinished[schedule_id] = unfinished.get(schedule_id, 0) + 1
        firings: list[tuple[Firing, list[ActiveRun]]] = []
        room = MAX_RUNS_PER_PASS
        for row in rows:
            if room <= 0:
                break
            made = self._plan_firing(row, now, unfinished.get(row.id, 0), room)
            room -= len(made[1])
            firings.append(made)
        self.write_firings(firings, now)
        # what is left is due already, and so comes up by itself; what was queued may be first in its queue by now
        return any(fire.state == "queued" for firing, _ in firings for fire in firing.fires)

    def _plan_firing(self, row: ScheduleRow, now: Micros, unfinished: int, room: int) -> tuple[Firing, list[ActiveRun]]:
        """What to make of the instants of a schedule since it was last settled."""
        try:
            cron, how = _parse_cron(row.expression, row.timezone), schedule_policy(row, self.config)
            found: DueDecision = decide_due(cron, row.id, row.settled_at, now, how)
            definition = self._driver.run_loader.find_definition(row.workflow)
            if definition is None:
                raise StoreError(f"workflow {row.workflow!r} went away")
        except BaseException as error:  # noqa: BLE001 - an error of this schedule, whatever it is, is no other's
            return self._postpone(row, error, now), []
        firing, runs = Firing(replace(row, last_error=None)), []
        instants = found.fire_times[:room]
        cut = len(instants) < len(found.fire_times)
        if found.skipped is not None:
            first, last = found.skipped
            reason = found.reason if first == last else f"{to_rfc3339(first)} to {to_rfc3339(last)}: {found.reason}"
            firing.fires.append(FireRow(row.id, last, "skipped", now, reason=reason))
        for instant in instants:
            fire = FireRow(row.id, instant, "skipped", now)
            verdict = decide_overlap(how.overlap, unfinished)
            if verdict.action == "start":
                runs += self.create_run(firing, fire, definition, _schedule_values(row, instant), now)
            else:
                fire.reason = verdict.reason
                if verdict.action == "queue" and unfinished <= self.config.max_catchup:
                    fire.state = "queued"
                elif verdict.action == "queue":
                    fire.reason = f"the queue is full: {verdict.reason}"
                firing.fires.append(fire)
            if fire.state != "skipped":
                unfinished += fire.state != "failed"
                firing.schedule.last_at = instant
        firing.schedule.settled_at = instants[-1] if cut else max(found.decided_until, row.settled_at)
        firing.schedule.next_at = now if cut else found.next_check_at
        return firing, runs

    def _postpone(self, row: ScheduleRow, error: BaseException, now: Micros) -> Firing:
        """This process cannot make anything of it: say so, leave it to others for a while, and settle nothing."""
        return Firing(
            replace(row, last_error=self._describe_error(row, error), next_at=Micros(now + self._recovery_us))
        )

    def _describe_error(self, row: ScheduleRow, error: BaseException) -> str:
        """For people; an error that is no answer to what they gave is reported with its traceback, too."""
        if isinstance(error, HoldwaterError):
            return f"{type(error).__name__}: {error.message}"
        self._driver.error_log.add(f"schedule {row.name or row.id}", error)
        return describe_error(error)

    def create_run(
        self,
        firing: Firing,
        fire: FireRow,
        definition: WorkflowDefinition,
        extra_values: dict[str, Any],
        now: Micros,
        inputs: Any = None,
    ) -> list[ActiveRun]:
        """Add a fire to a firing, with a run; without one if none can be made of what it is to begin with."""
        driver, row = self._driver, firing.schedule
        try:
            context = dict(inputs if inputs is not None else _decode_context(row.inputs) if row.inputs else {})
            cells = definition.encode_inputs({**context, **extra_values})
            run = ActiveRun(
                driver.new_run_row(row.workflow, definition, now),
                driver.run_loader.compiled_plan(definition.plan),
                definition.style,
                definition,
                is_new=True,
            )
            run.apply_entry(JournalEntry(ev.Started(cells)), driver.clock)
        except BaseException as error:  # noqa: BLE001 - as above
            fire.state, fire.reason = "failed", self._describe_error(row, error)
            firing.fires.append(fire)
            return []
        fire.state, fire.run_id, fire.reason = "started", run.row.id, None
        firing.fires.append(fire)
        return [run]

    # -- what has waited

    @property
    def _recovery_us(self) -> int:
        return int(self.config.recovery_interval_seconds * 1e6)

    def _oldest_allowed(self, now: Micros) -> Micros:
        return add_seconds(now, -self.config.recovery_age_seconds)

    def _expire_fires(self, now: Micros) -> None:
        reason = f"waited for more than {self.config.recovery_age_seconds:g} s"
        self._driver.store.expire_fires(self._oldest_allowed(now), reason)
        self._expire_at = Micros(now + self._recovery_us)

    def _ready_fires(self, workflows: Collection[str], now: Micros) -> list[FireRow]:
        return self._driver.store.startable_fires(
            workflows,
            MAX_RUNS_PER_PASS,
            max_attempts=self.config.recovery_attempts if self.config.recover else 0,
            tried_before=Micros(now - self._recovery_us),
            not_before=self._oldest_allowed(now),
        )

    def _start_waiting(self, workflows: Collection[str], now: Micros) -> bool:
        """Start what was asked for, what has come to the head of its queue, and what failed to start."""
        store = self._driver.store
        self._has_waiting_fires = store.has_waiting_fires()
        rows = self._ready_fires(workflows, now) if self._has_waiting_fires else []
        if not rows:
            return False
        # Versions are read before what is decided on: whoever takes one of these up meanwhile makes ours a conflict.
        schedules = {schedule_id: store.get_schedule(schedule_id) for schedule_id in {f.schedule_id for f in rows}}
        rows = self._ready_fires(workflows, now)
        firings: dict[str, tuple[Firing, list[ActiveRun]]] = {}
        for fire in rows:
            schedule = schedules.get(fire.schedule_id)
            if schedule is None:
                continue
            firings.setdefault(fire.schedule_id, (Firing(schedule), []))
            firing, runs = firings[fire.schedule_id]
            definition = self._driver.run_loader.find_definition(firing.schedule.workflow)
            if definition is not None:
                fire.claimed_at, fire.attempts = now, fire.attempts + (fire.state == "failed")
                runs += self.create_run(
                    firing, fire, definition, _schedule_values(firing.schedule, fire.scheduled_at), now
                )
        written = self.write_firings(list(firings.values()), now)
        return len(rows) == MAX_RUNS_PER_PASS or not all(written)

    # -- writing

    def write_firings(self, firings: Sequence[tuple[Firing, list[ActiveRun]]], now: Micros) -> list[bool]:
        """Write firings with the births of their runs, and take the runs in.  False for what somebody else wrote."""
        if not firings:
            return []
        driver = self._driver
        budget = driver.claim_budget(now)
        for firing, runs in firings:
            firing.new_runs = [run.build_update(now, budget) for run in runs]
        try:
            verdicts = driver.store.commit_firings([firing for firing, _ in firings])
        except (StoreUnavailable, RunnerClosed):
            driver.commit_outcome_unknown()
            raise
        except StoreError as error:
            if len(firings) > 1:  # one bad firing must not take the others with it
                return [self.write_firings([one], now)[0] for one in firings]
            bad = firings[0][0].schedule
            row = driver.store.get_schedule(bad.id)
            return driver.store.commit_firings([self._postpone(row, error, now)]) if row is not None else [False]
        for (firing, runs), written in zip(firings, verdicts, strict=True):
            for run, change in zip(runs, firing.new_runs, strict=True) if written else ():
                driver.add_committed_run(run, change)
        driver.note_unclaimed(budget)
        return verdicts
