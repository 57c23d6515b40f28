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
from holdwater.model.coroutines import run_to_end
from holdwater.model.error_report import describe
from holdwater.model.schedules import FireRow, Firing, ScheduleRow
from holdwater.model.time import to_rfc3339
from holdwater.model.triggers import Answer, Trigger, TriggerResult, triggers
from holdwater.runtime.internal_errors import logger

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver
    from holdwater.runtime.services.schedules import Scheduler

POLLS_AT_ONCE: Final = 16
"""threads of triggers; a slow one takes none away from tasks"""
WRITE_TRIES: Final = 5
_SLACK_US: Final = 1_000_000
NO_CONTEXT: Final = "fire_no_context"


@dataclass(slots=True, eq=False)
class TriggerCall:
    """A trigger that is being asked.  `asked_at`: the instant its fire will have."""

    trigger: Trigger
    schedule_id: str
    asked_at: int
    given_up: bool = False


class TriggerPoller:
    """A part of the scheduler.  Raises StoreUnavailable; answers that came in are kept until they are written."""

    def __init__(self, scheduler: Scheduler, driver: Driver) -> None:
        self._scheduler, self._driver = scheduler, driver
        self._kept: dict[str, Trigger] = {}
        self._asked: dict[str, TriggerCall] = {}
        self.answers: deque[tuple[TriggerCall, TriggerResult | str]] = deque()

    def keep(self, names: Collection[str], now: int) -> None:
        """Write down the triggers of this process, and get those going again whose clock was set back."""
        known = triggers.all()
        if not known:
            return
        rows = {row.name: row for row in self._driver.store.schedules("trigger", limit=100_000)}
        for trigger in known:
            row = rows.get(trigger.name)
            if self._kept.get(trigger.name) != trigger and self._upsert(trigger, row, now):
                self._kept[trigger.name] = trigger
            elif row is not None and row.next_at is not None and row.next_at > now + row.poll_us + _SLACK_US:
                self._scheduler.write([(Firing(replace(row, next_at=now)), [])], now)

    def _upsert(self, trigger: Trigger, row: ScheduleRow | None, now: int) -> bool:
        """False if somebody else was faster: then the next look sees what they wrote."""
        if row is None:
            row = ScheduleRow(
                str(uuid.uuid4()), "trigger", trigger.name, "", created_at=now, next_at=now, settled_at=now
            )
        wanted = (trigger.workflow, trigger.poll_us, trigger.allow_concurrent)
        if row.version and (row.workflow, row.poll_us, row.allow_concurrent) == wanted:
            return True
        row.workflow, row.poll_us, row.allow_concurrent = wanted
        row.updated_at, row.next_at = now, now
        return self._driver.store.put_schedule(row)

    def _names(self, names: Collection[str]) -> list[str]:
        """Triggers that can be asked now: not those that still owe an answer."""
        if len([poll for poll in self._asked.values() if not poll.given_up]) >= POLLS_AT_ONCE:
            return []
        return [t.name for t in triggers.all() if t.workflow in names and t.name not in self._asked]

    def next_at(self, names: Collection[str]) -> int | None:
        """When the next one is to be asked."""
        found = self._names(names)
        return self._driver.store.next_due("trigger", found) if found else None

    def look(self, names: Collection[str], now: int) -> None:
        """Act on answers, and ask whoever is due."""
        while self.answers:
            self._settle_or_drop(*self.answers[0], now)
            self.answers.popleft()
        free = self._names(names)
        if not free:
            return
        room = POLLS_AT_ONCE - len([poll for poll in self._asked.values() if not poll.given_up])
        due = []
        for row in self._driver.store.due_schedules("trigger", now, room, free):
            at = max(now, row.settled_at + 1)  # an instant of its own, wherever the clock stands
            due.append(Firing(replace(row, settled_at=at, last_at=now, next_at=now + row.poll_us)))
        for firing, mine in zip(due, self._scheduler.write([(firing, []) for firing in due], now), strict=True):
            trigger = triggers.find(firing.schedule.name or "")
            if mine and trigger is not None:
                self._ask(TriggerCall(trigger, firing.schedule.id, firing.schedule.settled_at), now)

    def _ask(self, poll: TriggerCall, now: int) -> None:
        self._asked[poll.trigger.name] = poll
        seconds = self._scheduler.limits.poll_timeout_seconds
        self._driver.agenda.call_at(now + int(seconds * 1e6), lambda: self._give_up(poll, seconds))

        def work() -> None:
            answer = call_trigger(poll.trigger)
            self._driver.call_soon(lambda: self._answered(poll, answer))

        threading.Thread(target=work, name=f"holdwater-trigger-{poll.trigger.name}", daemon=True).start()

    def _answered(self, poll: TriggerCall, answer: TriggerResult | str) -> None:
        if self._asked.get(poll.trigger.name) is poll:
            del self._asked[poll.trigger.name]
            if not poll.given_up:
                self.answers.append((poll, answer))
            self._scheduler.wanted = True

    def _give_up(self, poll: TriggerCall, seconds: float) -> None:
        """It does not answer in time: it is not asked again here before it has."""
        if self._asked.get(poll.trigger.name) is poll:
            poll.given_up = True
            self.answers.append((poll, f"TimeoutError: it did not answer within {seconds:g} s"))
            self._scheduler.wanted = True

    def _settle_or_drop(self, poll: TriggerCall, answer: TriggerResult | str, now: int) -> None:
        """An answer nothing can be made of must not hold up the others.  Raises StoreUnavailable."""
        try:
            self._settle(poll, answer, now)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001 - the trigger is asked again, and may give another answer
            self._driver.faults.add(f"the answer of trigger {poll.trigger.name!r}", error)

    def _settle(self, poll: TriggerCall, answer: TriggerResult | str, now: int) -> None:
        """Write what follows from an answer.  Raises StoreUnavailable."""
        for _ in range(WRITE_TRIES):
            row = self._driver.store.schedule(poll.schedule_id)
            if row is None:
                return
            error = answer if isinstance(answer, str) else None
            if error is not None and error != row.last_error:
                logger.warning("trigger %r failed: %s", row.name, error)
            firing = Firing(replace(row, last_error=error))
            runs: list[Any] = []
            if isinstance(answer, TriggerResult) and answer.fires and row.enabled:
                runs = self._fire(poll, answer, firing, now)
            if not firing.fires and firing.schedule.last_error == row.last_error:
                return
            if self._scheduler.write([(firing, runs)], now)[0]:
                return

    def _fire(self, poll: TriggerCall, answer: TriggerResult, firing: Firing, now: int) -> list[Any]:
        row = firing.schedule
        program = self._driver.loader.program(row.workflow)
        if program is None:
            return []
        try:
            inputs = dict(answer.context or {})
            digest = hash_of(inputs) if answer.context is not None else NO_CONTEXT
        except BaseException as error:  # noqa: BLE001 - an error of this trigger, whatever it is, is no other's
            row.last_error = describe(error)
            return []
        if not row.allow_concurrent and (row.id, digest) in self._driver.store.unfinished_fires([row.id]):
            return []
        fire = FireRow(row.id, poll.asked_at, "started", now, context_hash=digest)
        runs = self._scheduler.create_run(firing, fire, program, given(row, poll.asked_at), now, inputs)
        if fire.state == "failed":
            fire.state, row.last_error = "skipped", fire.reason
        return runs


def call_trigger(trigger: Trigger) -> TriggerResult | str:
    """The answer of a trigger function, or what is wrong with it."""
    try:
        found: Answer = trigger.function()
        if inspect.isawaitable(found):
            found = run_to_end(found)
        if isinstance(found, TriggerResult):
            return found
        return f"TypeError: trigger {trigger.name!r} gave {found!r:.100}, not TriggerResult.skip() or .fire(context)"
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it ends the poll, not the runner
        return describe(error)


def hash_of(inputs: dict[str, Any]) -> str:
    """The same for equal contexts, whatever the order of their keys.  Raises EncodingError."""
    text = json.dumps(json.loads(codec.encode(inputs)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def given(row: ScheduleRow, instant: int) -> dict[str, Any]:
    """What every run of a trigger finds in its context."""
    return {"trigger_name": row.name, "triggered_at": to_rfc3339(instant)}
