"""Child runs that bodies ask for and wait for.

A call is identified by the attempt it comes from, the workflow, a digest of the inputs, and its ordinal among equal
calls of that attempt; or by a key of the body's own in the place of digest and ordinal.  The identity is the
idempotency key of the child, so a call that is made again after a crash finds the run it made before, in whatever
order calls come.  An attempt is its node and the fence under which it was issued first, which no crash changes and
every failure does.

Waiting costs no thread and no polling: the loop follows each child and keeps the promise of the call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import IdempotencyConflict, RunNotFound, StoreError, StoreUnavailable, TaskEnded
from holdwater.model import events as ev
from holdwater.model import input_digest
from holdwater.model.commands import Execute
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.records import RunFilter, RunRow
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.runtime.driver import Accepted, Driver

POLL_INTERVAL_US: Final = 100_000
"""how often a child that runs elsewhere is looked at, where the store does not tell"""
PAGE_SIZE_RUNS: Final = 1000
MAX_INPUTS_CHARS: Final = 300
"""how much of a call's inputs an error shows"""


@dataclass(slots=True, eq=False)
class ChildCall:
    """What a body asks for: a run of `workflow` with `cells`.

    `to_result` makes what the body gets of a run that has ended.
    """

    attempt: Attempt
    workflow: str
    definition: WorkflowDefinition
    inputs: dict[str, Any]
    key: str | None
    to_result: Callable[[ActiveRun], Any]
    inputs_digest: str = ""
    idempotency_key: str = ""
    child_id: str = ""
    future: Future[Any] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.inputs_digest = input_digest.digest_of_cells(self.inputs)


