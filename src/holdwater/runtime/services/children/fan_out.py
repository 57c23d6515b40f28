"""Child runs of nodes that fan out: started when their parent requests them, and reported to it when they settle.

A child's id is its parent's with the node, the generation and the index behind it, so that it is found again without
having been written down anywhere: the runner that takes over a parent starts the children that are missing and follows
those that are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from holdwater.errors import HoldwaterError, RunNotFound, StoreUnavailable
from holdwater.kernel import Machine
from holdwater.kernel.machine_state import FanOut
from holdwater.model import events as ev
from holdwater.model.child_ids import child_ref, child_run_id
from holdwater.model.commands import AwaitChildren
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.records import RunRow
from holdwater.model.statuses import RunStatus
from holdwater.model.values import StoredValue
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.future import Future
from holdwater.runtime.service_protocols import Decider, StoredRuns
from holdwater.runtime.services.children.runs import ChildRuns, ChildWatch

ChildRef = tuple[str, int, int, int]
"""parent run, node, generation, index"""


class FanOutChildren:
    """Follows the fan-outs of active runs.  Only the driver's thread is in here."""

    def __init__(self, runs: ChildRuns, stored_runs: StoredRuns, decisions: Decider) -> None:
        self._runs, self._table, self._stored_runs, self._decisions = runs, runs.table, stored_runs, decisions
        self._watched: dict[str, set[ChildRef]] = {}
        """parent -> children that will be reported when they settle"""

    # -- starting

    def start_requested(self, run: ActiveRun) -> None:
        """Start the children of a decision: at once if the work row is this runner's on disk, else with its commit."""
        nodes, run.awaiting_children = run.awaiting_children, set()
        for node in nodes:
            row = run.work_rows.get(node)
            if row is not None and row.kind == "children" and row.owner == self._table.owner:
                self.start(run, node)

    def start(self, run: ActiveRun, node: int) -> None:
        """Start the children that are to run, cancel those that are not to be waited for, and follow all of them."""
        machine = run.machine
        if type(machine.todo.get(node)) is not AwaitChildren or run.definition is None or machine.suspended:
            return
        definition, fan_out = run.definition.child_definitions().get(node), machine.fan_outs[node]
        if definition is None:
            name = run.compiled_plan.plan.nodes[node].name
            self._decisions.park_run(run, f"cannot go on here: this process does not know what {name!r} runs")
            return
        watched = self._watched.setdefault(run.row.id, set())
        indexes = fan_out.running | fan_out.paused if fan_out.is_stopping else fan_out.running
        refs: list[ChildRef] = [(run.row.id, node, fan_out.generation, index) for index in sorted(indexes)]
        unwatched = [ref for ref in refs if ref not in watched]
        try:
            existing: Mapping[str, int] = {}
            if _may_have_children(run, fan_out):
                existing = self._runs.store.journal_lengths([_child_id(run, ref) for ref in unwatched])
            for ref in unwatched:
                self._start_child(run, definition, fan_out, ref, exists=_child_id(run, ref) in existing)
        except StoreUnavailable:
            self._start_later(run.row.id, node)

    def _start_later(self, run_id: str, node: int) -> None:
        """Try again when the store answers."""

        def start() -> None:
            run = self._table.get(run_id)
            if run is not None:
                self.start(run, node)

        self._runs.call_when_store_answers(start)

    def _start_child(
        self, run: ActiveRun, definition: WorkflowDefinition, fan_out: FanOut, ref: ChildRef, *, exists: bool
    ) -> None:
        """Raises StoreUnavailable; every other error is the child's failure."""
        run_id, index, control = _child_id(run, ref), ref[3], self._runs.control
        try:
            child = self._table.get(run_id) or (self._runs.run_loader.load_run(run_id) if exists else None)
            if child is None:
                self._runs.start(self._create(run, definition, fan_out.inputs[index], run_id), Future())
            elif index in fan_out.paused:
                control.apply(run_id, ev.CancelRequested("another child of its parent has failed"), Future())
            elif child.machine.ended and _needs_retry(run, ref, child.machine):
                release = None if child.row.release == run.release else run.release or ev.CODE_RELEASE
                again = ev.Resumed("its parent run tries it again", release=release)
                control.apply(run_id, again, Future(), retry=True)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self._watched[run.row.id].add(ref)
            self._runs.call_soon(partial(self._report, ref, "failed", {}, error.message))
            return
        self._watch(run, ref)

    def _create(self, run: ActiveRun, program: WorkflowDefinition, inputs: Mapping[str, Any], run_id: str) -> ActiveRun:
        """Raises HoldwaterError if it cannot run."""
        program = program.specialize(inputs)
        cells = {  # read from the journal they are stored values, whatever the style
            name: program.style.decode_value(value.tree) if isinstance(value, StoredValue) else value
            for name, value in inputs.items()
        }
        return self._runs.create(program.plan.name, program, cells, run.row, id=run_id, deadline_at=None)

    # -- following

    def _watch(self, parent: ActiveRun, ref: ChildRef) -> None:
        if self._table.get(parent.row.id) is None:  # the runner that has it follows its children
            self._unwatch(ref)
            return
        self._watched.setdefault(parent.row.id, set()).add(ref)
        on_settled, on_error = partial(self._on_settled, ref), partial(self._on_error, ref)
        self._runs.watch(ChildWatch(_child_id(parent, ref), on_settled, on_error, report_pauses=True))

    def _unwatch(self, ref: ChildRef) -> None:
        self._watched.get(ref[0], set()).discard(ref)

    def _on_settled(self, ref: ChildRef, child: ActiveRun) -> None:
        parent = self._table.get(ref[0])
        if parent is None:  # the runner that has it follows its children
            self._unwatch(ref)
            return
        machine = child.machine
        is_parked = child.row.status == RunStatus.PAUSED and not child.has_unsaved_changes  # some by their rows alone
        status = "paused" if is_parked else machine.status
        if status == "running":  # it was resumed meanwhile
            self._watch(parent, ref)
        elif machine.ended and _needs_retry(parent, ref, machine):
            self._unwatch(ref)
            self.start(parent, ref[1])
        elif status == "paused" and child.reason == INTERRUPTED_REASON and parent.machine.suspended:
            self._unwatch(ref)  # it is resumed with its parent, and keeps its place
        else:
            values = child.stored_outputs() if status == "completed" else {}
            why = (child.error or child.reason or "") if machine.ended and not values else ""
            self._report(ref, status, values, why)

    def _on_error(self, ref: ChildRef, error: BaseException) -> None:
        """The child cannot be followed: it was not written after all, or cannot be read here."""
        if isinstance(error, (StoreUnavailable, RunNotFound)):
            self._unwatch(ref)
            self._start_later(ref[0], ref[1])
        elif isinstance(error, HoldwaterError):
            self._report(ref, "failed", {}, error.message)
        else:
            self._unwatch(ref)
            parent = self._table.get(ref[0])
            if parent is not None:
                self._decisions.report_internal_error(parent, error)

    def _report(self, ref: ChildRef, status: str, values: Mapping[str, Any], error: str) -> None:
        """Tell the parent how a child settled."""
        parent_id, node, generation, index = ref
        self._unwatch(ref)
        parent = self._table.get(parent_id)
        if parent is not None:
            event = ev.ChildStatusChanged(node, generation, index, status, values, error)
            self._decisions.apply_entry(parent, JournalEntry(event))

    # -- families

    def resume_ancestors(self, row: RunRow) -> None:
        """Resume the parents of a child that goes on, as far as they were paused because of it.

        Raises StoreUnavailable, StoreError.
        """
        ref = child_ref(row)
        while ref is not None:
            parent = self._stored_runs.find_run(ref[0], partial(_knows_as_paused, ref))
            if _knows_as_paused(ref, parent):
                self._table.add(parent)
                self._decisions.apply_entry(parent, JournalEntry(_going_on(ref, parent)))
            ref = child_ref(parent.row)

    def on_run_ended(self, run: ActiveRun) -> None:
        """Cancel the children of a run that has ended."""
        self._watched.pop(run.row.id, None)
        for node, fan_out in run.machine.fan_outs.items():
            for index in [*fan_out.running, *fan_out.paused]:
                self._runs.control.cancel_child(_child_id(run, (run.row.id, node, fan_out.generation, index)))


