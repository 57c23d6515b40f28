"""Runs as a store has them, folded: their state and data without any code of a user."""

from __future__ import annotations

from holdwater.errors import StoreError
from holdwater.kernel import CompiledPlan, compile_plan
from holdwater.model.plan import Plan
from holdwater.model.ports import Store
from holdwater.model.records import RunRow
from holdwater.runs.authoring_styles import STYLES
from holdwater.runtime.active_run import ActiveRun


class RunReader:
    """Reads runs of one store; keeps the layouts it has made, for as long as somebody keeps it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled_plans: dict[str, CompiledPlan] = {}

    def find_run(self, run_id: str) -> ActiveRun | None:
        """A run by its id; None if there is none.  Raises StoreError."""
        row = self._store.run(run_id)
        return None if row is None else self.read_run(row)

    def read_run(self, row: RunRow) -> ActiveRun:
        """Fold a run from its stored plan and journal.  Raises StoreError."""
        style = STYLES.get(row.style)
        if style is None:
            raise StoreError(f"run {row.id} was written in the style {row.style!r}, which this version does not know")
        run = ActiveRun(row, self._get_compiled_plan(row), style, None)
        run.read_journal_tail(self._store)
        return run

    def _get_compiled_plan(self, row: RunRow) -> CompiledPlan:
        compiled_plan = self._compiled_plans.get(row.structure)
        if compiled_plan is None:
            data = self._store.plan(row.structure)
            if data is None:
                raise StoreError(f"the plan {row.structure} of run {row.id} is not in the store")
            compiled_plan = self._compiled_plans[row.structure] = compile_plan(Plan.from_data(data))
        return compiled_plan


def read_run(store: Store, row: RunRow) -> ActiveRun:
    """One run.  Raises StoreError."""
    return RunReader(store).read_run(row)
