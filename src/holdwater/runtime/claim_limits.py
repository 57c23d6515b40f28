"""Limits of claims: how much work this runner takes for itself, by its slots and the pace of its task functions."""

from __future__ import annotations

from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.time import Micros
from holdwater.runtime.claim_budget import ClaimBudget
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.known_limits import KnownLimits

FAR_FUTURE: Final = Micros(1 << 62)


class ClaimLimits:
    """Makes the budget of each transaction, and notes what it left in the queue."""

    def __init__(
        self,
        owner: str,
        config: DriverConfig,
        clock: Clock,
        dispatcher: Dispatcher,
        crash_suspects: CrashSuspects,
        claim_requests: ClaimRequests,
        known_limits: KnownLimits,
    ) -> None:
        self._owner, self._config, self._clock = owner, config, clock
        self._dispatcher, self._crash_suspects, self._claim_requests = dispatcher, crash_suspects, claim_requests
        self._known_limits = known_limits
        self._stored_structures: set[str] = set()
        self._is_closed = False

    def close(self) -> None:
        """From now on, claim no tasks."""
        self._is_closed = True

    def budget(self, now: Micros) -> ClaimBudget:
        """The budget of a transaction that is written now."""
        config = self._config
        begins = not (self._is_closed or self._crash_suspects.active)
        lease_until = Micros(now + config.lease_us)
        return ClaimBudget(
            self._owner,
            lease_until,
            config.prefetch_tasks - self._dispatcher.queue_length,
            self._dispatcher.free_slots() if begins else {},
            self.prefetch_slots(now) if begins else {},
            self._dispatcher.executor_for_node,
            self._stored_structures,
            self._crash_suspects.isolate_after_crashes,
            begins,
            lease_until if config.recover else FAR_FUTURE,
            self._known_limits.broad_keys,
        )

    def prefetch_slots(self, now: Micros) -> dict[Executor, int]:
        """Room for work leased ahead of each executor: by the pace of its task functions.

        A runner that recovers no work of others keeps all of its own, as far as it has room.
        """
        config = self._config
        return self._dispatcher.prefetch_room(now, config.prefetch_tasks, by_throughput=config.recover)

    def note_stored(self, structure: str) -> None:
        """The store has the plan of this structure."""
        self._stored_structures.add(structure)

    def note_unclaimed(self, budget: ClaimBudget) -> None:
        """The transaction with this budget is on disk: claim the rest of its work when there is room."""
        if budget.unclaimed_executors and not self._is_closed:
            self._claim_requests.has_limited_work |= budget.has_limited_rows
            self._claim_requests.claim_when_free(budget.unclaimed_executors)
