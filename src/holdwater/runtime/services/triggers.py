"""Triggers: one runner of a database asks each of them once per interval, in a thread, and starts what it asks for."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
import uuid
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import StoreUnavailable
from holdwater.model import codec
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import describe_error
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import Micros, add_seconds, to_rfc3339
from holdwater.model.triggers import Answer, Trigger, TriggerResult, triggers
from holdwater.runtime.internal_errors import logger

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver
    from holdwater.runtime.services.schedules import Scheduler

MAX_CONCURRENT_CALLS: Final = 16
"""threads of triggers; a slow one takes none away from tasks"""
MAX_WRITE_ATTEMPTS: Final = 5
_CLOCK_SLACK_US: Final = 1_000_000
NO_CONTEXT: Final = "fire_no_context"


@dataclass(slots=True, eq=False)
class TriggerCall:
    """A trigger that is being asked.  `called_at`: the instant its fire will have."""

    trigger: Trigger
    schedule_id: str
    called_at: Micros
    timed_out: bool = False


class TriggerPoller:
    """A part of the scheduler.  Raises StoreUnavailable; answers that came in are kept until they are written."""

    def __init__(self, scheduler: Scheduler, driver: Driver) -> None:
        self._scheduler, self._driver = scheduler, driver
        self._registered: dict[str, Trigger] = {}
        self._in_flight: dict[str, TriggerCall] = {}
        self.answers: deque[tuple[TriggerCall, TriggerResult | str]] = deque()

    def register_triggers(self, workflows: Collection[str], now: Micros) -> None:
        """Write down the triggers of this process, and get those going again whose clock was set back."""
        known = triggers.list_triggers()
        if not known:
            return
        rows = {row.name: row for row in self._driver.store.list_schedules("trigger", limit=100_000)}
        for trigger in known:
            row = rows.get(trigger.name)
            if self._registered.get(trigger.name) != trigger and self._upsert(trigger, row, now):
                self._registered[trigger.name] = trigger
            elif row is not None and row.next_at is not None and row.next_at > now + row.poll_us + _CLOCK_SLACK_US:
                self._scheduler.write_firings([(Firing(replace(row, next_at=now)), [])], now)

    def _upsert(self, trigger: Trigger, row: ScheduleRow | None, now: Micros) -> bool:
        """False if somebody else was faster: then the next look sees what they wrote."""
        if row is None:
            row = ScheduleRow(
                str(uuid.uuid4()), "trigger", trigger.name, "", created_at=now, next_at=now, settled_at=now
            )
        wanted = (trigger.workflow, trigger.poll_interval_us, trigger.allow_concurrent)
        if row.version and (row.workflow, row.poll_us, row.allow_concurrent) == wanted:
            return True
        row.workflow, row.poll_us, row.allow_concurrent = wanted
        row.updated_at, row.next_at = now, now
        return self._driver.store.put_schedule(row)

    def _idle_triggers(self, workflows: Collection[str]) -> list[str]:
        """Triggers that can be asked now: not those that still owe an answer."""
        if len([poll for poll in self._in_flight.values() if not poll.timed_out]) >= MAX_CONCURRENT_CALLS:
            return []
        return [t.name for t in triggers.list_triggers() if t.workflow in workflows and t.name not in self._in_flight]

    def next_due_at(self, workflows: Collection[str]) -> Micros | None:
        """When the next one is to be asked."""
        found = self._idle_triggers(workflows)
        return self._driver.store.next_due_at("trigger", found) if found else None

    def poll_due(self, workflows: Collection[str], now: Micros) -> None:
        """Act on answers, and ask whoever is due."""
        while self.answers:
            self._write_answer_or_drop(*self.answers[0], now)
            self.answers.popleft()
        free = self._idle_triggers(workflows)
        if not free:
            return
        room = MAX_CONCURRENT_CALLS - len([poll for poll in self._in_flight.values() if not poll.timed_out])
        due = []
        for row in self._driver.store.due_schedules("trigger", now, room, free):
            at = max(now, Micros(row.settled_at + 1))  # an instant of its own, wherever the clock stands
            due.append(Firing(replace(row, settled_at=at, last_at=now, next_at=Micros(now + row.poll_us))))
        for firing, mine in zip(due, self._scheduler.write_firings([(firing, []) for firing in due], now), strict=True):
            trigger = triggers.find(firing.schedule.name or "")
            if mine and trigger is not None:
                self._start_call(TriggerCall(trigger, firing.schedule.id, firing.schedule.settled_at), now)

    def _start_call(self, call: TriggerCall, now: Micros) -> None:
        self._in_flight[call.trigger.name] = call
        seconds = self._scheduler.config.poll_timeout_seconds
        self._driver.timers.call_at(add_seconds(now, seconds), lambda: self._time_out(call, seconds))

        def work() -> None:
            answer = call_trigger(call.trigger)
            self._driver.call_soon(lambda: self._on_answer(call, answer))

        threading.Thread(target=work, name=f"holdwater-trigger-{call.trigger.name}", daemon=True).start()

    def _on_answer(self, call: TriggerCall, answer: TriggerResult | str) -> None:
        if self._in_flight.get(call.trigger.name) is call:
            del self._in_flight[call.trigger.name]
            if not call.timed_out:
                self.answers.append((call, answer))
            self._scheduler.check_needed = True

    def _time_out(self, call: TriggerCall, seconds: float) -> None:
        """It does not answer in time: it is not asked again here before it has."""
        if self._in_flight.get(call.trigger.name) is call:
            call.timed_out = True
            self.answers.append((call, f"TimeoutError: it did not answer within {seconds:g} s"))
            self._scheduler.check_needed = True

    def _write_answer_or_drop(self, call: TriggerCall, answer: TriggerResult | str, now: Micros) -> None:
        """An answer nothing can be made of must not hold up the others.  Raises StoreUnavailable."""
        try:
            self._write_answer(call, answer, now)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001 - the trigger is asked again, and may give another answer
            self._driver.error_log.add(f"the answer of trigger {call.trigger.name!r}", error)

    def _write_answer(self, call: TriggerCall, answer: TriggerResult | str, now: Micros) -> None:
        """Write what follows from an answer.  Raises StoreUnavailable."""
        for _ in range(MAX_WRITE_ATTEMPTS):
            row = self._driver.store.get_schedule(call.schedule_id)
            if row is None:
                return
            error = answer if isinstance(answer, str) else None
            if error is not None and error != row.last_error:
                logger.warning("trigger %r failed: %s", row.name, error)
            firing = Firing(replace(row, last_error=error))
            runs: list[Any] = []
            if isinstance(answer, TriggerResult) and answer.fires and row.enabled:
                runs = self._create_triggered_run(call, answer, firing, now)
            if not firing.fires and firing.schedule.last_error == row.last_error:
                return
            if self._scheduler.write_firings([(firing, runs)], now)[0]:
                return

    def _create_triggered_run(self, call: TriggerCall, answer: TriggerResult, firing: Firing, now: Micros) -> list[Any]:
        row = firing.schedule
        definition = self._driver.run_loader.find_definition(row.workflow)
        if definition is None:
            return []
        try:
            inputs = dict(answer.context or {})
            digest = context_hash(inputs) if answer.context is not None else NO_CONTEXT
        except BaseException as error:  # noqa: BLE001 - an error of this trigger, whatever it is, is no other's
            row.last_error = describe_error(error)
            return []
        if not row.allow_concurrent and (row.id, digest) in self._driver.store.unfinished_fires([row.id]):
            return []
        fire = FireRow(row.id, call.called_at, "started", now, context_hash=digest)
        runs = self._scheduler.create_run(firing, fire, definition, trigger_values(row, call.called_at), now, inputs)
        if fire.state == "failed":
            fire.state, row.last_error = "skipped", fire.reason
        return runs


def call_trigger(trigger: Trigger) -> TriggerResult | str:
    """The answer of a trigger function, or what is wrong with it."""
    try:
        found: Answer = trigger.function()
        if inspect.isawaitable(found):
            found = run_awaitable(found)
        if isinstance(found, TriggerResult):
            return found
        return f"TypeError: trigger {trigger.name!r} gave {found!r:.100}, not TriggerResult.skip() or .fire(context)"
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it ends the poll, not the runner
        return describe_error(error)


def context_hash(inputs: dict[str, Any]) -> str:
    """The same for equal contexts, whatever the order of their keys.  Raises EncodingError."""
    text = json.dumps(json.loads(codec.encode(inputs)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def trigger_values(row: ScheduleRow, instant: Micros) -> dict[str, Any]:
    """What every run of a trigger finds in its context."""
    return {"trigger_name": row.name, "triggered_at": to_rfc3339(instant)}
