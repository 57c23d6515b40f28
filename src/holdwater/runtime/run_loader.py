"""Runs as a store has them, folded from their plans and journals: with the code of their workflows, or without it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from holdwater.errors import RunNotFound, StoreError, StoreUnavailable, StructureChanged
from holdwater.kernel import CompiledPlan, Machine, compile_plan
from holdwater.model import journal as journal_format
from holdwater.model.claim_keys import claim_key
from holdwater.model.events import Event, InputProvided, Started
from holdwater.model.plan import Plan
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import AuthoringStyle, WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow, StoredRun
from holdwater.model.time import UNSET
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.workflows import ExecutableWorkflows


class RunStructure(Protocol):
    """A run, as far as it says what it was started under."""

    @property
    def id(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def release(self) -> str | None: ...
    @property
    def structure(self) -> str: ...


class StoredRunLoader:
    """Folds runs of one store without any code of a user; keeps the plans it has compiled, by structure."""

    def __init__(self, store: Store, styles: Mapping[str, AuthoringStyle]) -> None:
        self._store, self._styles = store, styles
        self._compiled_plans: dict[str, CompiledPlan] = {}

    def compiled_plan(self, plan: Plan) -> CompiledPlan:
        """The plan, compiled once."""
        compiled = self._compiled_plans.get(plan.structure)
        if compiled is None:
            compiled = self._compiled_plans[plan.structure] = compile_plan(plan)
        return compiled

    def fold(self, row: RunRow, source: Store | StoredRun | None = None) -> ActiveRun:
        """The run of this row.  `source`: its journal and queue, by default the store.

        Raises StoreError, StoreUnavailable, DecodingError.
        """
        run = ActiveRun(row, self.plan_of(row), self.style_of(row), None)
        read_journal_tail(run, source or self._store)
        return run

    def style_of(self, row: RunRow) -> AuthoringStyle:
        """The style a run was written in.  Raises StoreError for one this version does not know."""
        style = self._styles.get(row.style)
        if style is None:
            raise StoreError(f"run {row.id} was written in the style {row.style!r}, which this version does not know")
        return style

    def plan_of(self, row: RunRow) -> CompiledPlan:
        """The plan a run was started with, compiled.  Raises StoreError, StoreUnavailable."""
        compiled = self._compiled_plans.get(row.structure)
        if compiled is None:
            data = self._store.get_plan(row.structure)
            if data is None:
                raise StoreError(f"the plan {row.structure} of run {row.id} is not in the store")
            compiled = self._compiled_plans[row.structure] = compile_plan(Plan.from_data(data))
        return compiled


class RunLoader(StoredRunLoader):
    """Makes active runs: with the definition of their workflow, if this process has it in the structure of the run."""

    def __init__(
        self,
        store: Store,
        styles: Mapping[str, AuthoringStyle],
        workflows: ExecutableWorkflows,
        clock: Clock,
    ) -> None:
        super().__init__(store, styles)
        self._clock = clock
        self._workflows = workflows
        self._prefetched: dict[str, StoredRun] = {}

    def find_definition(self, workflow: str) -> WorkflowDefinition | None:
        """The definition of new runs of a workflow; None if they cannot be executed here."""
        return self._workflows.find(workflow)

    def find_pinned_definition(self, run_row: RunStructure) -> WorkflowDefinition | None:
        """The definition of a run's workflow in its release, of whatever structure; None if it is not here."""
        return self._workflows.find_in_release(run_row.workflow, run_row.release)

    def executable_definition(self, run_row: RunStructure) -> WorkflowDefinition | None:
        """The definition that executes the run here; None if this process has none, or another structure of it."""
        definition = self._registered_definition(run_row)
        return definition if definition is not None and definition.plan.structure == run_row.structure else None

    def _registered_definition(self, run_row: RunStructure) -> WorkflowDefinition | None:
        """The definition of the run's workflow in its release; of several variants, that of the run."""
        definition = self.find_pinned_definition(run_row)
        if definition is None or definition.plan.structure == run_row.structure:
            return definition
        data = self._store.get_plan(run_row.structure)
        return definition.variant(data["variant"]) if data is not None and data.get("variant") else definition

    def check_structure(self, run_row: RunStructure) -> None:
        """Raises StructureChanged if this process has another structure of the run's workflow.

        One it does not have at all is no obstacle: a runner that has it goes on with the run.
        """
        definition = self._registered_definition(run_row)
        if definition is not None and definition.plan.structure != run_row.structure:
            raise StructureChanged(
                f"the structure of workflow {claim_key(run_row.workflow, run_row.release)!r} changed: run {run_row.id} "
                f"was recorded under {run_row.structure}, this process has {definition.plan.structure}",
                hint="start a new run, or go on where the recorded structure is known; changed task functions are fine",
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

    def new_run(self, row: RunRow, definition: WorkflowDefinition) -> ActiveRun:
        """A run that is not in the store yet."""
        return ActiveRun(row, self.compiled_plan(definition.plan), definition.style, definition, is_new=True)

    def is_outdated(self, run: ActiveRun) -> bool:
        """True if another runner has written to a run that is on disk, or deleted it.  Raises StoreUnavailable."""
        stored = self._store.get_run(run.row.id)
        return stored is None or (stored.seq, stored.status) != (run.row.seq, run.row.status)

    def load_run(self, run_id: str, moved_to: str | None = None) -> ActiveRun:
        """A run from the store.  Without a program if this process lacks its workflow, or has another structure of it.

        `moved_to`: the release that is about to be journalled for it, as in `Resumed`, whose definition reads it.
        Raises RunNotFound, StoreError, StoreUnavailable, DecodingError.
        """
        source = self._prefetched.pop(run_id, None) or self._store
        row = source.get_run(run_id)
        if row is None:
            raise RunNotFound(f"there is no run {run_id}")
        definition = self.executable_definition(row if moved_to is None else replace(row, release=moved_to or None))
        if definition is None:
            run = self.fold(row, source)
        else:
            run = ActiveRun(row, self.compiled_plan(definition.plan), definition.style, definition)
            read_journal_tail(run, source)
        run.resume_local_commands(self._clock)
        return run


def validate_event(definition: WorkflowDefinition, event: Event) -> None:
    """Convert and check what was given in a process without the definition: inputs and answers."""
    if type(event) is Started and event.unvalidated:
        event.inputs = definition.validate_inputs(event.inputs)
    elif type(event) is InputProvided and event.unvalidated:
        event.values = definition.validate_answer(event.node, event.values)


def read_journal_tail(run: ActiveRun, source: Store | StoredRun) -> None:
    """Fold the entries behind those the run has, and read its work rows.  It has no unsaved entries.

    Raises StoreError, StoreUnavailable, DecodingError.
    """
    run.is_from_store = True
    seq = run.row.seq if run.entries else 0
    machine, paused_at = run.machine, UNSET
    for journal_row in source.read_journal(run.row.id, after_seq=seq):
        was_ended, was = machine.ended, machine.status
        for k, tree in enumerate(json.loads(journal_row.entries)):
            if journal_row.seq + k <= seq:
                continue
            entry = journal_format.decode_entry(tree, run.style.decode_value, journal_row.at)
            if run.definition is not None:
                validate_event(run.definition, entry.event)
            machine.apply(entry.event)
            run.entries.append(entry)
            run.paused_us += run.sleep_us([entry], journal_row.at)
        if was_ended and not machine.ended:
            run.started_at, run.paused_us = journal_row.at, 0
        elif was != machine.status == "paused":
            paused_at = journal_row.at
        elif was == "paused" and machine.status == "running":
            run.paused_us += journal_row.at - paused_at
    stored = source.get_run(run.row.id)
    if stored is not None:
        run.row = replace(stored, seq=len(run.entries))
    run.reason, run.release = run.row.reason, run.row.release
    machine.take_commands()  # outstanding work is in `todo`; its owners are in the work rows
    run.work_rows = {row.node: row for row in source.work_of_run(run.row.id)}
    run.stored_questions = run.open_questions()


def advance_run(run: ActiveRun, store: Store) -> ActiveRun:
    """The run as the store has it now; `run`, which was read before and has no unsaved entries, stays as it is.

    Costs the entries behind those of `run`, and a copy of its state if there are any.
    Raises RunNotFound if the run was deleted, StoreError, StoreUnavailable, DecodingError.
    """
    rows = store.read_journal(run.row.id, after_seq=run.row.seq)
    row = store.get_run(run.row.id)
    if row is None:
        raise RunNotFound(f"there is no run {run.row.id!r} in {store.url}", hint="it was deleted")
    made = ActiveRun(row, run.compiled_plan, run.style, run.definition)
    made.machine, made.entries = run.machine, run.entries
    made.started_at, made.paused_us = run.started_at, run.paused_us
    if rows:
        made.machine = Machine.restore(run.compiled_plan, run.machine.snapshot())
        made.entries = run.entries.copy()
    made.run_data = run.style.run_data(made.machine)
    made.row = replace(row, seq=run.row.seq)
    read_journal_tail(made, StoredRun(row, rows, store.work_of_run(row.id)))
    return made