class ChildCalls:
    """The driver's part of calls.  Only its thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._pending_calls: dict[ChildCall, None] = {}
        """calls whose promises are not kept yet"""
        self._attempt_by_child: dict[str, dict[str, Attempt]] = {}
        """run -> child runs its bodies have started or found here, as long as they go on -> the attempt that did"""
        self.ended_attempts: dict[str, list[Attempt]] = {}
        """run -> attempts that have ended, which is not on disk yet"""

    def start_call(self, call: ChildCall) -> None:
        """Start the child, or find it, and follow it to its end."""
        self._pending_calls[call] = None
        self._run_guarded(call, lambda: self._assign_idempotency_key(call))

    def _run_guarded(self, call: ChildCall, action: Callable[[], None]) -> None:
        """Whatever goes wrong in it is the call's, and nobody else's."""
        if call.future.done:
            return
        try:
            action()
        except BaseException as error:  # noqa: BLE001
            self._reject_call(call, error)

    def _reject_call(self, call: ChildCall, error: BaseException) -> None:
        self._pending_calls.pop(call, None)
        call.future.set_exception(error)

    # -- birth

    def _assign_idempotency_key(self, call: ChildCall) -> None:
        attempt = call.attempt
        child_ref = _attempt_key(attempt)
        if attempt.call_ordinals is None:
            attempt.call_ordinals = {}
            self._cancel_children_of_failed_attempts(attempt)
        asked: list[Any] = [attempt.run_id, child_ref, call.workflow]
        if call.key is not None:
            asked += ["key", call.key]
        else:
            same = f"{call.workflow}\0{call.inputs_digest}"
            attempt.call_ordinals[same] = ordinal = attempt.call_ordinals.get(same, 0) + 1
            asked += [call.inputs_digest, ordinal]
        call.idempotency_key = f"{child_ref}:" + hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
        self._start_child(call)

    def _start_child(self, call: ChildCall) -> None:
        """Raises HoldwaterError if it cannot run here."""
        driver, attempt = self._driver, call.attempt
        parent = driver.active_runs.get(attempt.run_id)
        if parent is None or parent.attempts.get(attempt.node) is not attempt:
            raise TaskEnded(f"the attempt of task {attempt.name!r} of run {attempt.run_id} is over")
        driver.dispatcher.check_routes(call.definition)
        head = driver.new_run_row(call.workflow, call.definition, driver.clock.now())
        row = replace(
            head, parent_id=attempt.run_id, idempotency_key=call.idempotency_key, inputs_digest=call.inputs_digest
        )
        child = ActiveRun(
            row,
            driver.run_loader.compiled_plan(call.definition.plan),
            call.definition.style,
            call.definition,
            is_new=True,
        )
        child.apply_entry(JournalEntry(ev.Started(call.inputs)), driver.clock)
        acceptance: Future[Accepted] = Future()
        acceptance.add_done_callback(lambda _: self._run_guarded(call, lambda: self._on_accepted(call, acceptance)))
        driver.add_new_run(child, acceptance)

    def _on_accepted(self, call: ChildCall, accepted: Future[Accepted]) -> None:
        try:
            begun = accepted.result()
        except StoreUnavailable:  # not accepted, as far as anybody knows; if it was after all, it is found
            self._retry_when_store_answers(call, lambda: self._start_child(call))
            return
        call.child_id = begun.row.id
        if begun.row.inputs_digest != call.inputs_digest:
            self._raise_key_conflict(call)
            return
        if begun.row.finished_at is None:
            self._track_child(call)
        self._watch_child(call, None if begun.active_run is None else begun.active_run.done)

    def _raise_key_conflict(self, call: ChildCall) -> None:
        """Its key belongs to a call with other inputs.  Raises IdempotencyConflict."""
        try:
            first = self._driver.run_loader.load_run(call.child_id)
        except StoreUnavailable:
            self._driver.back_off_store()
            self._retry_when_store_answers(call, lambda: self._raise_key_conflict(call))
            return
        given = next((e.event.inputs for e in first.entries if isinstance(e.event, ev.Started)), {})
        raise IdempotencyConflict(
            f"task {call.attempt.name!r} of run {call.attempt.run_id} asked for {call.workflow!r} under the key "
            f"{call.key!r} twice, with different inputs: first {_format_inputs(given)}, which is run {call.child_id}, "
            f"and now {_format_inputs(call.inputs)}",
            hint="give each call a key of its own, or none: then calls are told apart by their inputs",
        )

    # -- the way to its end

    def _watch_child(self, call: ChildCall, done_future: Future[ActiveRun] | None) -> None:
        if done_future is None:
            self._check_child(call)
        else:
            done_future.add_done_callback(
                lambda p: self._driver.call_soon(lambda: self._run_guarded(call, lambda: self._on_child_done(call, p)))
            )

    def _on_child_done(self, call: ChildCall, done_future: Future[ActiveRun]) -> None:
        """The child has ended, or rests, or nobody here knows any more."""
        try:
            child = done_future.result()
        except StoreError:
            self._check_child(call)
        else:
            if child.machine.ended and not child.has_unsaved_changes:
                self._resolve_call(call, child)
            else:
                self._check_child(call)

    def _check_child(self, call: ChildCall) -> None:
        """See what has become of the child.  One that rests is waited for: it is for a person to let it go on."""
        driver, run_id = self._driver, call.child_id
        live = driver.active_runs.get(run_id)
        if live is not None and not live.done.done:
            self._watch_child(call, live.done)
            return
        if driver.clock.now() < driver.store_retry_at:
            self._retry_when_store_answers(call, lambda: self._check_child(call))
            return
        notification = (
            driver.next_notification_of(run_id) if driver.has_notifications or live is not None else None
        )  # what comes after this makes news
        try:
            row = driver.store.get_run(run_id)
            if row is None:
                raise RunNotFound(f"child run {run_id} is not in the store any more")
            if row.finished_at is not None:
                self._resolve_call(call, driver.run_loader.load_run(run_id))
                return
        except StoreError:
            driver.back_off_store()
            self._retry_when_store_answers(call, lambda: self._check_child(call))
            return
        if notification is not None:
            notification.add_done_callback(
                lambda _: driver.call_soon(lambda: self._run_guarded(call, lambda: self._check_child(call)))
            )
        else:
            at = Micros(driver.clock.now() + POLL_INTERVAL_US)
            driver.timers.call_at(at, lambda: self._run_guarded(call, lambda: self._check_child(call)))

    def _retry_when_store_answers(self, call: ChildCall, action: Callable[[], None]) -> None:
        """The store does not answer, which is waited out."""
        self._driver.timers.call_at(self._driver.store_retry_at, lambda: self._run_guarded(call, action))

    def _resolve_call(self, call: ChildCall, child: ActiveRun) -> None:
        self._untrack_child(call.attempt.run_id, call.child_id)
        result = call.to_result(child)
        self._pending_calls.pop(call, None)
        call.future.set_result(result)

    def _untrack_child(self, run_id: str, child_id: str) -> None:
        children = self._attempt_by_child.get(run_id)
        if children is not None:
            children.pop(child_id, None)
            if not children:
                del self._attempt_by_child[run_id]

    # -- children end with the attempt that has started them

    def _track_child(self, call: ChildCall) -> None:
        attempt, run_id = call.attempt, call.attempt.run_id
        parent = self._driver.active_runs.get(run_id)
        if parent is None:
            self._cancel_if_orphaned(run_id, call.child_id)
            return
        self._attempt_by_child.setdefault(run_id, {})[call.child_id] = attempt
        if parent.attempts.get(attempt.node) is not attempt:
            self.on_attempt_ended(attempt)
            if not parent.has_unsaved_changes:
                self.on_committed(parent)

    def _cancel_if_orphaned(self, run_id: str, child_id: str) -> None:
        try:
            row = self._driver.store.get_run(run_id)
        except StoreError:
            return  # found by a scan
        if row is None or row.finished_at is not None:
            self._driver.run_control.cancel_child(child_id)

    def on_attempt_ended(self, attempt: Attempt) -> None:
        """An attempt has ended; when that is on disk, nobody will ask for what its children come to."""
        if attempt.call_ordinals is not None or attempt.first_fence != attempt.fence:
            self.ended_attempts.setdefault(attempt.run_id, []).append(attempt)

    def on_committed(self, run: ActiveRun) -> None:
        """What was decided of a run is on disk, or was refused."""
        for attempt in self.ended_attempts.pop(run.row.id, ()):
            command = run.machine.todo.get(attempt.node)
            if type(command) is Execute and command.first_fence == attempt.first_fence:
                continue  # another runner has taken it over, and finds the children again
            children = self._attempt_by_child.get(run.row.id, {})
            for child in [child for child, by in children.items() if by is attempt]:
                self._cancel_child(run.row.id, child)
            if attempt.first_fence != attempt.fence:  # the processes that died in it may have started others
                self._cancel_stored_children(run.row.id, _attempt_key(attempt).__eq__)

    def on_run_ended(self, run: ActiveRun) -> None:
        """A run has ended."""
        self.ended_attempts.pop(run.row.id, None)
        for child in self._attempt_by_child.pop(run.row.id, ()):
            self._driver.run_control.cancel_child(child)
        if run.machine.crash_counts:  # whoever died may have started some
            self._cancel_stored_children(run.row.id, lambda _: True)

    def _cancel_children_of_failed_attempts(self, attempt: Attempt) -> None:
        """Whoever recorded that they had failed may have died before it could end their children."""
        run = self._driver.active_runs.get(attempt.run_id)
        if attempt.number > 1 and run is not None and run.is_from_store:
            own, node = _attempt_key(attempt), f"child:{attempt.node}."
            self._cancel_stored_children(attempt.run_id, lambda place: place.startswith(node) and place != own)

    def _cancel_stored_children(self, run_id: str, matches_attempt: Callable[[str], bool]) -> None:
        """End children of a run that nobody here may know of, by their places."""
        try:
            for status in ("running", "paused"):
                for row in self._unfinished_children(run_id, status):
                    child_ref = (row.idempotency_key or "").rpartition(":")[0]
                    if child_ref.startswith("child:") and matches_attempt(child_ref):
                        self._cancel_child(run_id, row.id)
        except StoreError:
            pass  # the scans of runners find children of runs that have ended

    def _unfinished_children(self, run_id: str, status: str) -> Iterator[RunRow]:
        before: str | None = None
        while True:
            rows = self._driver.store.list_runs(RunFilter(None, status, PAGE_SIZE_RUNS, before, run_id))
            yield from rows
            if len(rows) < PAGE_SIZE_RUNS:
                return
            before = rows[-1].id

    def _cancel_child(self, run_id: str, child_id: str) -> None:
        self._untrack_child(run_id, child_id)
        self._driver.run_control.cancel_child(child_id, "the attempt that started it is over")

    def close(self, error: BaseException) -> None:
        """Nothing more is heard of any child."""
        for call in list(self._pending_calls):
            self._reject_call(call, error)


def _attempt_key(attempt: Attempt) -> str:
    """The attempt, in the keys of its children."""
    return f"child:{attempt.node}.{attempt.first_fence}"


def _format_inputs(inputs: Mapping[str, Any]) -> str:
    """Inputs, for people."""
    texts = []
    for name, cell in inputs.items():
        text: str = cell if isinstance(cell, str) else cell.text
        tree = json.loads(text)
        given = tree.get("set", tree.get("params")) if isinstance(tree, dict) else None
        texts.append(text if given is None else json.dumps(given))
        if given is None:
            texts[-1] = f"{name}={texts[-1]}"
    text = ", ".join(texts) or "nothing"
    return text if len(text) <= MAX_INPUTS_CHARS else f"{text[:MAX_INPUTS_CHARS]}..."
