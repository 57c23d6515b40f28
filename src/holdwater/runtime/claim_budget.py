"""The share of the work a transaction creates that this runner claims for itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros
from holdwater.runtime.executors.slots import Executor


@dataclass(slots=True)
class ClaimBudget:
    """Room for the work rows of one transaction.

    `free_slots`: task functions that can begin at once on each executor (their rows are written as started, so that a
    function that kills its process is counted); empty if the runner is closing.  `prefetch_slots`: rows that may be
    leased on each beside these, `prefetch_room`: on all together.  `stored_structures`: plans the store is known to
    have.
    """

    owner: str
    lease_until: Micros
    prefetch_room: int
    free_slots: dict[Executor, int]
    prefetch_slots: dict[Executor, int]
    executor_for_node: Callable[[WorkflowDefinition, int], Executor]
    stored_structures: set[str]
    isolate_after_crashes: int
    """a task function that was running in so many crashes runs alone"""
    can_isolate: bool
    """one more of these fits in"""
    timers_until: Micros
    """timers due later are left to the scans; a runner that does not scan keeps them all"""
    broad_limits: Collection[str] = ()
    """limits on workflows and labels"""
    unclaimed_executors: set[Executor] = field(default_factory=set)
    """rows for these stay in the queue for any runner with room"""
    has_limited_rows: bool = False
    """some stay there to be claimed within limits"""

    def try_claim(self, row: WorkRow, program: WorkflowDefinition, crashes: int) -> None:
        """Claim the row, if there is room and it is due while the lease lasts; not one that counts towards limits.

        `crashes`: the number of processes that died while its task function was running.
        """
        if row.kind == "children":
            row.owner, row.lease_until = self.owner, self.lease_until
        elif row.kind == "timer":
            if row.due_at <= self.timers_until:
                row.owner, row.lease_until = self.owner, self.lease_until
        elif row.limit_keys:
            self.unclaimed_executors.add(self.executor_for_node(program, row.node))
            self.has_limited_rows = True
        elif crashes < self.isolate_after_crashes:
            self._claim_task(row, self.executor_for_node(program, row.node))
        elif self.can_isolate:  # it begins when the others have ended, and none begins before it
            self.can_isolate = False
            self.free_slots, self.prefetch_slots = {}, {}
            row.owner, row.lease_until = self.owner, self.lease_until

    def _claim_task(self, row: WorkRow, executor: Executor) -> None:
        if self.free_slots.get(executor, 0) > 0:
            self.free_slots[executor] -= 1
            row.started = True
        elif self.prefetch_room > 0 and self.prefetch_slots.get(executor, 0) > 0 and not row.suspect:
            self.prefetch_slots[executor] -= 1
            self.prefetch_room -= 1
        else:
            self.unclaimed_executors.add(executor)
            return
        row.owner, row.lease_until = self.owner, self.lease_until

    def is_new_plan(self, structure: str) -> bool:
        return structure not in self.stored_structures
