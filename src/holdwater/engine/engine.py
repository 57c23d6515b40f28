"""One engine: a store, a driver on it, and the definitions this process knows."""

from __future__ import annotations

import atexit
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, cast

from holdwater.engine import forking
from holdwater.engine.children import ChildRunStarter
from holdwater.engine.event_publisher import EventPublisher
from holdwater.errors import (
    AnswerError,
    HoldwaterError,
    IdempotencyConflict,
    InvalidTransition,
    PauseNotFound,
    RunInProgress,
    RunnerClosed,
    RunNotFinished,
    RunNotFound,
    StoreUnavailable,
    StoreUnusable,
)
from holdwater.events.processors import EventProcessor
from holdwater.events.run_events import EventPosition
from holdwater.model import events as ev
from holdwater.model import ids, input_digest, validation
from holdwater.model.journal import JournalEntry
from holdwater.model.json_schema import first_violation
from holdwater.model.ports import Clock, Store, WorkflowDefinition
from holdwater.model.records import FIRST_CURSOR, Cursor, RunFilter, RunRow
from holdwater.model.registry import Registry, check_names
from holdwater.model.registry import registry as known
from holdwater.model.statuses import ACTIVE, FINAL_STATUSES, RunStatus
from holdwater.model.time import Micros, add_seconds
from holdwater.model.triggers import triggers
from holdwater.runs import activity, pauses
from holdwater.runs.activity import Activity
from holdwater.runs.authoring_styles import STYLES
from holdwater.runs.follow import RunFollower
from holdwater.runs.loader import RunReader, read_run
from holdwater.runs.pauses import Pause
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.driver import Accepted, Driver, DriverConfig
from holdwater.runtime.future import Future, wrap_future
from holdwater.storage import StoreOptions, open_store

EXIT_DRAIN_SECONDS: Final = 5.0
LEASE_MARGIN_SECONDS: Final = 0.2
"""how long after its end a lease is looked at: whoever lives has renewed it long before"""
PRUNE_BATCH_RUNS: Final = 200
"""runs, with their children, in one transaction"""
RECHECK_SECONDS: Final = 5.0
"""how often a wait for a run that is live here makes sure that it still is"""

ControlVerb = Literal["cancel", "pause", "resume", "retry"]
HINTS: Final = {
    ("retry", "running"): "only a run that has ended is retried: wait for it, or cancel it",
    ("retry", "paused"): "only a run that has ended is retried: resume it, or answer what it asks",
    ("retry", "completed"): "there is nothing to retry; fork it to run a part of it again",
    ("resume", "running"): "only a paused run is resumed; if nobody executes it, start a runner that has its workflow",
    ("resume", "paused"): "it waits for an answer, and goes on when that is given",
    ("resume", "failed"): "retry it",
    ("resume", "cancelled"): "retry it",
}
"""what is not possible -> what to do instead"""

_OPEN_ENGINES: Final[set[Engine]] = set()
"""engines whose drivers work; those that nobody closed are closed at exit"""


