"""A budget of task functions that run at once, shared by the runners of one process: each tenant's in turn.

A runner's executor takes one of its own slots first, and then waits for its turn here.  So no more than the slots of a
tenant wait at any time, however much work it has, and the rest stays in its queue.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdwater.model import validation
from holdwater.runtime.attempt import Attempt, AttemptExecutor


@dataclass(frozen=True, slots=True)
class SlotUsage:
    """Task functions of one tenant: `running` has a slot of the budget, `waiting` is next in its turn."""

    running: int
    waiting: int


class Budget:
    """At most `max_concurrent_tasks` task functions, and `per_tenant` of one tenant.  Thread-safe.

    One of a tenant that waits begins after at most one of each other tenant.
    """

    def __init__(self, max_concurrent_tasks: int, per_tenant: int) -> None:
        """Raises InvalidArgument for a limit below 1."""
        validation.check_count("max_concurrent_tasks", max_concurrent_tasks, minimum=1)
        validation.check_count("per_tenant", per_tenant, minimum=1)
        self.max_concurrent_tasks: Final = max_concurrent_tasks
        self.per_tenant: Final = min(per_tenant, max_concurrent_tasks)
        self.lock: Final = threading.RLock()
        """also that of the executors that draw on the budget: a turn is given with one lock"""
        self._free = max_concurrent_tasks
        self._shares: dict[str, SlotShare] = {}
        self._turns: deque[SlotShare] = deque()
        """shares with functions that may begin, the next one first"""

    def share(self, tenant: str) -> SlotShare:
        """Return the share of a tenant; all its executors take the same one."""
        with self.lock:
            return self._shares.setdefault(tenant, SlotShare(self, tenant))

    def usage(self) -> dict[str, SlotUsage]:
        """Return the task functions of each tenant that has any."""
        with self.lock:
            return {
                name: SlotUsage(len(share.held), len(share.waiting))
                for name, share in self._shares.items()
                if share.held or share.waiting
            }

    # -- the lock is held

    @property
    def free_slots(self) -> int:
        """Slots that are free; below 0 as long as calls went over the limit."""
        return self._free

    def take(self, share: SlotShare, attempt: Attempt) -> None:
        """Give a slot to an attempt, over the limit if need be."""
        self._free -= 1
        share.held.add(attempt)

    def give_back(self, share: SlotShare, attempt: Attempt) -> None:
        """Take a slot back from an attempt, and pass it on."""
        share.held.discard(attempt)
        self._free += 1
        self.line_up(share)
        self.grant_turns()

    def line_up(self, share: SlotShare) -> None:
        """Give a share a place among the turns, if it has something to begin."""
        if not share.is_in_turn and share.may_begin:
            share.is_in_turn = True
            self._turns.append(share)

    def grant_turns(self) -> None:
        """Begin what there are free slots for."""
        while self._free > 0 and self._turns:
            share = self._turns.popleft()
            share.is_in_turn = False
            if share.may_begin:
                attempt = next(iter(share.waiting))
                begin = share.waiting.pop(attempt)
                self.take(share, attempt)
                self.line_up(share)
                begin()


class SlotShare:
    """A tenant's share of a budget.  The lock is held whenever it is used, but for `room`."""

    def __init__(self, budget: Budget, tenant: str) -> None:
        self._budget: Final = budget
        self.tenant: Final = tenant
        self.lock: Final = budget.lock
        self.held: Final[set[Attempt]] = set()
        """attempts that have a slot"""
        self.waiting: Final[dict[Attempt, Callable[[], None]]] = {}
        """attempts that wait for their turn, the first one first, and what begins them"""
        self.is_in_turn = False

    @property
    def limit(self) -> int:
        """The number of task functions of the tenant that may run at once."""
        return self._budget.per_tenant

    @property
    def may_begin(self) -> bool:
        """Something waits that the limit of the tenant lets begin."""
        return bool(self.waiting) and len(self.held) < self._budget.per_tenant

    @property
    def room(self) -> int:
        """The number of task functions that could begin at once.  Without the lock: it is a moment's."""
        room = min(self._budget.free_slots, self._budget.per_tenant - len(self.held)) - len(self.waiting)
        return max(0, room)

    def enter(self, attempt: Attempt, begin: Callable[[], None]) -> None:
        """Call `begin`, with the lock held, when the attempt has a slot: now, or in its turn."""
        self.waiting[attempt] = begin
        self._budget.line_up(self)
        self._budget.grant_turns()

    def enter_now(self, attempt: Attempt) -> None:
        """Take a slot at once, over the limits if need be."""
        self._budget.take(self, attempt)

    def withdraw(self, attempt: Attempt) -> None:
        """Have an attempt wait no more."""
        self.waiting.pop(attempt, None)

    def leave(self, attempt: Attempt) -> None:
        """Give the slot of an attempt back; one that has none is left alone."""
        if attempt in self.held:
            self._budget.give_back(self, attempt)

    def withdraw_unstarted(self, executor: AttemptExecutor) -> list[Attempt]:
        """Have the attempts of an executor that have not begun wait no more; returns them."""
        found = [attempt for attempt in self.waiting if attempt.executor is executor and not attempt.started_at]
        for attempt in found:
            del self.waiting[attempt]
        return found

    def leave_all(self, executor: AttemptExecutor) -> None:
        """Give back all slots of an executor that has ended."""
        for attempt in [attempt for attempt in self.waiting if attempt.executor is executor]:
            del self.waiting[attempt]
        for attempt in [attempt for attempt in self.held if attempt.executor is executor]:
            self.leave(attempt)
