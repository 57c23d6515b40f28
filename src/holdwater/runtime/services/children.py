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
from holdwater.model.commands import AwaitChildren
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.records import RunRow
from holdwater.model.values import Stored
from holdwater.runtime.active_run import INTERRUPTED, ActiveRun
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.kernel import Machine
    from holdwater.runtime.driver import Driver

LOOK_US: Final = 100_000
"""how often a child that runs elsewhere is looked at, where the store does not tell"""

Place = tuple[str, int, int, int]
"""parent run, node, turn, item"""


def child_id(parent_id: str, node: str, turn: int, item: int) -> str:
    """The id of a child run."""
    return f"{parent_id}/{node}.{turn}.{item}"


def child_ref(row: RunRow) -> tuple[str, str, int, int] | None:
    """Parent run, node's name, turn and item of a child; None for a run that no node has fanned out to."""
    if row.parent_id is None or not row.id.startswith(f"{row.parent_id}/"):
        return None
    node, turn, item = row.id[len(row.parent_id) + 1 :].rsplit(".", 2)
    return row.parent_id, node, int(turn), int(item)


class ChildRuns:
    """The driver's care for children.  Only the driver's thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._followed: dict[str, set[Place]] = {}
        """parent -> children whose end or rest will be reported"""

    def look(self, run: ActiveRun) -> None:
        """A decision wants children seen to: at once if that work is this runner's on disk, else with its commit."""
        nodes, run.awaiting_children = run.awaiting_children, set()
        for node in nodes:
            row = run.work.get(node)
            if row is not None and row.kind == "children" and row.owner == self._driver.owner:
                self.start(run, node)

    def start(self, run: ActiveRun, node: int) -> None:
        """Start the children that are to run, end those not to be waited for, and follow all of them."""
        driver, machine = self._driver, run.machine
        if type(machine.todo.get(node)) is not AwaitChildren or run.program is None or machine.suspended:
            return
        program, fan = run.program.children().get(node), machine.fan_outs[node]
        if program is None:
            name = run.layout.plan.nodes[node].name
            driver.park_run(run, f"cannot go on here: this process does not know what {name!r} runs")
            return
        followed = self._followed.setdefault(run.row.id, set())
        items = fan.running | fan.paused if fan.is_stopping else fan.running
        strange = [place for k in sorted(items) if (place := (run.row.id, node, fan.generation, k)) not in followed]
        try:
            known = (
                driver.store.journal_lengths([self._id(run, place) for place in strange])
                if _may_exist(run, fan)
                else {}
            )
            for place in strange:
                self._begin(run, program, fan, place, self._id(run, place) in known)
        except StoreUnavailable:
            driver.agenda.call_at(driver.back_off(), lambda: self._start_again(run.row.id, node))

    def _start_again(self, run_id: str, node: int) -> None:
        run = self._driver.runs.get(run_id)
        if run is not None:
            self.start(run, node)

    def _begin(self, run: ActiveRun, program: WorkflowDefinition, fan: FanOut, place: Place, exists: bool) -> None:
        """Raises StoreUnavailable; whatever else stands in its way is the child's failure."""
        driver, run_id, item = self._driver, self._id(run, place), place[3]
        try:
            child = driver.runs.get(run_id) or (driver.loader.load(run_id) if exists else None)
            if child is None:
                child = self._create(run, program, fan.inputs[item], run_id)
                driver.add_new_run(child, Future())
            elif item in fan.paused:
                driver.steering.apply(run_id, ev.CancelRequested("another child of its parent has failed"), Future())
            elif child.machine.ended and self._needs_retry(run, place, child.machine):
                driver.steering.apply(run_id, ev.Resumed("its parent run tries it again"), Future(), retry=True)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            failure = error.message
            self._followed[run.row.id].add(place)
            driver.call_soon(
                lambda: self._report_status(place, "failed", {}, failure)
            )  # not at once: it may lead back to here
            return
        self._watch(run.row.id, place, driver.runs.get(run_id))

    def _create(self, run: ActiveRun, program: WorkflowDefinition, inputs: Mapping[str, Any], run_id: str) -> ActiveRun:
        """Raises HoldwaterError if it cannot run."""
        driver = self._driver
        program = program.specialize(inputs)
        driver.executor.check(program)
        head = driver.head(program.plan.name, program, driver.clock.now())
        row = replace(head, id=run_id, parent_id=run.row.id, deadline_at=None)
        cells = {  # read from the journal they are stored values, whatever the style
            name: program.style.unpack(value.tree) if isinstance(value, Stored) else value
            for name, value in inputs.items()
        }
        child = ActiveRun(row, driver.loader.compiled_plan(program.plan), program.style, program, born=True)
        child.decide(JournalEntry(ev.Started(cells)), driver.clock)
        return child

    def _watch(self, parent_id: str, place: Place, child: ActiveRun | None) -> None:
        driver = self._driver
        parent = driver.runs.get(parent_id)
        if parent is None:  # whoever has it looks itself
            self._followed.get(parent_id, set()).discard(place)
            return
        self._followed.setdefault(parent_id, set()).add(place)
        promise: Future[Any] = driver.watched(self._id(parent, place)) if child is None else child.done
        promise.add_done_callback(lambda p: driver.call_soon(lambda: self._report(place, p)))

    def _report(self, place: Place, promise: Future[ActiveRun | None]) -> None:
        """A child rests or has ended, or may have."""
        parent_id, node, _, _ = place
        driver = self._driver
        parent = driver.runs.get(parent_id)
        if parent is None:  # whoever has it looks itself
            self._followed.get(parent_id, set()).discard(place)
            return
        try:
            child = promise.value()
            if child is None or not (child.machine.ended or child.machine.status == "paused"):
                child = driver.runs.get(self._id(parent, place)) or driver.loader.load(self._id(parent, place))
        except (StoreUnavailable, RunNotFound):  # not born after all, or nobody can tell: look again in a while
            self._followed.get(parent_id, set()).discard(place)
            driver.agenda.call_at(driver.back_off(), lambda: self._start_again(parent_id, node))
            return
        except HoldwaterError as error:
            self._report_status(place, "failed", {}, error.message)
            return
        machine = child.machine
        is_parked = child.row.status == "paused" and not child.dirty  # some by their heads alone
        status = "paused" if is_parked else machine.status
        if status == "running" and (driver.hears or child.row.id in driver.runs):
            self._watch(parent_id, place, None)
        elif status == "running":
            driver.agenda.call_at(driver.clock.now() + LOOK_US, lambda: self._watch(parent_id, place, None))
        elif machine.ended and self._needs_retry(parent, place, machine):
            self._followed.get(parent_id, set()).discard(place)
            self.start(parent, node)
        elif status == "paused" and child.reason == INTERRUPTED and parent.machine.suspended:
            self._followed.get(parent_id, set()).discard(place)  # it goes on with its parent, and keeps its place
        else:
            values = child.result() if status == "completed" else {}
            why = (child.error or child.reason or "") if machine.ended and not values else ""
            self._report_status(place, status, values, why)

    def _needs_retry(self, parent: ActiveRun, place: Place, child: Machine) -> bool:
        """It failed, or was cancelled, before its parent was tried again."""
        _, node, turn, item = place
        fan = parent.machine.fan_outs.get(node)
        return (
            child.status != "completed"
            and fan is not None
            and fan.generation == turn
            and child.start_count < fan.start_counts[item]
        )

    def _report_status(self, place: Place, status: str, values: Mapping[str, Any], error: str) -> None:
        """A child has come to something."""
        parent_id, node, turn, item = place
        self._followed.get(parent_id, set()).discard(place)
        parent = self._driver.runs.get(parent_id)
        if parent is not None:
            self._driver.decide(parent, JournalEntry(ev.ChildStatusChanged(node, turn, item, status, values, error)))

    def wake_ancestors(self, row: RunRow) -> None:
        """A child that rested goes on: so do those that rested because of it.  Raises StoreUnavailable, StoreError."""
        driver = self._driver
        place = child_ref(row)
        while place is not None:
            parent_id, name, turn, item = place
            parent = driver.runs.get(parent_id) or driver.loader.load(parent_id)
            event = ev.ChildStatusChanged(parent.layout.index[name], turn, item, "running")
            if parent.machine.accepts(event):
                driver.runs[parent_id] = parent
                driver.decide(parent, JournalEntry(event))
            place = child_ref(parent.row)

    def ended(self, run: ActiveRun) -> None:
        """A run has ended: so do its children."""
        self._followed.pop(run.row.id, None)
        for node, fan in run.machine.fan_outs.items():
            for k in [*fan.running, *fan.paused]:
                self._driver.steering.end_child(self._id(run, (run.row.id, node, fan.generation, k)))

    def _id(self, run: ActiveRun, place: Place) -> str:
        return child_id(run.row.id, run.layout.plan.nodes[place[1]].name, place[2], place[3])


def _may_exist(run: ActiveRun, fan: FanOut) -> bool:
    """Somebody else, or an earlier life of the run, may have started some."""
    return run.inherited or max(fan.start_counts) > 1 or bool(fan.paused or fan.results_by_index)
