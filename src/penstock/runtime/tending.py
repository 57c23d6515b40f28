"""Child runs of nodes that fan out: started when their parent wants them, and reported to it when they rest or end.

A child's id is its parent's with the node, the turn and the item behind it, so that it can be found again without
having been written down anywhere: whoever takes over a parent starts what is missing and follows what is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.kernel.fans import Fan
from penstock.model import events as ev
from penstock.model.commands import Tend
from penstock.model.errors import PenstockError, RunNotFound, StoreUnavailable
from penstock.model.ports import Program
from penstock.model.records import RunRow
from penstock.model.wire import Entry
from penstock.runtime.live_run import LiveRun
from penstock.runtime.promise import Promise

if TYPE_CHECKING:
    from penstock.runtime.driver import Driver

Place = tuple[str, int, int, int]
"""parent run, node, turn, item"""


def child_id(parent_id: str, node: str, turn: int, item: int) -> str:
    """The id of a child run."""
    return f"{parent_id}/{node}.{turn}.{item}"


def place_of(row: RunRow) -> tuple[str, str, int, int] | None:
    """Parent run, node's name, turn and item of a child; None for a run that no node has fanned out to."""
    if row.parent_id is None or not row.id.startswith(f"{row.parent_id}/"):
        return None
    node, turn, item = row.id[len(row.parent_id) + 1 :].rsplit(".", 2)
    return row.parent_id, node, int(turn), int(item)


class Tending:
    """The driver's care for children.  Only the driver's thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._followed: dict[str, set[Place]] = {}
        """parent -> children whose end or rest will be reported"""

    def look(self, run: LiveRun) -> None:
        """A decision wants children seen to: at once if that work is this runner's on disk, else with its commit."""
        nodes, run.tends = run.tends, set()
        for node in nodes:
            row = run.work.get(node)
            if row is not None and row.kind == "tend" and row.owner == self._driver.owner:
                self.tend(run, node)

    def tend(self, run: LiveRun, node: int) -> None:
        """Start the children that are to run, and follow all that live."""
        driver, machine = self._driver, run.machine
        if type(machine.todo.get(node)) is not Tend or run.program is None or machine.suspended:
            return
        fan = machine.fans[node]
        followed = self._followed.setdefault(run.row.id, set())
        strange = [place for k in sorted(fan.running) if (place := (run.row.id, node, fan.turn, k)) not in followed]
        try:
            known = driver.store.seqs([self._id(run, place) for place in strange]) if _may_exist(run, fan) else {}
            for place in strange:
                self._begin(run, run.program.children()[node], fan, place, self._id(run, place) in known)
        except StoreUnavailable:
            driver.agenda.at(driver.back_off(), lambda: self._tend_again(run.row.id, node))

    def _tend_again(self, run_id: str, node: int) -> None:
        run = self._driver.runs.get(run_id)
        if run is not None:
            self.tend(run, node)

    def _begin(self, run: LiveRun, program: Program, fan: Fan, place: Place, exists: bool) -> None:
        """Raises StoreUnavailable."""
        driver, item = self._driver, place[3]
        run_id = self._id(run, place)
        child = driver.runs.get(run_id)
        if child is None and exists:
            child = driver.loader.load(run_id)
        if child is None:
            self._bear(run, program, fan, place)
            return
        machine = child.machine
        if machine.ended and machine.status != "completed" and machine.lives < fan.lives[item]:
            driver.retry_child(run_id)
        self._follow(run.row.id, place, child if run_id in driver.runs else None)

    def _bear(self, run: LiveRun, program: Program, fan: Fan, place: Place) -> None:
        driver, item = self._driver, place[3]
        now = driver.clock.now()
        program = program.chosen(fan.inputs[item])
        head = driver.head(program.plan.name, program, now)
        row = replace(head, id=self._id(run, place), parent_id=run.row.id, deadline_at=None)
        cells = dict(fan.inputs[item])
        if run.inherited:
            cells = {name: program.style.unpack(value.tree) for name, value in cells.items()}
        child = LiveRun(row, driver.loader.layout(program.plan), program.style, program, born=True)
        try:
            driver.executor.check(program)
            child.decide(Entry(ev.Started(cells)), driver.clock)
        except PenstockError as error:
            node, turn = place[1], place[2]
            driver.decide(run, Entry(ev.ChildMoved(node, turn, item, "failed", {}, error.message)))
            return
        driver.enter(child, Promise())
        self._follow(run.row.id, place, child)

    def _follow(self, parent_id: str, place: Place, child: LiveRun | None) -> None:
        driver = self._driver
        self._followed.setdefault(parent_id, set()).add(place)
        parent = driver.runs.get(parent_id)
        if parent is None:
            return
        promise: Promise[Any] = driver.watched(self._id(parent, place)) if child is None else child.settled
        promise.then(lambda p: driver.tell(lambda: self._report(place, p)))

    def _report(self, place: Place, promise: Promise[LiveRun | None]) -> None:
        """A child rests or has ended, or may have."""
        parent_id, node, turn, item = place
        driver = self._driver
        self._followed.get(parent_id, set()).discard(place)
        parent = driver.runs.get(parent_id)
        if parent is None:  # whoever has it looks itself
            return
        try:
            child = promise.value()
            if child is None or not (child.machine.ended or child.machine.status == "paused"):
                child = driver.runs.get(self._id(parent, place)) or driver.loader.load(self._id(parent, place))
        except (StoreUnavailable, RunNotFound):  # not born after all, or nobody can tell: look again in a while
            driver.agenda.at(driver.back_off(), lambda: self._tend_again(parent_id, node))
            return
        except PenstockError as error:
            driver.decide(parent, Entry(ev.ChildMoved(node, turn, item, "failed", {}, error.message)))
            return
        machine = child.machine
        if machine.status == "running":
            self._follow(parent_id, place, None)
            return
        values = child.result() if machine.status == "completed" else {}
        why = (child.error or child.reason or "") if machine.ended and not values else ""
        driver.decide(parent, Entry(ev.ChildMoved(node, turn, item, machine.status, values, why)))

    def wake_ancestors(self, row: RunRow) -> None:
        """A child that rested goes on: so do those that rested because of it.  Raises StoreUnavailable, StoreError."""
        driver = self._driver
        place = place_of(row)
        while place is not None:
            parent_id, name, turn, item = place
            parent = driver.runs.get(parent_id) or driver.loader.load(parent_id)
            event = ev.ChildMoved(parent.layout.index[name], turn, item, "running")
            if parent.machine.accepts(event):
                driver.runs[parent_id] = parent
                driver.decide(parent, Entry(event))
            place = place_of(parent.row)

    def ended(self, run: LiveRun) -> None:
        """A run has ended: so do its children."""
        self._followed.pop(run.row.id, None)
        for node, fan in run.machine.fans.items():
            for k in [*fan.running, *fan.paused]:
                self._driver.end_child(self._id(run, (run.row.id, node, fan.turn, k)))

    def _id(self, run: LiveRun, place: Place) -> str:
        return child_id(run.row.id, run.layout.plan.nodes[place[1]].name, place[2], place[3])


def _may_exist(run: LiveRun, fan: Fan) -> bool:
    """Somebody else, or an earlier life of the run, may have started some."""
    return run.inherited or max(fan.lives) > 1 or bool(fan.paused or fan.outcomes)
