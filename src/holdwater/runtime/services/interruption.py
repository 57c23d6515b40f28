"""Runs whose callers wait no more: paused with their children, their bodies told to stop and waited for.

A graph or a workflow of steps that a caller waits for belongs to that call.  When the call is interrupted (Ctrl-C, a
cancelled task), the run is paused and can be gone on with; nothing of it is executed any more when the caller has
control again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdwater.model import events as ev
from holdwater.model.child_ids import child_ref
from holdwater.model.journal import JournalEntry
from holdwater.model.records import RunFilter, RunRow
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver

PAGE_SIZE_RUNS: Final = 1000


@dataclass(slots=True)
class _Interruption:
    """`family`: ids of the run and of its children, as far as they were seen."""

    run_ids: set[str]
    futures: list[Future[None]] = field(default_factory=list)


class CallerInterruption:
    """The driver's.  Only its thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._pending: dict[str, _Interruption] = {}

    @property
    def has_pending(self) -> bool:
        """Whether any interrupted run has not come to rest."""
        return bool(self._pending)

    def interrupt_run(self, run_id: str, on_cancel_requested: Callable[[], None], future: Future[None]) -> None:
        """Stop a run.  `told` is called when its bodies know, and the promise is kept when nothing of it runs here."""
        one = self._pending.setdefault(run_id, _Interruption({run_id}))
        one.futures.append(future)
        try:
            for run in self._find_family(one):
                self._pause_run(run)
        finally:
            on_cancel_requested()

    def advance(self) -> None:
        """Stop what has come up since, a child that was just born; tell those who wait when all is at rest."""
        for run_id, one in list(self._pending.items()):
            family = self._find_family(one)
            for run in family:
                self._pause_run(run)
            if not any(map(self._is_executing, family)):
                self.resolve_interruption(run_id)

    def resolve_interruption(self, run_id: str) -> None:
        """It is at rest, or goes on because it was resumed."""
        one = self._pending.pop(run_id, None)
        for future in () if one is None else one.futures:
            future.set_result(None)

    def close(self) -> None:
        """The driver ends."""
        for run_id in list(self._pending):
            self.resolve_interruption(run_id)

    def resume_children(self, run: ActiveRun) -> list[RunRow]:
        """An interrupted run goes on: so do the children that were interrupted with it, and are returned.

        Raises StoreUnavailable.
        """
        children = [child for child in self._interrupted_children(run.row.id) if self.is_awaited_child(run, child)]
        for child in children:
            self._driver.run_control.apply(child.id, ev.Resumed(), Future())
        return children

    def is_awaited_child(self, run: ActiveRun, child: RunRow) -> bool:
        """Whether the run waits for this child.  One that a body has started may be asked for again."""
        place = child_ref(child)
        if place is None:
            return True
        _, name, turn, item = place
        fan_out = run.machine.fan_outs.get(run.compiled_plan.node_index[name])
        return fan_out is not None and fan_out.generation == turn and item in fan_out.running | fan_out.paused

    def _interrupted_children(self, run_id: str) -> list[RunRow]:
        found: list[RunRow] = []
        before: str | None = None
        while True:
            page = self._driver.store.list_runs(
                RunFilter(status="paused", limit=PAGE_SIZE_RUNS, before_id=before, parent_id=run_id)
            )
            found += [row for row in page if row.reason == INTERRUPTED_REASON]
            if len(page) < PAGE_SIZE_RUNS:
                return found
            before = page[-1].id

    def _find_family(self, interruption: _Interruption) -> list[ActiveRun]:
        known = -1
        while known != len(interruption.run_ids):  # a parent may stand behind its child
            known = len(interruption.run_ids)
            family = [
                run
                for run in self._driver.active_runs.values()
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
            self._driver.run_control.unqueue_attempts(run)
            self._driver.apply_entry(run, JournalEntry(pause))
        for attempt in run.attempts.values():
            if not attempt.interrupted:
                attempt.interrupt(INTERRUPTED_REASON)
                attempt.executor.cancel_coroutine(attempt)

    def _is_executing(self, run: ActiveRun) -> bool:
        if self._is_executed_elsewhere(run):
            return False
        if run.attempts:
            return True
        return not self._driver.is_store_unavailable and (
            run.machine.status == "running" or (run.has_unsaved_changes and not run.machine.ended)
        )

    def _is_executed_elsewhere(self, run: ActiveRun) -> bool:
        """Another runner executes it."""
        return any([row.owner not in (None, self._driver.owner) for row in run.work_rows.values()])
