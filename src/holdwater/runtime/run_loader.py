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
        program: Callable[[str], WorkflowDefinition | None],
        clock: Clock,
    ) -> None:
        self._store, self._styles, self._clock = store, styles, clock
        self.program = program
        self._layouts: dict[str, CompiledPlan] = {}
        self._ahead: dict[str, StoredRun] = {}

    def compiled_plan(self, plan: Plan) -> CompiledPlan:
        """The plan, compiled."""
        layout = self._layouts.get(plan.structure)
        if layout is None:
            layout = self._layouts[plan.structure] = compile_plan(plan)
        return layout

    def program_of(self, head: RunRow) -> WorkflowDefinition | None:
        """What executes the run here; None if this process lacks its workflow, or has another structure of it."""
        program = self._known(head)
        return program if program is not None and program.plan.structure == head.structure else None

    def _known(self, head: RunRow) -> WorkflowDefinition | None:
        """What this process has under the name of the run's workflow; of several variants, the one the run is of."""
        program = self.program(head.workflow)
        if program is None or program.plan.structure == head.structure:
            return program
        data = self._store.plan(head.structure)
        return program.variant(data["variant"]) if data is not None and data.get("variant") else program

    def check_structure(self, head: RunRow) -> None:
        """Raises StructureChanged if this process has another structure of the run's workflow.

        One it does not have at all is no obstacle: whoever has it goes on with the run.
        """
        program = self._known(head)
        if program is not None and program.plan.structure != head.structure:
            raise StructureChanged(
                f"the structure of workflow {head.workflow!r} changed: run {head.id} was recorded under "
                f"{head.structure}, this process has {program.plan.structure}",
                hint="start a new run, or go on where the recorded structure is known; changed bodies are no obstacle",
            )

    @contextmanager
    def prefetch(self, run_ids: Collection[str]) -> Iterator[None]:
        """Inside the block, have these runs at hand when they are loaded.  Raises StoreUnavailable."""
        if len(run_ids) > 1:
            try:
                self._ahead = self._store.read(run_ids)
            except StoreUnavailable:
                raise
            except Exception:  # noqa: BLE001 - one of them cannot be read: read alone, that one will say so
                self._ahead = {}
        try:
            yield
        finally:
            self._ahead = {}

    def load(self, run_id: str) -> ActiveRun:
        """A run from the store.  Without a program if this process lacks its workflow, or has another structure of it.

        Raises RunNotFound, StoreError, StoreUnavailable, DecodingError.
        """
        source = self._ahead.pop(run_id, None) or self._store
        head = source.run(run_id)
        if head is None:
            raise RunNotFound(f"there is no run {run_id}")
        program = self.program_of(head)
        if program is not None:
            run = ActiveRun(head, self.compiled_plan(program.plan), program.style, program)
        else:
            data = self._store.plan(head.structure)
            if data is None:
                raise StoreError(f"the plan {head.structure} of run {run_id} is not in the store")
            run = ActiveRun(head, self.compiled_plan(Plan.from_data(data)), self._styles[head.style], None)
        run.read_tail(source)
        run.resume_decisions(self._clock)
        return run
