"""Control of recorded runs: cancel, pause, resume, retry, answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from holdwater.engine.active_release import find_active_release
from holdwater.engine.event_publisher import EventPublisher
from holdwater.errors import AnswerError, InvalidArgument, InvalidTransition, PauseNotFound, RunInProgress
from holdwater.model import events as ev
from holdwater.model import validation
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.provenance import check_author
from holdwater.model.registry import Registry
from holdwater.model.schema_validation import first_violation
from holdwater.model.statuses import ACTIVE_STATUSES, RunStatus
from holdwater.model.time import Micros
from holdwater.runs.open_pauses import Pause
from holdwater.runs.reader import RunReader
from holdwater.runtime.driver import Driver
from holdwater.runtime.future import Future

LEASE_MARGIN_SECONDS: Final = 0.2
"""time after its end at which a lease is checked; a living owner has renewed it long before"""

ControlVerb = Literal["cancel", "pause", "resume", "retry"]
HINTS: Final = {
    ("retry", "running"): "only a run that has ended is retried: wait for it, or cancel it",
    ("retry", "paused"): "only a run that has ended is retried: resume it, or answer what it asks",
    ("retry", "completed"): "there is nothing to retry; fork it to run a part of it again",
    (
        "resume",
        "running",
    ): "only a paused run is resumed; if none executes it, start a runner that has its workflow",
    ("resume", "paused"): "it waits for an answer, and goes on when that is given",
    ("resume", "failed"): "retry it",
    ("resume", "cancelled"): "retry it",
}
"""(verb, status) that is refused -> hint"""


class RunCommands:
    """Controls runs of one store, whichever process executes them; each method returns when its request is on disk.

    `by`: the author, recorded with the request, as `cli:alice`.
    Raises RunNotFound, InvalidTransition, InvalidArgument, StoreUnavailable, RunnerClosed.
    """

    def __init__(
        self,
        driver: Driver,
        reader: RunReader,
        store: Store,
        clock: Clock,
        registry: Registry,
        publisher: EventPublisher | None,
    ) -> None:
        self._driver, self._reader, self._store, self._clock = driver, reader, store, clock
        self._registry = registry
        self._publisher = publisher

    def cancel(self, run_id: str, reason: str = "", *, by: str = "") -> None:
        """End a run: nothing more of it starts, and running functions are told."""
        self._request(run_id, ev.CancelRequested(reason, by), "cancel")

    def pause(self, run_id: str, reason: str = "", *, by: str = "") -> None:
        """Start nothing more of a run for now; running functions end as usual."""
        self._request(run_id, ev.Paused(reason, by), "pause")

    def resume(self, run_id: str, reason: str = "", *, by: str = "") -> None:
        """Let a paused run go on."""
        self._request(run_id, ev.Resumed(reason, by=by), "resume")

    def retry(self, run_id: str, reason: str = "", *, by: str = "", release: Literal["active"] | None = None) -> None:
        """Try again what failed or was cancelled in a run that has ended.

        `release`: "active" moves it to the release that new runs of its workflow take, if that has the structure it was
        recorded under; otherwise it stays on its own.  Raises StructureChanged, WorkflowNotFound, too.
        """
        self._request(run_id, ev.Resumed(reason, by=by, release=self._target_release(run_id, release)), "retry")

    def _target_release(self, run_id: str, release: str | None) -> str | None:
        """Return the release a run is to be moved to, as in `Resumed`; None if it stays."""
        if release is None:
            return None
        if release != "active":
            raise InvalidArgument(f"a run is retried on its own release, or on 'active', not on {release!r:.100}")
        row = self._reader.row(validation.check_search_text("the id of a run", run_id))
        found = find_active_release(row, self._registry, self._store)
        return None if found == row.release else found or ev.CODE_RELEASE

    def _request(self, run_id: str, event: ev.Event, verb: ControlVerb) -> None:
        validation.check_search_text("the id of a run", run_id)
        reason = getattr(event, "reason", "")
        validation.check_text("a reason", reason, max_bytes=validation.MAX_REASON_BYTES, allow_empty=True)
        check_author(getattr(event, "by", ""))
        if verb in ("resume", "retry"):
            self._note_caller(run_id)
        taken = self._driver.request_control_event(run_id, event, retry=verb == "retry")
        taken.wait()
        if taken.result():
            return
        row = self._reader.row(run_id)
        if verb == "cancel" and row.status in ACTIVE_STATUSES:
            raise InvalidTransition(
                f"run {run_id} is already being cancelled", hint="it ends when what runs of it has ended"
            )
        why = f": {row.reason}" if row.reason and row.status == RunStatus.PAUSED else ""
        raise InvalidTransition(
            f"cannot {verb} run {run_id}: it is {row.status}{why}", hint=HINTS.get((verb, row.status), "")
        )

    def _note_caller(self, run_id: str) -> None:
        """Record the context of this call as that of the run, for event processors."""
        if self._publisher is not None:
            self._publisher.note_caller(run_id)

    # -- executing a recorded run here

    def continue_here(self, run_id: str, inputs: Mapping[str, Any] | None = None, start: int | None = None) -> None:
        """Continue, in this process, a run that failed, was cancelled or paused, or whose process died.

        `inputs`: cells to replace.  `start`: the node of a sequence to begin with.
        If only the lease tells that another process still has the run, waits for the end of the lease.
        Raises RunInProgress, InvalidTransition (it is completed, and there are no new inputs), StructureChanged.
        """
        event = ev.Resumed("", dict(inputs or {}), start)
        self._note_caller(run_id)
        head = self._reader.row(run_id)
        self._driver.run_loader.check_structure(head)
        if head.status == RunStatus.RUNNING:
            self._wait_until_released(run_id)
            if not event.inputs and start is None:
                if not self.claim(run_id):
                    raise run_in_progress_error(run_id)
                return
            self.cancel(run_id, "resumed with other inputs")
            head = self._reader.row(run_id)
        try:
            self._request(run_id, event, "resume" if head.status == RunStatus.PAUSED else "retry")
        except InvalidTransition:
            if self._reader.row(run_id).status == "running":
                raise run_in_progress_error(run_id) from None
            raise
        self.claim(run_id)  # work that was parked and has no owner

    def claim(self, run_id: str) -> bool:
        """Claim the unowned work of a run and its children; True if there was any."""
        promise = self._driver.claim_run(run_id)
        promise.wait()
        return promise.result() > 0

    def _wait_until_released(self, run_id: str) -> None:
        """Wait until no process holds work of the run.  Raises RunInProgress if one has it and renews its lease."""
        lease: Micros | None = None
        while True:
            self._store.reclaim_expired(self._clock.now(), self._clock.monotonic(), self._driver.lease_us)
            held = {row.owner: row.lease_until for row in self._store.work_of_run(run_id) if row.owner is not None}
            if not held:
                return
            until = max(held.values())
            if any(self._store.is_alive(owner) for owner in held) or (lease is not None and until > lease):
                raise run_in_progress_error(run_id)
            lease = until
            patience = self._clock.seconds_until(lease)
            Future[None]().wait(None if patience is None else patience + LEASE_MARGIN_SECONDS)

    # -- questions

    def answer(self, run_id: str, key: str | None, value: Any, *, by: str = "") -> Pause:
        """Answer an open question, by its pause id or the name of its answer; None: the only one.

        Returns when the answer is on disk.
        Raises PauseNotFound, AnswerError, RunNotFound, EncodingError, RunnerClosed.
        """
        pause = self._reader.find_pause(run_id, key)
        self.submit_answer(pause, value, by=by)
        return pause

    def submit_answer(self, pause: Pause, value: Any, *, by: str = "") -> None:
        """Answer this question.  Raises PauseNotFound, AnswerError, EncodingError, InvalidArgument, RunnerClosed."""
        check_author(by)
        asking = self._driver.run_loader.load_run(pause.asking_run_id)
        unchecked = asking.definition is None or not asking.definition.has_code
        if asking.definition is not None:
            cells = asking.definition.encode_answer(pause.node_index, value)
        else:
            wrong = None if pause.answer_schema is None else first_violation(pause.answer_schema, value)
            if wrong is not None:
                raise AnswerError(f"the answer {pause.answer_name!r} to {pause.pause_id!r} does not fit: {wrong}")
            cells = asking.style.encode_answer(len(asking.plan.nodes[pause.node_index].writes), value)
        promise = self._driver.request_control_event(
            pause.asking_run_id, ev.InputProvided(pause.node_index, cells, pause.fence, unchecked, by)
        )
        promise.wait()
        if not promise.result():
            raise PauseNotFound(f"pause {pause.pause_id!r} was answered already, by another process")


def run_in_progress_error(run_id: str) -> RunInProgress:
    """Create the error for a run that another process executes."""
    return RunInProgress(
        f"run {run_id} is being executed by another process", hint="wait for it, or cancel it and resume it then"
    )
