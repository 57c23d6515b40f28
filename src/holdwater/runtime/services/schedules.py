"""Schedules: due fire times are found, decided about, and recorded with their new runs in one transaction.

Every runner on a database does the same and none leads: the runner that writes a schedule's next version first has
fired it.  Nothing polls: the loop sleeps until the next fire time, and a changed schedule sends a notification.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from holdwater.errors import StoreError
from holdwater.model.paused_workflows import paused_names
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import UNSET, Micros, add_seconds, to_rfc3339
from holdwater.model.triggers import TriggerRegistry
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.services.firing_writer import FiringWriter, fire_values
from holdwater.runtime.store_status import StoreStatus
from holdwater.runtime.workflows import ExecutableWorkflows
from holdwater.schedules import Cron, DueDecision, SchedulePolicy, decide_due, decide_overlap

MAX_SCHEDULES_PER_PASS: Final = 64
"""fired in one pass, after which the loop calls its other services"""
MAX_RUNS_PER_PASS: Final = 128
"""started in one transaction; a schedule with more to make up for goes on in the next pass"""
CLOCK_UNCERTAINTY_US: Final = 1_000_000
"""pause where the clock and its reference do not agree whether something is due"""
IDLE_SCAN_SECONDS: Final = 30.0
"""interval of scans although no notification came, where the store sends them"""


def schedule_policy(row: ScheduleRow, limits: ScheduleConfig) -> SchedulePolicy:
    """The rules by which a schedule treats its fire times.  Raises ScheduleError."""
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


class Scheduler:
    """The cron schedules of a runner; a service of its loop.

    Raises StoreUnavailable; what was due is still due then.
    """

    def __init__(
        self,
        store: Store,
        store_status: StoreStatus,
        clock: Clock,
        config: ScheduleConfig,
        workflows: ExecutableWorkflows,
        run_loader: RunLoader,
        writer: FiringWriter,
        triggers: TriggerRegistry,
        sample_clock: Callable[[], None],
    ) -> None:
        self._store, self._store_status, self._clock, self.config = store, store_status, clock, config
        self._workflows, self._run_loader, self._writer = workflows, run_loader, writer
        self._triggers, self._sample_clock = triggers, sample_clock
        self.check_needed = True
        """schedules or workflows may have changed"""
        self._has_waiting_fires = False
        """there may be fires that wait for the end of a run"""
        self._next_fire_at: Micros | None = None
        self._scan_at = UNSET
        self._expire_at = UNSET
        self._is_enabled: Final = config.cron or config.triggers

    def due_at(self, now: Micros) -> Micros | None:
        if not self._is_enabled:
            return None
        if self.check_needed:
            return now
        scan_at = min(self._scan_at, Micros(now + self._scan_interval_us))
        return scan_at if self._next_fire_at is None else min(scan_at, self._next_fire_at)

    @property
    def _scan_interval_us(self) -> int:
        return scan_interval_us(self.config, self._triggers, self._store_status)

    def on_run_settled(self, run: ActiveRun) -> None:
        """A run has ended or is paused."""
        self.on_runs_settled()

    def on_runs_settled(self) -> None:
        """Runs have ended, perhaps elsewhere: fires may have waited for them."""
        if self._has_waiting_fires:
            self.check_needed = True

    def run(self, now: Micros) -> None:
        """Fire what is due, as much as fits into one pass."""
        if not self._is_enabled:
            return
        latest_scan_at = Micros(now + self._scan_interval_us)
        if self._scan_at <= now or self._scan_at > latest_scan_at:
            self._scan_at, self.check_needed = latest_scan_at, True
        if not self.check_needed and (self._next_fire_at is None or self._next_fire_at > now):
            return
        names = startable_now(self._workflows, self._store)
        if self.check_needed and (self._expire_at <= now or self._expire_at > now + 2 * self._recovery_us):
            self._expire_fires(now)
        again = False
        if self.config.cron:
            again = self._run_cron(names, now)
        self.check_needed = again

    def _run_cron(self, names: Collection[str], now: Micros) -> bool:
        """Start fires that waited, and fire what is due; returns whether to look again at once."""
        again = self.check_needed and self._start_waiting(names, now)
        first = self._store.next_due_at("cron", names)
        if first is not None and first <= now:
            self._sample_clock()  # a fire that was too early cannot be taken back
            now = self._clock.earliest_now()
            again |= self._fire_due(self._store.due_schedules("cron", now, MAX_SCHEDULES_PER_PASS, names), now)
            first = self._store.next_due_at("cron", names)
            if first is not None and now < first <= self._clock.now():  # the clock may have been set back
                first = Micros(self._clock.now() + CLOCK_UNCERTAINTY_US)
        self._next_fire_at = first
        return again

    # -- due fire times

    def _fire_due(self, rows: Sequence[ScheduleRow], now: Micros) -> bool:
        """Decide about each of these and write it; returns whether to look again at once."""
        if not rows:
            return False
        busy = [row.id for row in rows if row.overlap != "allow"]
        unfinished: dict[str, int] = {}
        for schedule_id, _ in self._store.unfinished_fires(busy) if busy else ():
            unfinished[schedule_id] = unfinished.get(schedule_id, 0) + 1
        firings: list[tuple[Firing, list[ActiveRun]]] = []
        room = MAX_RUNS_PER_PASS
        for row in rows:
            if room <= 0:
                break
            made = self._plan_firing(row, now, unfinished.get(row.id, 0), room)
            room -= len(made[1])
            firings.append(made)
        self._writer.write(firings, now)
        # what is left is due already, and so comes up by itself; what was queued may be first in its queue by now
        return any(fire.state == "queued" for firing, _ in firings for fire in firing.fires)

    def _plan_firing(self, row: ScheduleRow, now: Micros, unfinished: int, room: int) -> tuple[Firing, list[ActiveRun]]:
        """Decide about the fire times of a schedule since it was last settled."""
        try:
            cron, how = _parse_cron(row.expression, row.timezone), schedule_policy(row, self.config)
            found: DueDecision = decide_due(cron, row.id, row.settled_at, now, how)
            definition = self._run_loader.find_definition(row.workflow)
            if definition is None:
                raise StoreError(f"workflow {row.workflow!r} went away")
        except BaseException as error:  # noqa: BLE001 - an error of this schedule, whatever it is, is no other's
            return self._writer.postpone(row, error, now), []
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
                runs += self._writer.create_run(firing, fire, definition, fire_values(row, instant), now)
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

    # -- fires that wait

    @property
    def _recovery_us(self) -> int:
        return int(self.config.recovery_interval_seconds * 1e6)

    def _oldest_allowed(self, now: Micros) -> Micros:
        return add_seconds(now, -self.config.recovery_age_seconds)

    def _expire_fires(self, now: Micros) -> None:
        reason = f"waited for more than {self.config.recovery_age_seconds:g} s"
        self._store.expire_fires(self._oldest_allowed(now), reason)
        self._expire_at = Micros(now + self._recovery_us)

    def _ready_fires(self, workflows: Collection[str], now: Micros) -> list[FireRow]:
        return self._store.startable_fires(
            workflows,
            MAX_RUNS_PER_PASS,
            max_attempts=self.config.recovery_attempts if self.config.recover else 0,
            tried_before=Micros(now - self._recovery_us),
            not_before=self._oldest_allowed(now),
        )

    def _start_waiting(self, workflows: Collection[str], now: Micros) -> bool:
        """Start fires that were requested, that are first in their queues by now, or that failed to start."""
        self._has_waiting_fires = self._store.has_waiting_fires()
        rows = self._ready_fires(workflows, now) if self._has_waiting_fires else []
        if not rows:
            return False
        # versions are read before what is decided on: if another runner starts one of these meanwhile, that conflicts
        schedules = {
            schedule_id: self._store.get_schedule(schedule_id) for schedule_id in {f.schedule_id for f in rows}
        }
        rows = self._ready_fires(workflows, now)
        firings: dict[str, tuple[Firing, list[ActiveRun]]] = {}
        for fire in rows:
            schedule = schedules.get(fire.schedule_id)
            if schedule is None:
                continue
            firings.setdefault(fire.schedule_id, (Firing(schedule), []))
            firing, runs = firings[fire.schedule_id]
            definition = self._run_loader.find_definition(firing.schedule.workflow)
            if definition is not None:
                fire.claimed_at, fire.attempts = now, fire.attempts + (fire.state == "failed")
                runs += self._writer.create_run(
                    firing, fire, definition, fire_values(firing.schedule, fire.scheduled_at), now
                )
        written = self._writer.write(list(firings.values()), now)
        return len(rows) == MAX_RUNS_PER_PASS or not all(written)


def startable_now(workflows: ExecutableWorkflows, store: Store) -> Collection[str]:
    """Names of the workflows of which schedules and triggers start runs now: those that are not paused.

    Raises StoreUnavailable.
    """
    names = workflows.startable_names()
    paused = paused_names(store) if names else ()
    return [name for name in names if name not in paused] if paused else names


def scan_interval_us(config: ScheduleConfig, triggers: TriggerRegistry, store_status: StoreStatus) -> int:
    """The interval at which schedules and triggers are read although no notification came."""
    if store_status.has_notifications:
        return int(IDLE_SCAN_SECONDS * 1e6)
    seconds = config.poll_seconds
    if config.triggers and len(triggers):
        seconds = min(seconds, config.trigger_poll_seconds)
    return int(seconds * 1e6)
