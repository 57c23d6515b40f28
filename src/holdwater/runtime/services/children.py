"""Child runs of nodes that fan out: started when their parent wants them, and reported to it when they rest or end.

A child's id is its parent's with the node, the turn and the item behind it, so that it can be found again without
having been written down anywhere: whoever takes over a parent starts what is missing and follows what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import HoldwaterError, RunNotFound, StoreUnavailable
from holdwater.kernel.states import FanOut
from holdwater.model import events as ev
from holdwater.model.child_ids import child_ref, child_run_id
from holdwater.model.commands import AwaitChildren
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.records import RunRow
from holdwater.model.time import Micros
from holdwater.model.values import Stored
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.kernel import Machine
    from holdwater.runtime.driver import Driver

POLL_INTERVAL_US: Final = 100_000
"""how often a child that runs elsewhere is looked at, where the store does not tell"""

ChildRef = tuple[str, int, int, int]
"""parent run, node, generation, item"""


class ChildRuns:
    """The driver's care for children.  Only the driver's thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._watched: dict[str, set[ChildRef]] = {}
        """parent -> children whose end or rest will be reported"""

    def start_requested(self, run: ActiveRun) -> None:
        """A decision wants children seen to: at once if that work is this runner's on disk, else with its commit."""
        nodes, run.awaiting_children = run.awaiting_children, set()
        for node in nodes:
            row = run.work_rows.get(node)
            if row is not None and row.kind == "children" and row.owner == self._driver.owner:
                self.start(run, node)

    def start(self, run: ActiveRun, node: int) -> None:
        """Start the children that are to run, end those not to be waited for, and follow all of them."""
        driver, machine = self._driver, run.machine
        if type(machine.todo.get(node)) is not AwaitChildren or run.definition is None or machine.suspended:
            return
        definition, fan_out = run.definition.child_definitions().get(node), machine.fan_outs[node]
        if definition is None:
            name = run.compiled_plan.plan.nodes[node].name
            driver.park_run(run, f"cannot go on here: this process does not know what {name!r} runs")
            return
        followed = self._watched.setdefault(run.row.id, set())
        items = fan_out.running | fan_out.paused if fan_out.is_stopping else fan_out.running
        strange = [place for k in sorted(items) if (place := (run.row.id, node, fan_out.generation, k)) not in followed]
        try:
            known = (
                driver.store.journal_lengths([self._child_run_id(run, place) for place in strange])
                if _may_have_children(run, fan_out)
                else {}
            )
            for place in strange:
                self._start_child(run, definition, fan_out, place, self._child_run_id(run, place) in known)
        except StoreUnavailable:
            driver.timers.call_at(driver.back_off_store(), lambda: self._start_again(run.row.id, node))

    def _start_again(self, run_id: str, node: int) -> None:
        run = self._driver.active_runs.get(run_id)
        if run is not None:
            self.start(run, node)

    def _start_child(
        self, run: ActiveRun, definition: WorkflowDefinition, fan_out: FanOut, child_ref: ChildRef, exists: bool
    ) -> None:
        """Raises StoreUnavailable; whatever else stands in its way is the child's failure."""
        driver, run_id, item = self._driver, self._child_run_id(run, child_ref), child_ref[3]
        try:
            child = driver.active_runs.get(run_id) or (driver.run_loader.load_run(run_id) if exists else None)
            if child is None:
                child = self._create(run, definition, fan_out.inputs[item], run_id)
                driver.add_new_run(child, Future())
            elif item in fan_out.paused:
                driver.run_control.apply(run_id, ev.CancelRequested("another child of its parent has failed"), Future())
            elif child.machine.ended and self._needs_retry(run, child_ref, child.machine):
                driver.run_control.apply(run_id, ev.Resumed("its parent run tries it again"), Future(), retry=True)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            failure = error.message
            self._watched[run.row.id].add(child_ref)
            driver.call_soon(
                lambda: self._report_status(child_ref, "failed", {}, failure)
            )  # not at once: it may lead back to here
            return
        self._watch(run.row.id, child_ref, driver.active_runs.get(run_id))

    def _create(self, run: ActiveRun, program: WorkflowDefinition, inputs: Mapping[str, Any], run_id: str) -> ActiveRun:
        """Raises HoldwaterError if it cannot run."""
        driver = self._driver
        program = program.specialize(inputs)
        driver.dispatcher.check_routes(program)
        head = driver.new_run_row(program.plan.name, program, driver.clock.now())
        row = replace(head, id=run_id, parent_id=run.row.id, deadline_at=None)
        cells = {  # read from the journal they are stored values, whatever the style
            name: program.style.decode_value(value.tree) if isinstance(value, Stored) else value
            for name, value in inputs.items()
        }
        child = ActiveRun(row, driver.run_loader.compiled_plan(program.plan), program.style, program, is_new=True)
        child.apply_entry(JournalEntry(ev.Started(cells)), driver.clock)
        return child

    def _watch(self, parent_id: str, place: ChildRef, child: ActiveRun | None) -> None:
        driver = self._driver
        parent = driver.active_runs.get(parent_id)
        if parent is None:  # whoever has it looks itself
            self._watched.get(parent_id, set()).discard(place)
            return
        self._watched.setdefault(parent_id, set()).add(place)
        future: Future[Any] = (
            driver.done_future_in_loop(self._child_run_id(parent, place)) if child is None else child.done
        )
        future.add_done_callback(lambda p: driver.call_soon(lambda: self._on_child_done(place, p)))

    def _on_child_done(self, child_ref: ChildRef, future: Future[ActiveRun | None]) -> None:
        """A child rests or has ended, or may have."""
        parent_id, node, _, _ = child_ref
        driver = self._driver
        parent = driver.active_runs.get(parent_id)
        if parent is None:  # whoever has it looks itself
            self._watched.get(parent_id, set()).discard(child_ref)
            return
        try:
            child = future.result()
            if child is None or not (child.machine.ended or child.machine.status == "paused"):
                child = driver.active_runs.get(self._child_run_id(parent, child_ref)) or driver.run_loader.load_run(
                    self._child_run_id(parent, child_ref)
                )
        except (StoreUnavailable, RunNotFound):  # not born after all, or nobody can tell: look again in a while
            self._watched.get(parent_id, set()).discard(child_ref)
            driver.timers.call_at(driver.back_off_store(), lambda: self._start_again(parent_id, node))
            return
        except HoldwaterError as error:
            self._report_status(child_ref, "failed", {}, error.message)
            return
        machine = child.machine
        is_parked = child.row.status == "paused" and not child.has_unsaved_changes  # some by their heads alone
        status = "paused" if is_parked else machine.status
        if status == "running" and (driver.has_notifications or child.row.id in driver.active_runs):
            self._watch(parent_id, child_ref, None)
        elif status == "running":
            driver.timers.call_at(
                Micros(driver.clock.now() + POLL_INTERVAL_US), lambda: self._watch(parent_id, child_ref, None)
            )
        elif machine.ended and self._needs_retry(parent, child_ref, machine):
            self._watched.get(parent_id, set()).discard(child_ref)
            self.start(parent, node)
        elif status == "paused" and child.reason == INTERRUPTED_REASON and parent.machine.suspended:
            self._watched.get(parent_id, set()).discard(child_ref)  # it goes on with its parent, and keeps its place
        else:
            values = child.stored_outputs() if status == "completed" else {}
            why = (child.error or child.reason or "") if machine.ended and not values else ""
            self._report_status(child_ref, status, values, why)

    def _needs_retry(self, parent: ActiveRun, child_ref: ChildRef, child: Machine) -> bool:
        """It failed, or was cancelled, before its parent was tried again."""
        _, node, turn, item = child_ref
        fan_out = parent.machine.fan_outs.get(node)
        return (
            child.status != "completed"
            and fan_out is not None
            and fan_out.generation == turn
            and child.start_count < fan_out.start_counts[item]
        )

    def _report_status(self, child_ref: ChildRef, status: str, values: Mapping[str, Any], error: str) -> None:
        """A child has come to something."""
        parent_id, node, turn, item = child_ref
        self._watched.get(parent_id, set()).discard(child_ref)
        parent = self._driver.active_runs.get(parent_id)
        if parent is not None:
            self._driver.apply_entry(
                parent, JournalEntry(ev.ChildStatusChanged(node, turn, item, status, values, error))
            )

    def resume_ancestors(self, row: RunRow) -> None:
        """A child that rested goes on: so do those that rested because of it.  Raises StoreUnavailable, StoreError."""
        driver = self._driver
        place = child_ref(row)
        while place is not None:
            parent_id, name, turn, item = place
            parent = driver.active_runs.get(parent_id) or driver.run_loader.load_run(parent_id)
            event = ev.ChildStatusChanged(parent.compiled_plan.node_index[name], turn, item, "running")
            if parent.machine.accepts(event):
                driver.active_runs[parent_id] = parent
                driver.apply_entry(parent, JournalEntry(event))
            place = child_ref(parent.row)

    def on_run_ended(self, run: ActiveRun) -> None:
        """A run has ended: so do its children."""
        self._watched.pop(run.row.id, None)
        for node, fan_out in run.machine.fan_outs.items():
            for k in [*fan_out.running, *fan_out.paused]:
                self._driver.run_control.cancel_child(
                    self._child_run_id(run, (run.row.id, node, fan_out.generation, k))
                )

    def _child_run_id(self, run: ActiveRun, child_ref: ChildRef) -> str:
        return child_run_id(run.row.id, run.compiled_plan.plan.nodes[child_ref[1]].name, child_ref[2], child_ref[3])


def _may_have_children(run: ActiveRun, fan_out: FanOut) -> bool:
    """Somebody else, or an earlier life of the run, may have started some."""
    return run.is_from_store or max(fan_out.start_counts) > 1 or bool(fan_out.paused or fan_out.results_by_index)
