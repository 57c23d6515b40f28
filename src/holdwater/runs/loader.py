"""Runs as a store has them, folded: their state and data without any code of a user."""

from __future__ import annotations

from holdwater.errors import StoreError
from holdwater.kernel import CompiledPlan, compile_plan
from holdwater.model.plan import Plan
from holdwater.model.ports import Store
from holdwater.model.records import RunRow
from holdwater.runs.authoring_styles import find_style
from holdwater.runtime.active_run import ActiveRun


class RunReader:
    """Reads runs of one store; keeps the layouts it has made, for as long as somebody keeps it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled_plans: dict[str, CompiledPlan] = {}

    def find_run(self, run_id: str) -> ActiveRun | None:
        """A run by its id; None if there is none.  Raises StoreError."""
        row = self._store.get_run(run_id)
        return None if row is None else self.read_run(row)

    def read_run(self, row: RunRow) -> ActiveRun:
        """Fold a run from its stored plan and journal.  Raises StoreError."""
        run = ActiveRun(row, self._get_compiled_plan(row), find_style(row), None)
        run.read_journal_tail(self._store)
        return run

    def _get_compiled_plan(self, row: RunRow) -> CompiledPlan:
        compiled_plan = self._compiled_plans.get(row.structure)
        if compiled_plan is None:
            compiled_plan = self._compiled_plans[row.structure] = compiled_plan_of(self._store, row)
        return compiled_plan


def compiled_plan_of(store: Store, row: RunRow) -> CompiledPlan:
    """The plan a run was started with, compiled.  Raises StoreError, StoreUnavailable."""
    data = store.get_plan(row.structure)
    if data is None:
        raise StoreError(f"the plan {row.structure} of run {row.id} is not in the store")
    return compile_plan(Plan.from_data(data))


def read_run(store: Store, row: RunRow) -> ActiveRun:
    """One run.  Raises StoreError."""
    return RunReader(store).read_run(row)
