"""One engine: a store, a driver on it, and the definitions this process knows."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from holdwater.engine.announced_runs import AnnouncedRuns
from holdwater.engine.event_publisher import EventPublisher
from holdwater.engine.metering import EngineMeter, metered
from holdwater.engine.run_batches import RunBatches, StartedRun, check_idempotency_key
from holdwater.engine.run_commands import RunCommands, run_in_progress_error
from holdwater.engine.secret_reader import SecretReader
from holdwater.engine.waiting import RunFuture, RunWaiter
from holdwater.errors import (
    HoldwaterError,
    IdempotencyConflict,
    RunnerClosed,
)
from holdwater.events.processors import EventProcessor
from holdwater.events.run_events import EventPosition
from holdwater.model import events as ev
from holdwater.model import ids, input_digest, validation
from holdwater.model.child_inputs import InputsToSelect
from holdwater.model.claim_keys import split_claim_key
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.provenance import FROM_CODE, Provenance, check_author
from holdwater.model.records import RunRow
from holdwater.model.registry import Registry, check_names
from holdwater.model.registry import registry as known
from holdwater.model.time import Micros, add_seconds
from holdwater.runs.authoring_styles import STYLES
from holdwater.runs.follow import RunFollower, StoreRunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.reader import ChangeChannel, RunReader
from holdwater.runs.view import RunView
from holdwater.runtime import forking
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.driver import Driver
from holdwater.runtime.future import Future
from holdwater.runtime.run_table import Accepted
from holdwater.runtime.services.children.calls import ChildCaller
from holdwater.storage import StoreOptions, open_store

EXIT_DRAIN_SECONDS: Final = 5.0

_OPEN_ENGINES: Final[set[Engine]] = set()
"""open engines; they are closed at interpreter exit"""


class Engine:
    """One store with a driver that works on it: starts runs, controls them and waits for them.  Thread-safe.

    `reader` reads runs, `driver` executes them, `registry` has the workflows of this process.  `batches` starts
    many runs at once, and runs of workflows that other processes have announced.
    """

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
        to_result: Callable[[RunView], Any] = lambda run: run,
        store: Store | None = None,
        event_processors: Sequence[EventProcessor] = (),
        meter: EngineMeter | None = None,
    ) -> None:
        """`poll_seconds`: how often a wait looks at a run of another process, where the store sends no notifications.

        `to_result`: what a task function gets for a child run that has ended.  `meter`: told of what it does.
        """
        self.clock: Clock = clock or SystemClock()
        self.registry = registry
        self.run_timeout_seconds = run_timeout_seconds
        self.owner = ids.new_owner_id(driver_config.runner_id)
        opened = open_store(url, options) if store is None else store
        self.store = opened if meter is None else metered(opened, meter)
        self.reader = RunReader(self.store, self.clock)
        self._unsubscribe_callbacks: list[Callable[[], None]] = []
        try:
            self.driver = Driver(
                self.store,
                self.owner,
                driver_config,
                self.clock,
                STYLES,
                registry,
                self._new_run_row,
                self._on_driver_stopped,
            )
            self._publisher = EventPublisher(event_processors, self.driver.error_log.add) if event_processors else None
            caller = ChildCaller(
                self.resolve_workflow, self.driver.start_child_call, lambda run: to_result(self.reader.view_of(run))
            )
            if meter is not None:
                self.driver.add_listeners(meter.on_entries, meter.on_run_ended)
            self.driver.start(caller, self._publisher, SecretReader(self.store))
            self.reader.use_channel(ChangeChannel(self.driver.journal_watchers, self.driver.has_notifications))
        except BaseException:
            self.store.close()
            raise
        self._waiter = RunWaiter(self.driver, self.reader, poll_seconds, self._publisher)
        announced = AnnouncedRuns(self.store, self.driver.run_loader, self.clock)
        self.batches = RunBatches(
            self.driver, announced, self._prepare_run, self._note_caller, self._wait_until_accepted
        )
        self.control = RunCommands(self.driver, self.reader, self.store, self.clock, registry, self._publisher)
        _OPEN_ENGINES.add(self)
        self._unsubscribe_callbacks += [
            registry.add_listener(lambda name, program: self.driver.check_for_work()),
            registry.triggers.add_listener(self.driver.check_for_work),
        ]

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Drain, leave the rest resumable, release everything.  Idempotent.

        Without `wait` the driver's thread sees to it: a garbage collector may call from any thread, holding any lock.
        """
        self.driver.close(drain_seconds, wait=wait)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback`, from the driver's thread, when this engine executes nothing any more; its store is open."""
        self._unsubscribe_callbacks.append(callback)

    def _on_driver_stopped(self) -> None:
        for stop in self._unsubscribe_callbacks:  # which take locks
            stop()
        if self._publisher is not None:
            self._publisher.close()
        self.store.close()
        _OPEN_ENGINES.discard(self)

    # -- runs

    def submit(
        self,
        workflow: str,
        inputs: Any,
        *,
        idempotency_key: str | None = None,
        provenance: Provenance = FROM_CODE,
    ) -> StartedRun:
        """Start a run; returns when it is on disk.  With a key that is taken: the run that has it.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        check_idempotency_key(idempotency_key)
        definition, cells, row = self._prepare_run(workflow, inputs, provenance)
        if idempotency_key is not None:
            row.idempotency_key = idempotency_key
            row.inputs_digest = input_digest.digest_of_cells(cells)
        accepted, _ = self.driver.submit_run(definition, cells, row)
        return self._wait_until_accepted(accepted, row)

    def execute(self, workflow: str, inputs: Any, *, provenance: Provenance = FROM_CODE) -> RunView:
        """Start a run and wait until it has ended or is paused: one wait, where `submit` and `wait_for_run` are two.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, StoreUnavailable, RunnerClosed.
        """
        _, settled = self.driver.submit_run(*self._prepare_run(workflow, inputs, provenance))
        settled.wait()
        run = settled.result()
        return self._waiter.delivered(run) if run.ended else self.wait_for_run(run.row.id)

    def start_run(
        self,
        program: WorkflowDefinition,
        inputs: Any,
        *,
        run_id: str | None = None,
        skipped_ranges: tuple[str, ...] = (),
        provenance: Provenance = FROM_CODE,
    ) -> RunFuture:
        """Start a run of this definition, under an id of the caller's; returns when it is on disk.

        `skipped_ranges`: as in `Started`.
        Raises RunInProgress if there is a run of this id, EncodingError, InvalidArgument, StoreUnavailable,
        RunnerClosed.
        """
        self.driver.raise_if_closed()
        _check_new_id(run_id)
        check_names(program, program.plan.name)
        row = self._new_run_row(program.plan.name, program, self.clock.now())
        _write_provenance(provenance, row)
        row.id = row.id if run_id is None else run_id
        self._note_caller(row.id)
        run = self.driver.run_loader.new_run(row, program)
        run.apply_entry(JournalEntry(ev.Started(program.encode_inputs(inputs), skipped_ranges)), self.clock)
        accepted = self.driver.submit_prepared_run(run)
        accepted.wait()
        if accepted.result().active_run is None:
            raise run_in_progress_error(row.id)
        return self._future(row.id, run)

    def _prepare_run(
        self, workflow: str, inputs: Any, provenance: Provenance
    ) -> tuple[WorkflowDefinition, dict[str, Any], RunRow]:
        definition, cells = self.resolve_workflow(workflow, inputs)
        row = self._new_run_row(workflow, definition, self.clock.now())
        _write_provenance(provenance, row)
        self._note_caller(row.id)
        return definition, cells, row

    def _note_caller(self, run_id: str) -> None:
        """Record the context of this call as that of the run, for event processors."""
        if self._publisher is not None:
            self._publisher.note_caller(run_id)

    def resolve_workflow(
        self, workflow: str, inputs: Any, release: str | None = None
    ) -> tuple[WorkflowDefinition, dict[str, Any]]:
        """Resolve a workflow, and encode inputs as its cells.  `release`: where to look first.

        Raises WorkflowNotFound, EncodingError, RunnerClosed.
        """
        self.driver.raise_if_closed()
        known = None if release is None else self.registry.find_in_release(workflow, release)
        if known is None:
            known = self.registry.get(workflow)
        if isinstance(inputs, InputsToSelect):
            inputs = known.select_inputs(inputs.values)
        definition: WorkflowDefinition = known.specialize(inputs)
        return definition, definition.encode_inputs(inputs)

    def _new_run_row(self, workflow: str, program: WorkflowDefinition, now: Micros) -> RunRow:
        return RunRow(
            id=ids.new_run_id(now),
            workflow=workflow if program.release is None else split_claim_key(workflow)[0],
            style=program.style.name,
            structure=program.plan.structure,
            code=program.code_fingerprint,
            created_at=now,
            deadline_at=None if self.run_timeout_seconds is None else add_seconds(now, self.run_timeout_seconds),
            release=program.release,
        )

    def check_structure(self, run: RunView) -> None:
        """Check that this process has the run's structure of its workflow.  Raises StructureChanged."""
        self.driver.run_loader.check_structure(run.info)

    # -- waiting

    def future(self, run_id: str) -> RunFuture:
        """Return a future of a run that was started earlier or by another process."""
        return self._future(run_id)

    def wait_for_run(self, run_id: str, timeout_seconds: float | None = None) -> RunView:
        """Wait until a run ends or is paused.  Raises RunNotFinished, RunNotFound, RunnerClosed, StoreUnusable."""
        return self._waiter.wait(run_id, timeout_seconds)

    async def wait_for_run_async(self, run_id: str) -> RunView:
        """`wait_for_run` in the running event loop.  Raises RunNotFound, RunnerClosed, StoreUnusable."""
        return await self._waiter.wait_async(run_id)

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        """Follow the events of a run behind a journal number or a position, until it has ended; see `RunFollower`.

        Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable.
        """
        driver = self.driver
        return StoreRunFollower(
            self.store, driver.journal_watchers, run_id, after, has_notifications=driver.has_notifications
        )

    def _future(self, run_id: str, started: ActiveRun | None = None) -> RunFuture:
        return RunFuture(self.driver, self._waiter, run_id, started)

    def _wait_until_accepted(self, acceptance: Future[Accepted], row: RunRow) -> StartedRun:
        acceptance.wait()
        accepted = acceptance.result()
        if accepted.active_run is None and accepted.row.inputs_digest != row.inputs_digest:
            raise IdempotencyConflict(
                f"idempotency key {row.idempotency_key!r} of workflow {row.workflow!r} belongs to run "
                f"{accepted.row.id}, which was started with another context",
                hint="use a new key for new inputs",
            )
        found = accepted.row
        return StartedRun(
            RunInfo.from_row(found), accepted.active_run is not None, self._future(found.id, accepted.active_run)
        )

    @contextmanager
    def pause_on_interrupt(self, run_id: str, on_stop_requested: Callable[[], None] | None = None) -> Iterator[None]:
        """Pause the run if the block, in which this thread starts or resumes it and waits for it, is interrupted.

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
        by: str = "",
    ) -> StartedRun:
        """Start a run that takes over what an earlier one has, up to a task; returns when it is on disk.

        With a key that is taken: the run that has it.  Where this process does not have the workflow, the work of the
        new run is left to a runner that has it.  `new_id`: its id; `start_paused`: it is created paused.  `by`: its
        author.  It has the labels of the earlier run.

        Raises RunNotFound, TaskNotFound, StructureChanged, WorkflowError, EncodingError, DecodingError,
        IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        self.driver.raise_if_closed()
        check_idempotency_key(idempotency_key)
        _check_new_id(new_id)
        check_author(by)
        validation.check_search_text("the task to begin with", from_task)
        for name in removed:
            validation.check_search_text("a key that is removed", name)
        head = self.reader.row(run_id)
        self.driver.run_loader.check_structure(head)
        program = self.registry.find_in_release(head.workflow, head.release)
        run = forking.create_fork(self.reader.fold(head), program, from_task, values, removed, self.clock, by)
        if idempotency_key is not None:
            run.row.idempotency_key = idempotency_key
            run.row.inputs_digest = input_digest.digest_of_cells(forking.fork_cells(run, run_id, from_task))
        if new_id is not None:
            run.row.id = new_id
        if start_paused:
            run.apply_entry(JournalEntry(ev.Paused("forked: it goes on when it is run", by)), self.clock)
        self._note_caller(run.row.id)
        accepted = self.driver.submit_prepared_run(run)
        accepted.wait()
        if new_id is not None and accepted.result().active_run is None:
            raise IdempotencyConflict(f"there is a run {new_id!r} already", hint="choose another id for the fork")
        return self._wait_until_accepted(accepted, run.row)


@atexit.register
def close_open_engines() -> None:
    """At interpreter exit: let running bodies end for a moment, leave the rest resumable."""
    for engine in list(_OPEN_ENGINES):
        engine.close(EXIT_DRAIN_SECONDS)


def _write_provenance(provenance: Provenance, row: RunRow) -> None:
    if provenance is not FROM_CODE:
        provenance.check()
    provenance.write_to(row)


def _check_new_id(run_id: str | None) -> None:
    if run_id is not None:
        validation.check_text("the id of a run", run_id, max_bytes=validation.MAX_RUN_ID_BYTES)