class Engine:
    """Everything the faces need.  Thread-safe."""

    def __init__(
        self,
        url: str,
        driver_config: DriverConfig,
        *,
        run_timeout_seconds: float | None = None,
        poll_seconds: float = 0.1,
        clock: Clock | None = None,
        registry: Registry = known,
        options: StoreOptions | None = None,
        to_result: Callable[[ActiveRun], Any] = lambda run: run,
        store: Store | None = None,
        event_processors: Sequence[EventProcessor] = (),
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.registry = registry
        self.run_timeout_seconds = run_timeout_seconds
        self.poll_seconds: Final = poll_seconds
        """how often a wait looks at a run that another process executes, where the store does not tell"""
        self.owner = ids.new_owner_id()
        self.store = open_store(url, options) if store is None else store
        try:
            self.driver = Driver(
                self.store,
                self.owner,
                driver_config,
                self.clock,
                STYLES,
                registry.find,
                registry.executable_names,
                self._new_run_row,
                self._on_driver_stopped,
            )
            self._publisher = EventPublisher(event_processors, self.driver.error_log.add) if event_processors else None
            self.driver.observer = self._publisher
            self.driver.child_starter = ChildRunStarter(self.resolve_workflow, self.driver.start_child_call, to_result)
            self.driver.start()
        except BaseException:
            self.store.close()
            raise
        _OPEN_ENGINES.add(self)
        self._unsubscribe_callbacks = [
            registry.add_listener(lambda name, program: self.driver.check_for_work()),
            triggers.add_listener(self.driver.check_for_work),
        ]

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Drain, leave the rest resumable, release everything.  Idempotent.

        Without `wait` the driver's thread sees to it: a garbage collector may call from any thread, holding any lock.
        """
        for stop in self._unsubscribe_callbacks:
            stop()
        self.driver.close(drain_seconds, wait=wait)

    def _on_driver_stopped(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        self.store.close()
        _OPEN_ENGINES.discard(self)

    # -- runs

    def submit(
        self, workflow: str, inputs: Any, *, idempotency_key: str | None = None
    ) -> tuple[RunRow, ActiveRun | None]:
        """Start a run; returns when it is on disk.  With a key that is taken: the run that has it, and None.

        Raises WorkflowNotFound, EncodingError, IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        _check_idempotency_key(idempotency_key)
        definition, cells, row = self._prepare_run(workflow, inputs)
        if idempotency_key is not None:
            row.idempotency_key = idempotency_key
            row.inputs_digest = input_digest.digest_of_cells(cells)
        acceptance, _ = self.driver.submit_run(definition, cells, row)
        return _wait_until_accepted(acceptance, row)

    def execute(self, workflow: str, inputs: Any) -> ActiveRun:
        """Start a run and wait until it has ended or waits for a person: one wait, where `submit` and `wait` are two.

        Raises what `submit` raises.
        """
        _, settled = self.driver.submit_run(*self._prepare_run(workflow, inputs))
        settled.wait()
        live = settled.result()
        if not live.machine.ended:
            return self.wait_for_run(live.row.id)
        return self._after_delivery(live)

    def start_run(
        self,
        program: WorkflowDefinition,
        inputs: Any,
        *,
        run_id: str | None = None,
        skipped_ranges: tuple[str, ...] = (),
    ) -> ActiveRun:
        """Start a run of this program, under an id of the caller's; returns when it is on disk.

        `passed`: as in `Started`.  Raises RunInProgress if there is a run of this id, and what `submit` raises.
        """
        self.driver.raise_if_closed()
        _check_new_id(run_id)
        check_names(program, program.plan.name)
        row = self._new_run_row(program.plan.name, program, self.clock.now())
        row.id = row.id if run_id is None else run_id
        self._note_caller(row.id)
        run = ActiveRun(row, self.driver.run_loader.compiled_plan(program.plan), program.style, program, is_new=True)
        run.apply_entry(JournalEntry(ev.Started(program.encode_inputs(inputs), skipped_ranges)), self.clock)
        acceptance = self.driver.submit_prepared_run(run)
        acceptance.wait()
        if acceptance.result().active_run is None:
            raise _run_in_progress_error(row.id)
        return run

    def _prepare_run(self, workflow: str, inputs: Any) -> tuple[WorkflowDefinition, dict[str, Any], RunRow]:
        definition, cells = self.resolve_workflow(workflow, inputs)
        row = self._new_run_row(workflow, definition, self.clock.now())
        self._note_caller(row.id)
        return definition, cells, row

    def _note_caller(self, run_id: str) -> None:
        """The context of this call is that of the run, for event processors."""
        if self._publisher is not None:
            self._publisher.note_caller(run_id)

    def resolve_workflow(self, workflow: str, inputs: Any) -> tuple[WorkflowDefinition, dict[str, Any]]:
        """A workflow, and inputs as its cells.  Raises WorkflowNotFound, EncodingError, RunnerClosed."""
        self.driver.raise_if_closed()
        definition: WorkflowDefinition = self.registry.get(workflow).specialize(inputs)
        return definition, definition.encode_inputs(inputs)

    def _new_run_row(self, workflow: str, program: WorkflowDefinition, now: Micros) -> RunRow:
        return RunRow(
            id=ids.new_run_id(now),
            workflow=workflow,
            style=program.style.name,
            structure=program.plan.structure,
            code=program.code_fingerprint,
            created_at=now,
            deadline_at=None if self.run_timeout_seconds is None else add_seconds(now, self.run_timeout_seconds),
        )

    def wait_for_run(
        self, run_id: str, timeout_seconds: float | None = None, *, active_run: ActiveRun | None = None
    ) -> ActiveRun:
        """Wait until the run ends, or waits for a person.  `live`: the run, if it was started here.

        Raises RunNotFinished, RunNotFound, RunnerClosed.
        """
        timeout_seconds = validation.check_timeout("timeout", timeout_seconds)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        future: Future[Any] = (
            self.driver.done_future(run_id) if active_run is None or active_run.done.done else active_run.done
        )
        while True:
            left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
            if future.wait(min(left, RECHECK_SECONDS)):
                found = future.result()
                if found is not None and found.machine.ended:
                    return self._after_delivery(cast(ActiveRun, found), left)
            try:
                if self.get_run_row(run_id).status != "running":
                    return self._after_delivery(self.load_run(run_id), left)
                answers = True
            except StoreUnusable:  # it may not come back
                raise
            except StoreUnavailable:  # it comes back, and the run goes on then: whoever is in a hurry gives a timeout
                answers = False
            if deadline is not None and time.monotonic() >= deadline:
                raise RunNotFinished(f"run {run_id} did not finish within {timeout_seconds:g} s; it goes on")
            if future.done:
                if not (answers and self.driver.has_notifications):  # nobody can tell: this wait looks again
                    Future[None]().wait(min(left, self.poll_seconds))
                future = self.driver.done_future(run_id)

    def _after_delivery(self, run: ActiveRun, at_most_seconds: float = math.inf) -> ActiveRun:
        """The run, when event processors have heard of all it has come to."""
        if self._publisher is not None:
            self._publisher.delivered().wait(at_most_seconds)
        return run

    async def wait_for_run_async(self, run_id: str) -> ActiveRun:
        """`wait` in the running event loop; a cancelled wait leaves nothing behind.

        Raises RunNotFound, RunnerClosed, StoreUnusable.
        """
        import asyncio

        while True:
            future = self.driver.done_future(run_id)
            await wrap_future(future)
            found = future.result()
            if found is not None and found.machine.ended:
                if self._publisher is not None:
                    await wrap_future(self._publisher.delivered())
                return found
            try:
                if (await asyncio.to_thread(self.get_run_row, run_id)).status != "running":
                    if self._publisher is not None:
                        await wrap_future(self._publisher.delivered())
                    return await asyncio.to_thread(self.load_run, run_id)
                answers = True
            except StoreUnusable:
                raise
            except StoreUnavailable:
                answers = False
            if not (answers and self.driver.has_notifications):
                await asyncio.sleep(self.poll_seconds)

    @contextmanager
    def pause_on_interrupt(self, run_id: str, on_stop_requested: Callable[[], None] | None = None) -> Iterator[None]:
        """A block in which this thread begins a run, or goes on with it, and waits for it.

        If it is interrupted, the run is paused, its bodies are told to stop and waited for (see `Driver.interrupt`); a
        second interruption leaves at once.  Interrupted is what ends with anything but an error of this library:
        KeyboardInterrupt, or what a signal handler raises.
        """
        try:
            yield
        except HoldwaterError:
            raise
        except BaseException:
            with suppress(RunnerClosed):
                future = (
                    self.driver.interrupt_run(run_id)
                    if on_stop_requested is None
                    else self.driver.interrupt_run(run_id, on_stop_requested)
                )
                future.wait()
            raise

    def control(self, run_id: str, event: ev.Event, verb: ControlVerb) -> None:
        """Cancel, pause, resume or retry a run; returns when that is on disk.

        Raises RunNotFound, InvalidTransition, StructureChanged (retry), RunnerClosed.
        """
        validation.check_search_text("the id of a run", run_id)
        reason = getattr(event, "reason", "")
        validation.check_text("a reason", reason, max_bytes=validation.MAX_REASON_BYTES, allow_empty=True)
        if verb in ("resume", "retry"):
            self._note_caller(run_id)
        future = self.driver.request_control_event(run_id, event, retry=verb == "retry")
        future.wait()
        if not future.result():
            row = self.get_run_row(run_id)
            if verb == "cancel" and row.status in ACTIVE:
                raise InvalidTransition(
                    f"run {run_id} is already being cancelled", hint="it ends when what runs of it has ended"
                )
            why = f": {row.reason}" if row.reason and row.status == RunStatus.PAUSED else ""
            raise InvalidTransition(
                f"cannot {verb} run {run_id}: it is {row.status}{why}", hint=HINTS.get((verb, row.status), "")
            )

    def resume(self, run_id: str, inputs: Mapping[str, Any] | None = None, start: int | None = None) -> None:
        """Go on with a run that failed, was cancelled, rests, or was left behind by a process that died.

        `inputs`: cells given anew.  `start`: the node of a sequence to begin with.  Returns when this runner has it.
        Where only the lease tells whether another one still has it, waits for that to end.
        Raises RunInProgress, RunNotFound, InvalidTransition (it is completed, and there are no new inputs),
        StructureChanged, StoreUnavailable, RunnerClosed.
        """
        event = ev.Resumed("", dict(inputs or {}), start)
        self._note_caller(run_id)
        row = self.get_run_row(run_id)
        self.driver.run_loader.check_structure(row)
        if row.status == RunStatus.RUNNING:
            self._wait_until_released(run_id)
            if not event.inputs and start is None:
                if not self.claim_run(run_id):
                    raise _run_in_progress_error(run_id)
                return
            self.control(run_id, ev.CancelRequested("resumed with other inputs"), "cancel")
            row = self.get_run_row(run_id)
        try:
            self.control(run_id, event, "resume" if row.status == RunStatus.PAUSED else "retry")
        except InvalidTransition:
            if self.get_run_row(run_id).status == "running":
                raise _run_in_progress_error(run_id) from None
            raise
        self.claim_run(run_id)  # what was parked and belongs to nobody

    def claim_run(self, run_id: str) -> bool:
        """Take what nobody executes of a run and its children; whether there was any.  Raises StoreUnavailable."""
        future = self.driver.claim_run(run_id)
        future.wait()
        return future.result() > 0

    def _wait_until_released(self, run_id: str) -> None:
        """Wait until nobody holds work of the run.  Raises RunInProgress, if somebody has it and keeps it."""
        lease: Micros | None = None
        while True:
            self.store.reclaim_expired(self.clock.now(), self.clock.monotonic(), self.driver.lease_us)
            held = {row.owner: row.lease_until for row in self.store.work_of_run(run_id) if row.owner is not None}
            if not held:
                return
            until = max(held.values())
            if any(self.store.is_alive(owner) for owner in held) or (lease is not None and until > lease):
                raise _run_in_progress_error(run_id)
            lease = until
            patience = self.clock.seconds_until(lease)
            Future[None]().wait(None if patience is None else patience + LEASE_MARGIN_SECONDS)

    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str],
        *,
        idempotency_key: str | None = None,
        new_id: str | None = None,
        start_paused: bool = False,
    ) -> tuple[RunRow, ActiveRun | None]:
        """Start a run that takes over what an earlier one has, up to a task; returns when it is on disk.

        With a key that is taken: the run that has it, and None.  Where this process does not have the workflow, the
        work of the new run is left to whoever has it.  `new_id`: its id; `condition_checks`: it is born paused.

        Raises RunNotFound, TaskNotFound, StructureChanged, WorkflowError, EncodingError, DecodingError,
        IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        self.driver.raise_if_closed()
        _check_idempotency_key(idempotency_key)
        _check_new_id(new_id)
        validation.check_search_text("the task to begin with", from_task)
        for name in removed:
            validation.check_search_text("a key that is removed", name)
        row = self.get_run_row(run_id)
        self.driver.run_loader.check_structure(row)
        definition: WorkflowDefinition | None = self.registry.find(row.workflow)
        run = forking.create_fork(self.load_run(run_id), definition, from_task, values, removed, self.clock)
        if idempotency_key is not None:
            run.row.idempotency_key = idempotency_key
            edits = {str(i): values for i, values in run.machine.overrides.items()}
            run.row.inputs_digest = input_digest.digest_of_cells({"fork": run_id, "from": from_task, **edits})
        if new_id is not None:
            run.row.id = new_id
        if start_paused:
            run.apply_entry(JournalEntry(ev.Paused("forked: it goes on when it is run")), self.clock)
        self._note_caller(run.row.id)
        acceptance = self.driver.submit_prepared_run(run)
        acceptance.wait()
        if new_id is not None and acceptance.result().active_run is None:
            raise IdempotencyConflict(f"there is a run {new_id!r} already", hint="choose another id for the fork")
        return _wait_until_accepted(acceptance, run.row)

    # -- questions

    def pauses(self, run_id: str) -> list[Pause]:
        """The open questions of a run and its children.  Raises RunNotFound, StoreError."""
        return pauses.find_open_pauses(self.load_run(run_id), RunReader(self.store).find_run)

    def answer(self, run_id: str, key: str | None, value: Any) -> Pause:
        """Answer an open question, by its pause id or the name of its answer; None: the only one.

        Returns when the answer is on disk..  Raises PauseNotFound, AnswerError, RunNotFound, EncodingError,
        RunnerClosed.
        """
        pause = self.find_pause(run_id, key)
        self.submit_answer(pause, value)
        return pause

    def find_pause(self, run_id: str, key: str | None) -> Pause:
        """An open question, by its pause id or the name of its answer; None: the only one.

        Raises PauseNotFound, RunNotFound.
        """
        found = None if key is None else pauses.find_pause(key, self.load_run(run_id), RunReader(self.store).find_run)
        return pauses.single_pause(self.pauses(run_id), key, run_id) if found is None else found

    def submit_answer(self, pause: Pause, value: Any) -> None:
        """Answer this question; raises as `answer` does."""
        asking = self.driver.run_loader.load_run(pause.asking_run_id)
        unchecked = asking.definition is None
        if asking.definition is not None:
            cells = asking.definition.encode_answer(pause.node_index, value)
        else:
            wrong = None if pause.answer_schema is None else first_violation(pause.answer_schema, value)
            if wrong is not None:
                raise AnswerError(f"the answer {pause.answer_name!r} to {pause.pause_id!r} does not fit: {wrong}")
            cells = asking.style.encode_answer(len(asking.compiled_plan.plan.nodes[pause.node_index].writes), value)
        future = self.driver.request_control_event(
            pause.asking_run_id, ev.InputProvided(pause.node_index, cells, pause.fence, unchecked)
        )
        future.wait()
        if not future.result():
            raise PauseNotFound(f"nobody waits for an answer to {pause.pause_id!r} any more: somebody was faster")

    # -- reading

    def get_run_row(self, run_id: str) -> RunRow:
        """Raises RunNotFound, InvalidArgument."""
        row = self.store.get_run(validation.check_search_text("the id of a run", run_id))
        if row is None:
            raise RunNotFound(f"there is no run {run_id!r} in {self.store.url}")
        return row

    def load_run(self, run_id: str) -> ActiveRun:
        """The run as the store has it, folded; needs no code of the user.  Raises RunNotFound, StoreError."""
        return read_run(self.store, self.get_run_row(run_id))

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        """The events of a run behind a journal number or a position, until it has ended; see `RunFollower`.

        Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable.
        """
        driver = self.driver
        return RunFollower(
            self.store, driver.journal_watchers, run_id, after, has_notifications=driver.has_notifications
        )

    def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        return self.store.list_runs(run_filter)

    def read_activities(self, rows: Sequence[RunRow]) -> dict[str, Activity]:
        """Activities of runs, by id.  Raises StoreUnavailable."""
        return activity.read_activities(self.store, rows, self.clock.now())

    def prune(self, before: Micros, keep: Collection[str] = ()) -> int:
        """Delete runs that ended before an instant, with their children; returns how many.

        One stays as long as any of its family has not ended or is in `keep`.  Raises StoreUnavailable, RunnerClosed.
        """
        self.driver.raise_if_closed()
        kept, gone = frozenset(keep), 0
        after: Cursor | None = FIRST_CURSOR
        while after is not None:
            forgotten = self.store.prune(before, kept, PRUNE_BATCH_RUNS, after)
            gone += forgotten.pruned_count
            after = forgotten.next_cursor
        return gone


@atexit.register
def close_open_engines() -> None:
    """At interpreter exit: let running bodies end for a moment, leave the rest resumable."""
    for engine in list(_OPEN_ENGINES):
        engine.close(EXIT_DRAIN_SECONDS)


def _wait_until_accepted(acceptance: Future[Accepted], row: RunRow) -> tuple[RunRow, ActiveRun | None]:
    acceptance.wait()
    begun = acceptance.result()
    if begun.active_run is None and begun.row.inputs_digest != row.inputs_digest:
        raise IdempotencyConflict(
            f"idempotency key {row.idempotency_key!r} of workflow {row.workflow!r} belongs to run {begun.row.id}, "
            "which was started with another context",
            hint="use a new key for new inputs",
        )
    return begun.row, begun.active_run


def _check_idempotency_key(key: str | None) -> None:
    if key is not None:
        validation.check_text("an idempotency key", key, max_bytes=validation.MAX_IDEMPOTENCY_KEY_BYTES)


def _check_new_id(run_id: str | None) -> None:
    if run_id is not None:
        validation.check_text("the id of a run", run_id, max_bytes=validation.MAX_RUN_ID_BYTES)


def _run_in_progress_error(run_id: str) -> RunInProgress:
    return RunInProgress(
        f"run {run_id} is being executed by another process", hint="wait for it, or cancel it and resume it then"
    )


def has_ended(row: RunRow) -> bool:
    return row.status in FINAL_STATUSES
