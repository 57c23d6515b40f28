"""Interrupted callers: their runs are paused with their children, and the task functions told to stop and waited for.

A graph or a workflow of steps that a caller waits for belongs to that call.  When the call is interrupted (Ctrl-C, a
cancelled task), the run is paused and can be resumed; nothing of it is executed any more when the caller has control
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from holdwater.model import events as ev
from holdwater.model.child_ids import child_ref
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.future import Future
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import Decider
from holdwater.runtime.services.children.runs import child_rows
from holdwater.runtime.store_status import StoreStatus


@dataclass(slots=True)
class _Interruption:
    """`run_ids`: the run and its children, as far as they were seen."""

    run_ids: set[str]
    futures: list[Future[None]] = field(default_factory=list)


class CallerInterruption:
    """Called after the commit of each turn.  Only the driver's thread is in here."""

    def __init__(self, store: Store, store_status: StoreStatus, table: RunTable, decisions: Decider) -> None:
        self._store, self._store_status, self._table, self._decisions = store, store_status, table, decisions
        self._pending: dict[str, _Interruption] = {}

    def interrupt_run(self, run_id: str, on_cancel_requested: Callable[[], None], future: Future[None]) -> None:
        """Stop a run.

        `on_cancel_requested` is called when its task functions are told, `future` set when none runs here.
        """
        one = self._pending.setdefault(run_id, _Interruption({run_id}))
        one.futures.append(future)
        try:
            for run in self._find_family(one):
                self._pause_run(run)
        finally:
            on_cancel_requested()

    def advance(self) -> None:
        """Stop children that were started since, and resolve the interruptions of which nothing runs any more."""
        for run_id, one in list(self._pending.items()):
            family = self._find_family(one)
            for run in family:
                self._pause_run(run)
            if not any(map(self._is_executing, family)):
                self.resolve_interruption(run_id)

    def resolve_interruption(self, run_id: str) -> None:
        """Nothing of the run is executed here, or it was resumed."""
        one = self._pending.pop(run_id, None)
        for future in () if one is None else one.futures:
            future.set_result(None)

    def close(self) -> None:
        """Resolve all interruptions: nothing is executed here any more."""
        for run_id in list(self._pending):
            self.resolve_interruption(run_id)

    def interrupted_children(self, run: ActiveRun) -> list[RunRow]:
        """The children that were interrupted with the run, and that it waits for.  Raises StoreUnavailable."""
        paused = [row for row in child_rows(self._store, run.row.id, "paused") if row.reason == INTERRUPTED_REASON]
        return [child for child in paused if self.is_awaited_child(run, child)]

    def is_awaited_child(self, run: ActiveRun, child: RunRow) -> bool:
        """True if the run waits for this child.  One that a task function has started may be asked for again."""
        place = child_ref(child)
        if place is None:
            return True
        _, name, turn, item = place
        fan_out = run.machine.fan_outs.get(run.compiled_plan.node_index[name])
        return fan_out is not None and fan_out.generation == turn and item in fan_out.running | fan_out.paused

    def _find_family(self, interruption: _Interruption) -> list[ActiveRun]:
        known = -1
        while known != len(interruption.run_ids):  # a parent may stand behind its child
            known = len(interruption.run_ids)
            family = [
                run
                for run in self._table.active.values()
                if run.row.id in interruption.run_ids or run.row.parent_id in interruption.run_ids
            ]
            interruption.run_ids.update([run.row.id for run in family])
        return family

    def _pause_run(self, run: ActiveRun) -> None:
        machine = run.machine
        if machine.ended or self._is_executed_elsewhere(run):
            return
        pause = ev.Paused(INTERRUPTED_REASON)
        if machine.accepts(pause) and (machine.status == "running" or run.attempts):
            self._table.unqueue_attempts(run)
            self._decisions.apply_entry(run, JournalEntry(pause))
        for attempt in run.attempts.values():
            if not attempt.interrupted:
                attempt.interrupt(INTERRUPTED_REASON)
                attempt.executor.cancel_coroutine(attempt)

    def _is_executing(self, run: ActiveRun) -> bool:
        if self._is_executed_elsewhere(run):
            return False
        if run.attempts:
            return True
        return not self._store_status.is_unavailable and (
            run.machine.status == "running" or (run.has_unsaved_changes and not run.machine.ended)
        )

    def _is_executed_elsewhere(self, run: ActiveRun) -> bool:
        """Another runner has work of it."""
        return any([row.owner not in (None, self._table.owner) for row in run.work_rows.values()])
