"""An executor whose task functions wait for their turn in a budget of the process, beside the slots it has itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.budget import SlotShare
from holdwater.runtime.executors.slots import Executor


class BudgetedExecutor(Executor):
    """Its own slot comes first, then one of the budget.  Its lock is that of the budget."""

    _keeps_slots = False

    def __init__(self, share: SlotShare, *args: Any, **options: Any) -> None:
        """Make it with a share of the budget and the arguments of `Executor`."""
        super().__init__(*args, **options)
        self._share: Final = share
        self._lock = share.lock
        self._resuming: dict[Attempt, Callable[[], None]] = {}
        """task functions that are to go on, have a slot here, and wait for their turn"""

    def _start_attempt(self, attempt: Attempt) -> None:
        self._share.enter(attempt, partial(super()._start_attempt, attempt))

    def _hand_over_slot(self, finished: Attempt | None = None) -> None:
        if finished is not None:
            self._share.leave(finished)
        super()._hand_over_slot(finished)

    # -- deferral

    def release_slot(self, attempt: Attempt) -> None:
        """A call of a running task function waits."""
        with self._lock:
            self._leave_turn(attempt)
            super().release_slot(attempt)

    def reacquire_slot(self, attempt: Attempt, on_slot: Callable[[], None] | None) -> None:
        """Continue a call that waited."""
        with self._lock:
            self._leave_turn(attempt)
            super().reacquire_slot(attempt, on_slot)

    def take_slot_now(self, attempt: Attempt) -> None:
        """The call that has asked for a slot waits for it no more: it takes one, over the limits if need be."""
        with self._lock:
            self._leave_turn(attempt)
            super().take_slot_now(attempt)

    def _resume_attempt(self, attempt: Attempt, on_slot: Callable[[], None] | None) -> None:
        if on_slot is None:
            self._share.enter_now(attempt)
            self._grant_slot(attempt, None)
        else:
            self._resuming[attempt] = on_slot
            self._share.enter(attempt, partial(self._on_turn, attempt))

    def _on_turn(self, attempt: Attempt) -> None:
        self._grant_slot(attempt, self._resuming.pop(attempt))

    def _drop_slot_request(self, attempt: Attempt) -> None:
        self._leave_turn(attempt)
        super()._drop_slot_request(attempt)

    def _leave_turn(self, attempt: Attempt) -> None:
        """Have a task function that waits for its turn wait for a slot again; the lock is held."""
        on_slot = self._resuming.pop(attempt, None)
        if on_slot is not None:
            self._share.withdraw(attempt)
            super()._hand_over_slot()
            self._slot_requests[attempt] = on_slot

    # -- the end

    def close_queue(self) -> list[Attempt]:
        """Take back attempts that have not begun, and start nothing more."""
        with self._lock:
            unqueued = super().close_queue()
            return unqueued + [a for a in self._share.withdraw_unstarted(self) if a.cancel_if_queued()]

    def close(self) -> None:
        """End it, and give back all of the budget, also what functions have that never return."""
        super().close()
        with self._lock:
            self._share.leave_all(self)
