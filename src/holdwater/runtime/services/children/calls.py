"""Child runs that task functions start and wait for: `handle.execute`.

A call is identified by the attempt it comes from, the workflow, a digest of the inputs, and its ordinal among equal
calls of that attempt; or by a key of the caller's own in the place of digest and ordinal.  The identity is the
idempotency key of the child, so a call that is made again after a crash finds the run it made before, in whatever order
calls come.  An attempt is its node and the fence under which it was issued first, which no crash changes and every
failure does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from holdwater.errors import IdempotencyConflict, StoreError, StoreUnavailable, TaskEnded
from holdwater.model import events as ev
from holdwater.model import input_digest, validation
from holdwater.model.commands import Execute
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future
from holdwater.runtime.run_table import Accepted
from holdwater.runtime.services.children.runs import ChildRuns, ChildWatch, child_rows

MAX_INPUTS_CHARS: Final = 300
"""of the inputs of a call, so much stands in an error"""

Resolve = Callable[[str, Any, str | None], tuple[WorkflowDefinition, dict[str, Any]]]
"""Name of a workflow, inputs, and the release of the caller -> its definition and the cells to start with.

A workflow of the caller's own release is preferred to those the name leads to otherwise.

Raises WorkflowNotFound, EncodingError.
"""


@dataclass(slots=True, eq=False)
class ChildCall:
    """A request for a run of `workflow` with `inputs`.

    `to_result` makes the result of the call from the child when it has ended.
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


class ChildCaller:
    """Makes the calls of task functions, in their threads.  `to_result`: as in `ChildCall`."""

    def __init__(
        self, resolve: Resolve, submit: Callable[[ChildCall], None], to_result: Callable[[ActiveRun], Any]
    ) -> None:
        self._resolve, self._submit, self._to_result = resolve, submit, to_result

    def start_child_run(self, parent: Attempt, workflow: str, inputs: Any, key: str | None) -> Future[Any]:
        """Start a child run of this attempt, or find the one that was started by the same call before a crash.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, RunnerClosed.
        """
        if key is not None:
            validation.check_text("the key of a child run", key, max_bytes=validation.MAX_IDEMPOTENCY_KEY_BYTES)
        definition, cells = self._resolve(workflow, inputs, parent.definition.release)
        call = ChildCall(parent, workflow, definition, cells, key, self._to_result)
        self._submit(call)
        return call.future


