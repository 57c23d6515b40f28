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
from holdwater.model.error_report import describe
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import to_rfc3339
from holdwater.model.triggers import triggers
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.services.triggers import TriggerPoller, given
from holdwater.schedules import Cron, DueDecision, SchedulePolicy, decide_due, decide_overlap

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver

PASS_LIMIT_SCHEDULES: Final = 64
"""looked at in one pass, after which the driver does whatever else has come in"""
PASS_LIMIT_RUNS: Final = 128
"""born in one transaction; a schedule with more to make up for goes on in the next pass"""
DOUBT_US: Final = 1_000_000
"""how long to wait where the clock and its reference do not agree whether something is due"""
IDLE_SECONDS: Final = 30.0
"""how often to look although nothing was heard, where others can be heard"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """What a driver does about schedules.  Times in seconds.

    `catches_up`: what schedules that say nothing do about missed instants: make up for all, `max_catchup` at most.
    `poll_seconds`, `trigger_poll_seconds`: how often to look at schedules and triggers where no wake-up channel works.
    """

    cron: bool = False
    triggers: bool = False
    poll_seconds: float = 30.0
    trigger_poll_seconds: float = 1.0
    max_catchup: int = 100
    catches_up: bool = False
    recover: bool = True
    recovery_interval_seconds: float = 300.0
    recovery_age_seconds: float = 86_400.0
    recovery_attempts: int = 3
    poll_timeout_seconds: float = 30.0


def schedule_policy(row: ScheduleRow, limits: ScheduleConfig) -> SchedulePolicy:
    """How a schedule treats its instants.  Raises ScheduleError."""
    return SchedulePolicy(
        catchup=row.catchup or ("run_all" if limits.catches_up else "skip"),  # type: ignore[arg-type]
        max_catchup=row.max_catchup or limits.max_catchup,
        misfire_grace_seconds=row.misfire_grace_us / 1e6,
        jitter_seconds=row.jitter_us / 1e6,
        start_us=row.start_at,
        end_us=row.end_at,
        overlap=row.overlap,  # type: ignore[arg-type]
    )


_cron = lru_cache(maxsize=4096)(Cron)


def _values(context: str) -> dict[str, Any]:
    """The values of a context by key, whatever the keys are.  Raises DecodingError."""
    return {key: codec.revive(tree) for key, tree in json.loads(context).items()}


def _given(row: ScheduleRow, instant: int) -> dict[str, Any]:
    """What every run of a schedule finds in its context."""
    if row.kind == "trigger":
        return given(row, instant)
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
        self.limits: Final = driver.limits.scheduling
        self.wanted = True
        """schedules, workflows or triggers may have changed"""
        self._waiting = False
        """there may be fires that wait for the end of a run"""
        self._next_at: int | None = None
        self._scan_at = 0
        self._tidy_at = 0
        self._announced: set[str] = set()
        self.polling = TriggerPoller(self, driver)

    @property
    def works(self) -> bool:
        """Whether this runner has anything to do with schedules."""
        return self.limits.cron or self.limits.triggers

    @property
    def pending(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return self.works and (self.wanted or bool(self.polling.answers))

    def instants(self, now: int) -> list[int]:
        """When there is something to do next."""
        if not self.works:
            return []
        scan_at = min(self._scan_at, now + self._interval_us)
        return [scan_at] if self._next_at is None else [scan_at, self._next_at]

    @property
    def _interval_us(self) -> int:
        if self._driver.hears:
            return int(IDLE_SECONDS * 1e6)
        seconds = self.limits.poll_seconds
        if self.limits.triggers and triggers.all():
            seconds = min(seconds, self.limits.trigger_poll_seconds)
        return int(seconds * 1e6)

    def run_ended(self) -> None:
        """Fires may have waited for it."""
        if self._waiting:
            self.wanted = True

    def look(self, now: int) -> None:
        """Fire what is due, as much as fits into one pass."""
        if not self.works:
            return
        if self._scan_at <= now or self._scan_at > now + self._interval_us:
            self._scan_at, self.wanted = now + self._interval_us, True
        if not self.pending and (self._next_at is None or self._next_at > now):
            return
        driver, store = self._driver, self._driver.store
        names = driver.workflows()
        if self.wanted:
            if not self._announced.issuperset(names):
                store.register_workflow([name for name in names if name not in self._announced], now)
                self._announced.update(names)
            if self.limits.triggers:
                self.polling.keep(names, now)
            if self._tidy_at <= now or self._tidy_at > now + 2 * self._recovery_us:
                self._expire_fires(now)
        again = False
        first: int | None = None
        if self.limits.cron:
            if self.wanted:
                again = self._start_waiting(names, now)
            first = store.next_due("cron", names)
            if first is not None and first <= now:
                driver.sample_clock()  # what has fired early cannot be taken back
                now = driver.clock.at_least()
                again |= self._fire_due(store.due_schedules("cron", now, PASS_LIMIT_SCHEDULES, names), now)
                first = store.next_due("cron", names)
                if first is not None and now < first <= driver.clock.now():  # the clock may have been set back
                    first = driver.clock.now() + DOUBT_US
        if self.limits.triggers:
            self.polling.look(names, now)
        self.wanted = again
        self._next_at = min([at for at in (first, self.polling.next_at(names)) if at is not None], default=None)

    # -- what is due

    def _fire_due(self, rows: Sequence[ScheduleRow], now: int) -> bool:
        """Decide about each of these and write it; returns whether to look again at once."""
        if not rows:
            return False
        busy = [row.id for row in rows if row.overlap != "allow"]
        unfinished: dict[str, int] = {}
        for schedule_id, _ in self._driver.store.unfinished_fires(busy) if busy else ():
            unfinished[schedule_id] = unfinished.get(schedule_id, 0) + 1
        firings: list[tuple[Firing, list[ActiveRun]]] = []
        room = PASS_LIMIT_RUNS
        for row in rows:
            if room <= 0:
                break
            made = self._decide(row, now, unfinished.get(row.id, 0), room)
            room -= len(made[1])
            firings.append(made)
        self.write(firings, now)
        # what is left is due already, and so comes up by itself; what was queued may be first in its queue by now
        return any(fire.state == "queued" for firing, _ in firings for fire in firing.fires)

    def _decide(self, row: ScheduleRow, now: int, unfinished: int, room: int) -> tuple[Firing, list[ActiveRun]]:
        """What to make of the instants of a schedule since it was last settled."""
        try:
            cron, how = _cron(row.expression, row.timezone), schedule_policy(row, self.limits)
            found: DueDecision = decide_due(cron, row.id, row.settled_at, now, how)
            program = self._driver.loader.program(row.workflow)
            if program is None:
                raise StoreError(f"workflow {row.workflow!r} went away")
        except BaseException as error:  # noqa: BLE001 - an error of this schedule, whatever it is, is no other's
            return self._postpone(row, error, now), []
        firing, runs = Firing(replace(row, last_error=None)), []
        instants = found.fire_us[:room]
        cut = len(instants) < len(found.fire_us)
        if found.skipped_us is not None:
            first, last = found.skipped_us
            reason = found.reason if first == last else f"{to_rfc3339(first)} to {to_rfc3339(last)}: {found.reason}"
            firing.fires.append(FireRow(row.id, last, "skipped", now, reason=reason))
        for instant in instants:
            fire = FireRow(row.id, instant, "skipped", now)
            verdict = decide_overlap(how.overlap, unfinished)
            if verdict.action == "start":
                runs += self.create_run(firing, fire, program, _given(row, instant), now)
            else:
                fire.reason = verdict.reason
                if verdict.action == "queue" and unfinished <= self.limits.max_catchup:
                    fire.state = "queued"
                elif verdict.action == "queue":
                    fire.reason = f"the queue is full: {verdict.reason}"
                firing.fires.append(fire)
            if fire.state != "skipped":
                unfinished += fire.state != "failed"
                firing.schedule.last_at = instant
        firing.schedule.settled_at = instants[-1] if cut else max(found.decided_until_us, row.settled_at)
        firing.schedule.next_at = now if cut else found.next_check_us
        return firing, runs

    def _postpone(self, row: ScheduleRow, error: BaseException, now: int) -> Firing:
        """This process cannot make anything of it: say so, leave it to others for a while, and settle nothing."""
        return Firing(replace(row, last_error=self._described(row, error), next_at=now + self._recovery_us))

    def _described(self, row: ScheduleRow, error: BaseException) -> str:
        """For people; an error that is no answer to what they gave is reported with its traceback, too."""
        if isinstance(error, HoldwaterError):
            return f"{type(error).__name__}: {error.message}"
        self._driver.faults.add(f"schedule {row.name or row.id}", error)
        return describe(error)

    def create_run(
        self,
        firing: Firing,
        fire: FireRow,
        program: WorkflowDefinition,
        given: dict[str, Any],
        now: int,
        inputs: Any = None,
    ) -> list[ActiveRun]:
        """Add a fire to a firing, with a run; without one if none can be made of what it is to begin with."""
        driver, row = self._driver, firing.schedule
        try:
            context = dict(inputs if inputs is not None else _values(row.inputs) if row.inputs else {})
            cells = program.start({**context, **given})
            run = ActiveRun(
                driver.head(row.workflow, program, now),
                driver.loader.compiled_plan(program.plan),
                program.style,
                program,
                born=True,
            )
            run.decide(JournalEntry(ev.Started(cells)), driver.clock)
        except BaseException as error:  # noqa: BLE001 - as above
            fire.state, fire.reason = "failed", self._described(row, error)
            firing.fires.append(fire)
            return []
        fire.state, fire.run_id, fire.reason = "started", run.row.id, None
        firing.fires.append(fire)
        return [run]

    # -- what has waited

    @property
    def _recovery_us(self) -> int:
        return int(self.limits.recovery_interval_seconds * 1e6)

    def _oldest(self, now: int) -> int:
        return now - int(self.limits.recovery_age_seconds * 1e6)

    def _expire_fires(self, now: int) -> None:
        reason = f"waited for more than {self.limits.recovery_age_seconds:g} s"
        self._driver.store.expire_fires(self._oldest(now), reason)
        self._tidy_at = now + self._recovery_us

    def _ready(self, names: Collection[str], now: int) -> list[FireRow]:
        return self._driver.store.waiting_fires(
            names,
            PASS_LIMIT_RUNS,
            attempts=self.limits.recovery_attempts if self.limits.recover else 0,
            tried_before=now - self._recovery_us,
            oldest=self._oldest(now),
        )

    def _start_waiting(self, names: Collection[str], now: int) -> bool:
        """Start what was asked for, what has come to the head of its queue, and what failed to start."""
        store = self._driver.store
        self._waiting = store.has_waiting_fires()
        rows = self._ready(names, now) if self._waiting else []
        if not rows:
            return False
        # Versions are read before what is decided on: whoever takes one of these up meanwhile makes ours a conflict.
        schedules = {schedule_id: store.schedule(schedule_id) for schedule_id in {f.schedule_id for f in rows}}
        rows = self._ready(names, now)
        firings: dict[str, tuple[Firing, list[ActiveRun]]] = {}
        for fire in rows:
            schedule = schedules.get(fire.schedule_id)
            if schedule is None:
                continue
            firings.setdefault(fire.schedule_id, (Firing(schedule), []))
            firing, runs = firings[fire.schedule_id]
            program = self._driver.loader.program(firing.schedule.workflow)
            if program is not None:
                fire.claimed_at, fire.attempts = now, fire.attempts + (fire.state == "failed")
                runs += self.create_run(firing, fire, program, _given(firing.schedule, fire.scheduled_at), now)
        written = self.write(list(firings.values()), now)
        return len(rows) == PASS_LIMIT_RUNS or not all(written)

    # -- writing

    def write(self, firings: Sequence[tuple[Firing, list[ActiveRun]]], now: int) -> list[bool]:
        """Write firings with the births of their runs, and take the runs in.  False for what somebody else wrote."""
        if not firings:
            return []
        driver = self._driver
        allowance = driver.allowance(now)
        for firing, runs in firings:
            firing.births = [run.change(now, allowance) for run in runs]
        try:
            verdicts = driver.store.fire([firing for firing, _ in firings])
        except (StoreUnavailable, RunnerClosed):
            driver.commit_outcome_unknown()
            raise
        except StoreError as error:
            if len(firings) > 1:  # one bad firing must not take the others with it
                return [self.write([one], now)[0] for one in firings]
            bad = firings[0][0].schedule
            row = driver.store.schedule(bad.id)
            return driver.store.fire([self._postpone(row, error, now)]) if row is not None else [False]
        for (firing, runs), written in zip(firings, verdicts, strict=True):
            for run, change in zip(runs, firing.births, strict=True) if written else ():
                driver.add_committed_run(run, change)
        driver.note_unclaimed(allowance)
        return verdicts
