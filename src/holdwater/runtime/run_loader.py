"""From a run id to a live run: its plan, its program if this process has it, its journal folded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from holdwater.errors import RunNotFound, StoreError, StoreUnavailable, StructureChanged
from holdwater.kernel import CompiledPlan, compile_plan
from holdwater.model.plan import Plan
from holdwater.model.ports import AuthoringStyle, Clock, Store, WorkflowDefinition
from holdwater.model.records import RunRow, StoredRun
from holdwater.runtime.active_run import ActiveRun


class RunLoader:
    """Makes live runs; remembers layouts by structure."""

    def __init__(
        self,
        store: Store,
        styles: Mapping[str, AuthoringStyle],
        find_definition: Callable[[str], WorkflowDefinition | None],
        clock: Clock,
    ) -> None:
        self._store, self._styles, self._clock = store, styles, clock
        self.find_definition = find_definition
        self._compiled_plans: dict[str, CompiledPlan] = {}
        self._prefetched: dict[str, StoredRun] = {}

    def compiled_plan(self, plan: Plan) -> CompiledPlan:
        """The plan, compiled."""
        compiled_plan = self._compiled_plans.get(plan.structure)
        if compiled_plan is None:
            compiled_plan = self._compiled_plans[plan.structure] = compile_plan(plan)
        return compiled_plan

    def executable_definition(self, run_row: RunRow) -> WorkflowDefinition | None:
        """What executes the run here; None if this process lacks its workflow, or has another structure of it."""
        definition = self._registered_definition(run_row)
        return definition if definition is not None and definition.plan.structure == run_row.structure else None

    def _registered_definition(self, run_row: RunRow) -> WorkflowDefinition | None:
        """What this process has under the name of the run's workflow; of several variants, the one the run is of."""
        definition = self.find_definition(run_row.workflow)
        if definition is None or definition.plan.structure == run_row.structure:
            return definition
        data = self._store.get_plan(run_row.structure)
        return definition.variant(data["variant"]) if data is not None and data.get("variant") else definition

    def check_structure(self, run_row: RunRow) -> None:
        """Raises StructureChanged if this process has another structure of the run's workflow.

        One it does not have at all is no obstacle: whoever has it goes on with the run.
        """
        definition = self._registered_definition(run_row)
        if definition is not None and definition.plan.structure != run_row.structure:
            raise StructureChanged(
                f"the structure of workflow {run_row.workflow!r} changed: run {run_row.id} was recorded under "
                f"{run_row.structure}, this process has {definition.plan.structure}",
                hint="start a new run, or go on where the recorded structure is known; changed bodies are no obstacle",
            )

    @contextmanager
    def prefetch(self, run_ids: Collection[str]) -> Iterator[None]:
        """Inside the block, have these runs at hand when they are loaded.  Raises StoreUnavailable."""
        if len(run_ids) > 1:
            try:
                self._prefetched = self._store.read_runs(run_ids)
            except StoreUnavailable:
                raise
            except Exception:  # noqa: BLE001 - one of them cannot be read: read alone, that one will say so
                self._prefetched = {}
        try:
            yield
        finally:
            self._prefetched = {}

    def load_run(self, run_id: str) -> ActiveRun:
        """A run from the store.  Without a program if this process lacks its workflow, or has another structure of it.

        Raises RunNotFound, StoreError, StoreUnavailable, DecodingError.
        """
        source = self._prefetched.pop(run_id, None) or self._store
        row = source.get_run(run_id)
        if row is None:
            raise RunNotFound(f"there is no run {run_id}")
        definition = self.executable_definition(row)
        if definition is not None:
            run = ActiveRun(row, self.compiled_plan(definition.plan), definition.style, definition)
        else:
            data = self._store.get_plan(row.structure)
            if data is None:
                raise StoreError(f"the plan {row.structure} of run {run_id} is not in the store")
            run = ActiveRun(row, self.compiled_plan(Plan.from_data(data)), self._styles[row.style], None)
        run.read_journal_tail(source)
        run.resume_local_commands(self._clock)
        return run