def _child_id(run: ActiveRun, ref: ChildRef) -> str:
    _, node, generation, index = ref
    return child_run_id(run.row.id, run.compiled_plan.plan.nodes[node].name, generation, index)


def _going_on(child: tuple[str, str, int, int], parent: ActiveRun) -> ev.ChildStatusChanged:
    """Build the entry of a parent whose child goes on.  `child`: as of `child_ref`."""
    _, name, generation, index = child
    return ev.ChildStatusChanged(parent.compiled_plan.node_index[name], generation, index, "running")


def _knows_as_paused(child: tuple[str, str, int, int], parent: ActiveRun) -> bool:
    """The parent was told that the child is paused."""
    return parent.machine.accepts(_going_on(child, parent))


def _needs_retry(parent: ActiveRun, ref: ChildRef, child: Machine) -> bool:
    """The child failed, or was cancelled, before its parent was tried again."""
    _, node, generation, index = ref
    fan_out = parent.machine.fan_outs.get(node)
    return (
        child.status != "completed"
        and fan_out is not None
        and fan_out.generation == generation
        and child.start_count < fan_out.start_counts[index]
    )


def _may_have_children(run: ActiveRun, fan_out: FanOut) -> bool:
    """Another runner, or an earlier generation of the run, may have started some."""
    if run.is_from_store or fan_out.paused or fan_out.results_by_index:  # first: the rest looks at every item
        return True
    return max(fan_out.start_counts) > 1
