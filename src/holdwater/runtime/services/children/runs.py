"""Child runs of either kind: created, watched to their ends or pauses, and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from holdwater.errors import RunNotFound, StoreUnavailable
from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.provenance import inherit_provenance
from holdwater.model.records import RunFilter, RunRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.future import Future
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.run_table import Accepted, RunTable
from holdwater.runtime.service_protocols import ChildControl, Decider, Inbox, MakeRunRow
from holdwater.runtime.store_status import StoreStatus

POLL_INTERVAL_US: Final = 100_000
"""interval at which a child that runs elsewhere is read, where the store sends no notifications"""
PAGE_SIZE_RUNS: Final = 1000


@dataclass(slots=True, eq=False)
class ChildWatch:
    """A child that is followed.  `on_settled`: called once, in the loop, with the child when it has ended on disk.

    `report_pauses`: also when it is paused; and as soon as it has ended, on disk or not.  `on_error`: called instead if
    the child cannot be followed.
    """

    run_id: str
    on_settled: Callable[[ActiveRun], None]
    on_error: Callable[[BaseException], None]
    report_pauses: bool = False

    def is_settled(self, child: ActiveRun) -> bool:
        if not self.report_pauses:
            return child.machine.ended and not child.has_unsaved_changes
        if child.machine.ended:  # its end and the parent's next decision may be one transaction
            return True
        is_parked = child.row.status == RunStatus.PAUSED and not child.has_unsaved_changes  # some by their rows alone
        return is_parked or child.machine.status == "paused"


class ChildRuns:
    """Waiting costs no thread: the loop is called when a child settles.  Only the driver's thread is in here."""

    def __init__(
        self,
        store: Store,
        store_status: StoreStatus,
        clock: Clock,
        table: RunTable,
        run_loader: RunLoader,
        decisions: Decider,
        control: ChildControl,
        dispatcher: Dispatcher,
        inbox: Inbox,
        timers: Timers,
        make_run_row: MakeRunRow,
    ) -> None:
        self.store, self.table, self.run_loader, self.control = store, table, run_loader, control
        self._store_status, self._clock, self._decisions = store_status, clock, decisions
        self._dispatcher, self._inbox, self._timers = dispatcher, inbox, timers
        self._make_run_row = make_run_row

    # -- starting

    def create(
        self, workflow: str, definition: WorkflowDefinition, cells: Mapping[str, Any], parent: RunRow, **row_fields: Any
    ) -> ActiveRun:
        """A new child of a run, with these fields in its row, not written yet.

        Raises HoldwaterError if it cannot run here.
        """
        self._dispatcher.check_routes(definition)
        row = replace(self._make_run_row(workflow, definition, self._clock.now()), parent_id=parent.id, **row_fields)
        inherit_provenance(row, parent)
        compiled_plan = self.run_loader.compiled_plan(definition.plan)
        child = ActiveRun(row, compiled_plan, definition.style, definition, is_new=True)
        child.apply_entry(JournalEntry(ev.Started(dict(cells))), self._clock)
        return child

    def start(self, child: ActiveRun, acceptance: Future[Accepted]) -> None:
        """Have a new run written; the future is set when it is on disk."""
        self._decisions.add_new_run(child, acceptance)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call it in the loop, and not at once, where it would lead back to its caller."""
        self._inbox.call_soon(callback)

    def call_when_store_answers(self, callback: Callable[[], None], *, back_off: bool = True) -> None:
        """Call it when the store may be used again.  `back_off`: the store has just failed."""
        retry_at = self._store_status.back_off() if back_off else self._store_status.retry_at
        self._timers.call_at(retry_at, callback)

    def call_later(self, callback: Callable[[], None]) -> None:
        """Call it after the interval of polling."""
        self._timers.call_at(Micros(self._clock.now() + POLL_INTERVAL_US), callback)

    # -- following

    def watch(self, watch: ChildWatch) -> None:
        """Follow a child, wherever it is executed."""
        try:
            self._look(watch)
        except StoreUnavailable:
            self.call_when_store_answers(lambda: self.watch(watch))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it concerns this child alone
            watch.on_error(error)

    def _look(self, watch: ChildWatch) -> None:
        run_id = watch.run_id
        live = self.table.get(run_id)
        if live is not None and (not live.done.done or watch.is_settled(live)):
            live.done.add_done_callback(lambda future: self.call_soon(lambda: self._on_done(watch, future)))
            return
        if live is not None and live.has_unsaved_changes:  # the store has an earlier state of it
            self._watch_again_after(self.table.add_external_waiter(run_id), watch)
            return
        if self._clock.now() < self._store_status.retry_at:
            self.call_when_store_answers(lambda: self.watch(watch), back_off=False)
            return
        # asked for before the run is read: every change after that is notified
        is_notified = self._store_status.has_notifications or live is not None
        notification = self.table.add_external_waiter(run_id) if is_notified else None
        row = self.store.get_run(run_id)
        if row is None:
            raise RunNotFound(f"child run {run_id} is not in the store any more")
        if row.finished_at is not None or (watch.report_pauses and row.status == RunStatus.PAUSED):
            self.call_soon(lambda: self._report_stored(watch))
        elif notification is not None:
            self._watch_again_after(notification, watch)
        else:
            self.call_later(lambda: self.watch(watch))

    def _watch_again_after(self, notification: Future[ActiveRun | None], watch: ChildWatch) -> None:
        notification.add_done_callback(lambda _: self.call_soon(lambda: self.watch(watch)))

    def _on_done(self, watch: ChildWatch, future: Future[ActiveRun]) -> None:
        """The child has settled, or left this process."""
        try:
            child = self.table.get(watch.run_id) or future.result()  # it may have been read again since
        except BaseException as error:  # noqa: BLE001 - an answer like any other
            watch.on_error(error)
            return
        self._report_or_watch(watch, child)

    def _report_stored(self, watch: ChildWatch) -> None:
        """The child had settled in the store."""
        try:
            child = self.table.get(watch.run_id) or self.run_loader.load_run(watch.run_id)
        except StoreUnavailable:
            self.call_when_store_answers(lambda: self.watch(watch))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it concerns this child alone
            watch.on_error(error)
        else:
            self._report_or_watch(watch, child)

    def _report_or_watch(self, watch: ChildWatch, child: ActiveRun) -> None:
        """Report the child as it is now, or follow it further: it may have been resumed since it settled."""
        if watch.is_settled(child):
            watch.on_settled(child)
        else:
            self.watch(watch)


def child_rows(store: Store, parent_id: str, status: str) -> Iterator[RunRow]:
    """The children of a run that have this status.  Raises StoreError."""
    before: str | None = None
    while True:
        page = store.list_runs(RunFilter(status=status, limit=PAGE_SIZE_RUNS, before_id=before, parent_id=parent_id))
        yield from page
        if len(page) < PAGE_SIZE_RUNS:
            return
        before = page[-1].id
