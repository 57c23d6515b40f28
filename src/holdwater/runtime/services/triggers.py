"""Triggers: one runner of a database calls each of them once per interval, in a thread, and starts its runs."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
import uuid
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from holdwater.errors import StoreUnavailable
from holdwater.model import codec
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import describe_error
from holdwater.model.ports.store import Store
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.model.triggers import Trigger, TriggerRegistry, TriggerResult, TriggerReturn
from holdwater.model.values import StoredValue
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.internal_errors import InternalErrors, logger
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.service_protocols import Inbox
from holdwater.runtime.services.firing_writer import FiringWriter, fire_values
from holdwater.runtime.services.schedules import scan_interval_us, startable_now
from holdwater.runtime.store_status import StoreStatus
from holdwater.runtime.workflows import ExecutableWorkflows

MAX_CONCURRENT_CALLS: Final = 16
"""threads of triggers; a slow trigger takes none away from tasks"""
MAX_CONCURRENT_CALLS_OF_PACKAGE: Final = 4
"""of triggers named `PACKAGE/NAME`: those of a package that do not answer hold up no others"""
MAX_WRITE_ATTEMPTS: Final = 5
_CLOCK_SLACK_US: Final = 1_000_000
NO_CONTEXT: Final = "fire_no_context"


@dataclass(slots=True, eq=False)
class TriggerCall:
    """A trigger that is being called.  `called_at`: the instant of its fire."""

    trigger: Trigger
    schedule_id: str
    called_at: Micros
    timed_out: bool = False


class TriggerPoller:
    """The triggers of a runner; a service of its loop.

    Raises StoreUnavailable; answers that came in are kept until they are written.
    """

    def __init__(
        self,
        store: Store,
        store_status: StoreStatus,
        config: ScheduleConfig,
        triggers: TriggerRegistry,
        workflows: ExecutableWorkflows,
        run_loader: RunLoader,
        writer: FiringWriter,
        timers: Timers,
        inbox: Inbox,
        error_log: InternalErrors,
    ) -> None:
        self._store, self._store_status, self.config = store, store_status, config
        self._triggers, self._workflows, self._run_loader, self._writer = triggers, workflows, run_loader, writer
        self._timers, self._inbox, self._error_log = timers, inbox, error_log
        self.check_needed = True
        """workflows or triggers may have changed"""
        self._scan_at = UNSET
        self._next_call_at: Micros | None = None
        self._registered: dict[str, Trigger] = {}
        self._in_flight: dict[str, TriggerCall] = {}
        self._answers: deque[tuple[TriggerCall, TriggerResult | str]] = deque()

    def due_at(self, now: Micros) -> Micros | None:
        if not self.config.triggers:
            return None
        if self.check_needed or self._answers:
            return now
        scan_at = min(self._scan_at, Micros(now + self._scan_interval_us))
        return scan_at if self._next_call_at is None else min(scan_at, self._next_call_at)

    @property
    def _scan_interval_us(self) -> int:
        return scan_interval_us(self.config, self._triggers, self._store_status)

    def run(self, now: Micros) -> None:
        """Write answers that came in, and call the triggers that are due."""
        if not self.config.triggers:
            return
        latest_scan_at = Micros(now + self._scan_interval_us)
        if self._scan_at <= now or self._scan_at > latest_scan_at:
            self._scan_at, self.check_needed = latest_scan_at, True
        is_due = self._next_call_at is not None and self._next_call_at <= now
        if not (self.check_needed or self._answers or is_due):
            return
        names = startable_now(self._workflows, self._store)
        if self.check_needed:
            self._register_triggers(names, now)
        self._call_due(names, now)
        self.check_needed = False
        idle = self._idle_triggers(names)
        self._next_call_at = self._store.next_due_at("trigger", idle) if idle else None

    def _register_triggers(self, workflows: Collection[str], now: Micros) -> None:
        """Write the triggers of this runner, and revive those whose clock was set back."""
        known = self._triggers.list_triggers()
        if not known:
            return
        rows = {row.name: row for row in self._store.list_schedules("trigger", limit=100_000)}
        for trigger in known:
            row = rows.get(trigger.name)
            if self._registered.get(trigger.name) != trigger and self._upsert(trigger, row, now):
                self._registered[trigger.name] = trigger
            elif row is not None and row.next_at is not None and row.next_at > now + row.poll_us + _CLOCK_SLACK_US:
                self._writer.write([(Firing(replace(row, next_at=now)), [])], now)

    def _upsert(self, trigger: Trigger, row: ScheduleRow | None, now: Micros) -> bool:
        """Returns False if another runner was faster: the next scan reads its row."""
        if row is None:
            row = ScheduleRow(
                str(uuid.uuid4()), "trigger", trigger.name, "", created_at=now, next_at=now, settled_at=now
            )
        wanted = (trigger.workflow, trigger.poll_interval_us, trigger.allow_concurrent)
        if row.version and (row.workflow, row.poll_us, row.allow_concurrent) == wanted:
            return True
        row.workflow, row.poll_us, row.allow_concurrent = wanted
        row.updated_at, row.next_at = now, now
        return self._store.put_schedule(row)

    def _idle_triggers(self, workflows: Collection[str]) -> list[str]:
        """Triggers that can be called now: those that have answered their last call."""
        if not self._count_free_calls():
            return []
        known = self._triggers.list_triggers()
        idle = [t.name for t in known if t.workflow in workflows and t.name not in self._in_flight]
        calls = self._calls_by_package()
        return [name for name in idle if calls[_package(name)] < MAX_CONCURRENT_CALLS_OF_PACKAGE]

    def _count_free_calls(self) -> int:
        return max(0, MAX_CONCURRENT_CALLS - len([poll for poll in self._in_flight.values() if not poll.timed_out]))

    def _calls_by_package(self) -> Counter[str]:
        """Count the calls of packages that have not been answered; triggers of no package count towards no limit."""
        return Counter([_package(name) for name in self._in_flight if _package(name)])

    def _call_due(self, workflows: Collection[str], now: Micros) -> None:
        """Act on answers, and call the triggers that are due."""
        while self._answers:
            self._write_answer_or_drop(*self._answers[0], now)
            self._answers.popleft()
        for _ in range(MAX_CONCURRENT_CALLS):  # again as long as a package had more than its share in what was found
            idle = self._idle_triggers(workflows)
            if not idle or self._call_some(idle, now):
                return

    def _call_some(self, idle: Collection[str], now: Micros) -> bool:
        """Call triggers that are due; returns True if none of those that were found is left out."""
        due, left_out, calls = [], False, self._calls_by_package()
        for row in self._store.due_schedules("trigger", now, self._count_free_calls(), idle):
            package = _package(row.name or "")
            if package and calls[package] >= MAX_CONCURRENT_CALLS_OF_PACKAGE:
                left_out = True
                continue
            calls[package] += 1
            at = max(now, Micros(row.settled_at + 1))  # an instant of its own, wherever the clock stands
            due.append(Firing(replace(row, settled_at=at, last_at=now, next_at=Micros(now + row.poll_us))))
        for firing, mine in zip(due, self._writer.write([(firing, []) for firing in due], now), strict=True):
            trigger = self._triggers.find(firing.schedule.name or "")
            if mine and trigger is not None:
                self._start_call(TriggerCall(trigger, firing.schedule.id, firing.schedule.settled_at), now)
        return not left_out

    def _start_call(self, call: TriggerCall, now: Micros) -> None:
        self._in_flight[call.trigger.name] = call
        seconds = self.config.poll_timeout_seconds
        self._timers.call_at(add_seconds(now, seconds), lambda: self._time_out(call, seconds))

        def work() -> None:
            answer = call_trigger(call.trigger)
            self._inbox.call_soon(lambda: self._on_answer(call, answer))

        threading.Thread(target=work, name=f"holdwater-trigger-{call.trigger.name}", daemon=True).start()

    def _on_answer(self, call: TriggerCall, answer: TriggerResult | str) -> None:
        if self._in_flight.get(call.trigger.name) is call:
            del self._in_flight[call.trigger.name]
            if not call.timed_out:
                self._answers.append((call, answer))
            self.check_needed = True

    def _time_out(self, call: TriggerCall, seconds: float) -> None:
        """The trigger does not answer in time: it is not called again here before it has."""
        if self._in_flight.get(call.trigger.name) is call:
            call.timed_out = True
            self._answers.append((call, f"TimeoutError: it did not answer within {seconds:g} s"))
            self.check_needed = True

    def _write_answer_or_drop(self, call: TriggerCall, answer: TriggerResult | str, now: Micros) -> None:
        """Write an answer; one that cannot be written does not stop the others.  Raises StoreUnavailable."""
        try:
            self._write_answer(call, answer, now)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001 - the trigger is called again, and may give another answer
            self._error_log.add(f"the answer of trigger {call.trigger.name!r}", error)

    def _write_answer(self, call: TriggerCall, answer: TriggerResult | str, now: Micros) -> None:
        """Write the fire and the run of an answer, or its error.  Raises StoreUnavailable."""
        for _ in range(MAX_WRITE_ATTEMPTS):
            row = self._store.get_schedule(call.schedule_id)
            if row is None:
                return
            error = answer if isinstance(answer, str) else None
            if error is not None and error != row.last_error:
                logger.warning("trigger %r failed: %s", row.name, error)
            firing = Firing(replace(row, last_error=error))
            runs: list[ActiveRun] = []
            if isinstance(answer, TriggerResult) and answer.fires and row.enabled:
                runs = self._create_triggered_run(call, answer, firing, now)
            if not firing.fires and firing.schedule.last_error == row.last_error:
                return
            if self._writer.write([(firing, runs)], now)[0]:
                return

    def _create_triggered_run(
        self, call: TriggerCall, answer: TriggerResult, firing: Firing, now: Micros
    ) -> list[ActiveRun]:
        row = firing.schedule
        definition = self._run_loader.find_definition(row.workflow)
        if definition is None:
            return []
        try:
            inputs = dict(answer.context or {})
            digest = context_hash(inputs) if answer.context is not None else NO_CONTEXT
        except BaseException as error:  # noqa: BLE001 - an error of this trigger, whatever it is, is no other's
            row.last_error = describe_error(error)
            return []
        if not row.allow_concurrent and (row.id, digest) in self._store.unfinished_fires([row.id]):
            return []
        fire = FireRow(row.id, call.called_at, "started", now, context_hash=digest)
        runs = self._writer.create_run(firing, fire, definition, fire_values(row, call.called_at), now, inputs)
        if fire.state == "failed":
            fire.state, row.last_error = "skipped", fire.reason
        return runs


def _package(name: str) -> str:
    """Return the package of a trigger, "" for one of no package."""
    return name.rpartition("/")[0]


def call_trigger(trigger: Trigger) -> TriggerResult | str:
    """Call a trigger function; returns its answer, or its error as text."""
    try:
        found: TriggerReturn = trigger.function()
        if inspect.isawaitable(found):
            found = run_awaitable(found)
        if isinstance(found, TriggerResult):
            return found
        return f"TypeError: trigger {trigger.name!r} gave {found!r:.100}, not TriggerResult.skip() or .fire(context)"
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it ends the poll, not the runner
        return describe_error(error)


def context_hash(inputs: dict[str, Any]) -> str:
    """A digest of a context that does not depend on the order of its keys; its values may be stored ones.

    Raises EncodingError.
    """
    stored = {name: value.tree for name, value in inputs.items() if isinstance(value, StoredValue)}
    others = {name: value for name, value in inputs.items() if name not in stored}
    text = json.dumps({**json.loads(codec.encode(others)), **stored}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