class ChildCalls:
    """The pending calls of a runner, and the children of its attempts.  Only the driver's thread is in here."""

    def __init__(self, runs: ChildRuns) -> None:
        self._runs, self._table = runs, runs.table
        self._pending_calls: dict[ChildCall, None] = {}
        self._attempt_by_child: dict[str, dict[str, Attempt]] = {}
        """run -> child runs that its task functions have started or found here and that go on -> the attempt"""
        self._ended_attempts: dict[str, list[Attempt]] = {}
        """run -> attempts that have ended, which is not on disk yet"""

    def start_call(self, call: ChildCall) -> None:
        """Start the child, or find it, and follow it to its end."""
        self._pending_calls[call] = None
        self._run_guarded(call, lambda: self._assign_idempotency_key(call))

    def _run_guarded(self, call: ChildCall, action: Callable[[], None]) -> None:
        """Whatever goes wrong in it concerns this call alone."""
        if call.future.done:
            return
        try:
            action()
        except BaseException as error:  # noqa: BLE001
            self._reject_call(call, error)

    def _reject_call(self, call: ChildCall, error: BaseException) -> None:
        self._pending_calls.pop(call, None)
        call.future.set_exception(error)

    # -- starting

    def _assign_idempotency_key(self, call: ChildCall) -> None:
        attempt = call.attempt
        attempt_key = _attempt_key(attempt)
        if attempt.call_ordinals is None:
            attempt.call_ordinals = {}
            self._cancel_children_of_failed_attempts(attempt)
        asked: list[Any] = [attempt.run_id, attempt_key, call.workflow]
        if call.key is not None:
            asked += ["key", call.key]
        else:
            same = f"{call.workflow}\0{call.inputs_digest}"
            attempt.call_ordinals[same] = ordinal = attempt.call_ordinals.get(same, 0) + 1
            asked += [call.inputs_digest, ordinal]
        call.idempotency_key = f"{attempt_key}:" + hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
        self._start_child(call)

    def _start_child(self, call: ChildCall) -> None:
        """Raises HoldwaterError if it cannot run here."""
        attempt = call.attempt
        parent = self._table.get(attempt.run_id)
        if parent is None or parent.attempts.get(attempt.node) is not attempt:
            raise TaskEnded(f"the attempt of task {attempt.name!r} of run {attempt.run_id} is over")
        child = self._runs.create(
            call.workflow,
            call.definition,
            call.inputs,
            parent.row,
            idempotency_key=call.idempotency_key,
            inputs_digest=call.inputs_digest,
        )
        acceptance: Future[Accepted] = Future()
        acceptance.add_done_callback(lambda _: self._run_guarded(call, lambda: self._on_accepted(call, acceptance)))
        self._runs.start(child, acceptance)

    def _on_accepted(self, call: ChildCall, acceptance: Future[Accepted]) -> None:
        try:
            accepted = acceptance.result()
        except StoreUnavailable:  # perhaps it was accepted after all; then it is found
            self._retry(call, lambda: self._start_child(call))
            return
        call.child_id = accepted.row.id
        if accepted.row.inputs_digest != call.inputs_digest:
            self._raise_key_conflict(call)
            return
        if accepted.row.finished_at is None:
            self._track_child(call)
        self._watch(call)

    def _raise_key_conflict(self, call: ChildCall) -> None:
        """Its key belongs to a call with other inputs.  Raises IdempotencyConflict."""
        try:
            first = self._runs.run_loader.load_run(call.child_id)
        except StoreUnavailable:
            self._retry(call, lambda: self._raise_key_conflict(call), back_off=True)
            return
        given = next((e.event.inputs for e in first.entries if isinstance(e.event, ev.Started)), {})
        raise IdempotencyConflict(
            f"task {call.attempt.name!r} of run {call.attempt.run_id} asked for {call.workflow!r} under the key "
            f"{call.key!r} twice, with different inputs: first {_format_inputs(given)}, which is run {call.child_id}, "
            f"and now {_format_inputs(call.inputs)}",
            hint="give each call a key of its own, or none: then calls are told apart by their inputs",
        )

    def _retry(self, call: ChildCall, action: Callable[[], None], *, back_off: bool = False) -> None:
        """Wait until the store answers."""
        self._runs.call_when_store_answers(lambda: self._run_guarded(call, action), back_off=back_off)

    # -- following

    def _watch(self, call: ChildCall) -> None:
        """Follow the child to its end; one that is paused is waited for until it is resumed and has ended."""
        if not call.future.done:
            self._runs.watch(ChildWatch(call.child_id, partial(self._resolve, call), partial(self._on_error, call)))

    def _on_error(self, call: ChildCall, error: BaseException) -> None:
        if isinstance(error, StoreError):  # it was parked here, or the store refuses: it may be resumed
            self._runs.call_later(lambda: self._watch(call))
        else:
            self._reject_call(call, error)

    def _resolve(self, call: ChildCall, child: ActiveRun) -> None:
        self._run_guarded(call, lambda: self._resolve_call(call, child))

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
        parent = self._table.get(run_id)
        if parent is None:
            self._cancel_if_orphaned(run_id, call.child_id)
            return
        self._attempt_by_child.setdefault(run_id, {})[call.child_id] = attempt
        if parent.attempts.get(attempt.node) is not attempt:
            self.on_attempt_ended(attempt)
            if not parent.has_unsaved_changes:
                self.on_run_settled(parent)

    def _cancel_if_orphaned(self, run_id: str, child_id: str) -> None:
        try:
            row = self._runs.store.get_run(run_id)
        except StoreError:
            return  # found by a scan
        if row is None or row.finished_at is not None:
            self._runs.control.cancel_child(child_id)

    def on_attempt_ended(self, attempt: Attempt) -> None:
        """An attempt has ended: when that is on disk, its children are cancelled."""
        if attempt.call_ordinals is not None or attempt.first_fence != attempt.fence:
            self._ended_attempts.setdefault(attempt.run_id, []).append(attempt)

    def on_run_settled(self, run: ActiveRun) -> None:
        """The ends of attempts of the run are on disk, or were refused."""
        for attempt in self._ended_attempts.pop(run.row.id, ()):
            command = run.machine.todo.get(attempt.node)
            if type(command) is Execute and command.first_fence == attempt.first_fence:
                continue  # another runner has taken it over, and finds the children again
            children = self._attempt_by_child.get(run.row.id, {})
            for child in [child for child, by in children.items() if by is attempt]:
                self._cancel_child(run.row.id, child)
            if attempt.first_fence != attempt.fence:  # the processes that died in it may have started others
                self._cancel_stored_children(run.row.id, _attempt_key(attempt).__eq__)

    def on_run_ended(self, run: ActiveRun) -> None:
        """Cancel the children of a run that has ended."""
        self._ended_attempts.pop(run.row.id, None)
        for child in self._attempt_by_child.pop(run.row.id, ()):
            self._runs.control.cancel_child(child)
        if run.machine.crash_counts:  # a process that died may have started some
            self._cancel_stored_children(run.row.id, lambda _: True)

    def _cancel_children_of_failed_attempts(self, attempt: Attempt) -> None:
        """The process that recorded their failures may have died before it could cancel their children."""
        run = self._table.get(attempt.run_id)
        if attempt.number > 1 and run is not None and run.is_from_store:
            own, node = _attempt_key(attempt), f"child:{attempt.node}."
            self._cancel_stored_children(attempt.run_id, lambda key: key.startswith(node) and key != own)

    def _cancel_stored_children(self, run_id: str, matches_attempt: Callable[[str], bool]) -> None:
        """Cancel children of a run that may be unknown here, by the attempts in their keys."""
        try:
            for status in ("running", "paused"):
                for row in child_rows(self._runs.store, run_id, status):
                    attempt_key = (row.idempotency_key or "").rpartition(":")[0]
                    if attempt_key.startswith("child:") and matches_attempt(attempt_key):
                        self._cancel_child(run_id, row.id)
        except StoreError:
            pass  # the scans of runners find children of runs that have ended

    def _cancel_child(self, run_id: str, child_id: str) -> None:
        self._untrack_child(run_id, child_id)
        self._runs.control.cancel_child(child_id, "the attempt that started it is over")

    def close(self, error: BaseException) -> None:
        """Nothing more is heard of any child."""
        for call in list(self._pending_calls):
            self._reject_call(call, error)


def _attempt_key(attempt: Attempt) -> str:
    """The attempt, as it stands in the idempotency keys of its children."""
    return f"child:{attempt.node}.{attempt.first_fence}"


def _format_inputs(inputs: Mapping[str, Any]) -> str:
    """Inputs of a call, for an error message."""
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
