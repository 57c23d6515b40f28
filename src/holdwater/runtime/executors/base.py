"""Executor backends: the protocol of places outside this process's threads, and the invocations they carry out.

An executor keeps slots, waiting, deferral and time-outs; a backend only carries out one invocation, in a blocking way.
Work goes there as bytes and comes back as bytes, and only this process commits results, so a backend may be another
process or another machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from holdwater.errors import BadAnswer, TaskNotPortable
from holdwater.model import message_framing, node_messages, validation
from holdwater.model.error_report import (
    MAX_KIND_CHARS,
    MAX_TEXT_CHARS,
    MAX_TRACEBACK_CHARS,
    ErrorReport,
    describe_error,
    restore_source_lines,
    sanitize_text,
)
from holdwater.model.log_context import OutputStream
from holdwater.model.message_framing import FrameLimits
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.portable_code import is_picklable
from holdwater.model.ports.definition import PortableTask
from holdwater.model.required_types import required_types
from holdwater.model.resources import NO_RESOURCES, Resources
from holdwater.model.results import NodeResult
from holdwater.model.value_types import class_names
from holdwater.runtime.attempt import Attempt, RemoteTaskError
from holdwater.runtime.executors import child_calls
from holdwater.runtime.executors.child_calls import ChildRequest
from holdwater.runtime.future import Future
from holdwater.runtime.handle_protocols import ChildRunResult, SlotOwner

DEFAULT_EXECUTOR: Final = "default"
"""the executor that is always there"""
_FAILURE_FIELDS: Final = {"kind": str, "text": str, "traceback": str, "retryable": bool, "cancelled": bool}
"""beside `notes`, if observers have failed where the code is"""
_ANSWER_LIMITS: Final = FrameLimits(
    max_header_bytes=16 * MAX_TEXT_CHARS,  # each character may be written as two escapes
    max_blobs=1,
    max_blob_bytes=2 * node_messages.MAX_ANSWER_BYTES,
)


class ExecutorBackend(Protocol):
    """Carries out invocations.  Its methods are called from several threads, one for each running invocation."""

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Have the task function run, and return the bytes that `channel.run_invocation` returned there.

        An error it raises fails the attempt, and the retry policy decides: WorkerCrashed if the function was lost.
        """
        ...

    def kill(self, invocation: TaskInvocation) -> None:
        """Have its `run_invocation` end soon, whatever the task function does.  Must not block.

        The slot is free when that has ended, so a backend that cannot kill keeps it as long as the function goes on.
        """
        ...

    def close(self) -> None:
        """End everything, invocations that still run included.  The last call."""
        ...


class ExecutorConfig(Protocol):
    """The description of an executor: a value that a configuration holds.  The runner opens it."""

    @property
    def max_concurrent(self) -> int:
        """The number of task functions that may run at once."""
        ...

    def open(self, name: str) -> ExecutorBackend | None:
        """A backend for one runner; None: threads of this process.  Expensive things start at first use."""
        ...


@dataclass(frozen=True, slots=True)
class ThreadExecutor:
    """Task functions run in threads of this process, `async def` ones in one event loop.

    `max_concurrent`: functions of both kinds at once; on the default executor `async def` ones have their own limit.
    """

    max_concurrent: int

    def __post_init__(self) -> None:
        check_count("max_concurrent", self.max_concurrent)

    def open(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class ExecutorMetrics:
    """An executor at one moment.

    `active_tasks` hold a slot, `waiting_tasks` were taken from the queue and want one.  `total_executed` counts
    attempts that are over, `total_failed` those of them that failed, timed out or were given up; `avg_duration_ms` is
    that of all of them, waits included.  `max_concurrent`: of the default executor that of threads; its other numbers
    count `async def` tasks too, which have a limit of their own.
    """

    active_tasks: int
    waiting_tasks: int
    max_concurrent: int
    total_executed: int
    total_failed: int
    avg_duration_ms: float

    def combined_with(self, other: ExecutorMetrics) -> ExecutorMetrics:
        """Both together, with the limit of this one."""
        n = self.total_executed + other.total_executed
        took_ms = self.avg_duration_ms * self.total_executed + other.avg_duration_ms * other.total_executed
        return ExecutorMetrics(
            self.active_tasks + other.active_tasks,
            self.waiting_tasks + other.waiting_tasks,
            self.max_concurrent,
            n,
            self.total_failed + other.total_failed,
            took_ms / n if n else 0.0,
        )


class TaskInvocation:
    """One call of one function: of a task, a step or a node of a graph.

    `name`: its full name.  `reference`: the name of its code, if the process it is for has that.  If not, `code_blobs`:
    (key, bytes) of the code it needs, the same key for the same bytes, so that a backend may send each of them once.
    `payload`: the rest.  `resources`: what its task asks for; for what it does not name, `routed_resources` of the rule
    that routes it.  Raises TaskNotPortable.
    """

    def __init__(self, attempt: Attempt, executor: SlotOwner, routed_resources: Resources = NO_RESOURCES) -> None:
        definition, node = attempt.definition, attempt.node
        self._attempt, self._executor = attempt, executor
        self._answer: bytes | None = None
        self._outcome: NodeResult | RemoteTaskError
        self.name = definition.routing_key(node)
        self.resources: Resources = {**routed_resources, **definition.resources(node)}
        inputs = definition.style.pack_view(attempt.view)
        self.reference: Final = definition.code_reference(node)
        self.release: Final[str | None] = definition.release
        self.code_blobs: Final = () if self.reference is not None else _pickle_code(attempt, inputs)
        self.payload: bytes = message_framing.pack_frame(
            [
                [
                    attempt.run_id,
                    attempt.name,
                    attempt.number,
                    attempt.started_at,
                    attempt.run_started_at,
                    attempt.is_async,
                ],
                class_names.main_name(),
                node_messages.MAX_ANSWER_BYTES,
            ],
            node_messages.pack_inputs(inputs),
        )

    def to_bytes(self) -> bytes:
        """All of it, for `run_invocation`."""
        return message_framing.pack_frame(None, self.payload, *[data for _, data in self.code_blobs])

    @property
    def is_abandoned(self) -> bool:
        """The attempt has been given up: its end is decided."""
        return self._attempt.state == "over"

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call `callback(reason)`, which must not block, when the task function is to stop; at once if it is."""
        self._attempt.handle.on_cancel(callback)

    def hold_timeout(self) -> None:
        """Stop the time-out of the task function, which waits for a place to run, until `start_timeout`."""
        self._attempt.hold_timeout()

    def start_timeout(self) -> None:
        """Have the time-out go on: the task function begins now."""
        self._attempt.start_timeout()

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Keep what the task function has written to its stdout or stderr in the log of the run."""
        if self._attempt.log_sink is not None:
            self._attempt.log_sink.add_output(stream, text)

    def add_record(self, level: str, logger: str, text: str) -> None:
        """Keep a log record of the task function in the log of the run; `level` and `logger` are names."""
        if self._attempt.log_sink is not None:
            self._attempt.log_sink.add_line(text, level, logger)

    def end_output(self) -> None:
        """End a line of the output that has no newline: nothing more comes."""
        if self._attempt.log_sink is not None:
            self._attempt.log_sink.finish()

    def release_slot(self) -> None:
        """The task function waits and needs no slot."""
        self._executor.release_slot(self._attempt)

    def reacquire_slot(self, on_slot: Callable[[], None] | None) -> None:
        """It is to go on: `on_slot` is called when it has a slot again; None: it takes one at once."""
        self._executor.reacquire_slot(self._attempt, on_slot)

    def check_answer(self, answer: bytes) -> None:
        """Check the bytes that are about to be returned.  Raises BadAnswer: the process they come from is hostile.

        A backend that keeps its processes calls it before it gives one the next invocation.
        """
        self._read_answer(answer)

    def result(self, answer: bytes) -> NodeResult:
        """The result of the function.  Raises BadAnswer, RemoteTaskError in place of its exception."""
        outcome = self._read_answer(answer)
        if isinstance(outcome, RemoteTaskError):
            raise outcome
        return outcome

    def _read_answer(self, answer: bytes) -> NodeResult | RemoteTaskError:
        if self._answer is not answer:
            self._outcome, self._answer = _read_outcome(self._attempt, answer), answer
        return self._outcome

    def take_slot_now(self) -> None:
        """It waits no more for the slot it has asked for: it takes one at once."""
        self._executor.take_slot_now(self._attempt)

    def start_child_run(self, request: ChildRequest) -> Future[ChildRunResult]:
        """Start a child run, or find it, as for a function in this process; the future is set when it has ended."""
        failed: Future[ChildRunResult] = Future()
        try:
            starter = self._attempt.child_starter
            assert starter is not None
            return starter.start_child_run(self._attempt, request.workflow, request.inputs, request.key)
        except Exception as error:  # noqa: BLE001 - whatever the call raises is raised by it in the other process
            failed.set_exception(error)
        return failed

    def read_secret(self, name: str, field: str) -> str:
        """Return a secret of the database, as for a function in this process."""
        return self._attempt.read_secret(name, field)

    def pack_child_answer(self, future: Future[ChildRunResult]) -> list[bytes]:
        """The result or the error of a child run, for `child_calls.unpack_answer`, and behind it the code it needs."""
        try:
            packed, needed = child_calls.pack_result(future.result())
            if self.reference is not None:  # the code of its values is there, if it is anywhere
                return [packed]
            function = self._attempt.definition.portable_task(self._attempt.node)
            return [packed, *[pickle_by_value(thing, self._attempt.name, function)[1] for thing in needed]]
        except Exception as error:  # noqa: BLE001 - as above
            return [child_calls.pack_error(error)]


def _pickle_code(attempt: Attempt, inputs: NodeInputs) -> tuple[tuple[str, bytes], ...]:
    """The function with its retry policy, and the types of the values it is given.  Raises TaskNotPortable."""
    function = attempt.definition.portable_task(attempt.node)
    needed = required_types([value.text for value in inputs.stored_values()])
    things: list[Any] = [(function, attempt.policy.retry), *needed]
    return tuple([pickle_by_value(thing, attempt.name, function) for thing in things])


def _read_outcome(attempt: Attempt, answer: bytes) -> NodeResult | RemoteTaskError:
    """The result of a function that ran on a backend, or the report of its exception.  Raises BadAnswer."""
    definition, node = attempt.definition, attempt.node
    failure, blobs = message_framing.unpack_untrusted_frame(answer, _ANSWER_LIMITS)
    if failure is not None:
        if definition.has_code:
            return read_failure(failure, definition.portable_task(node).source_file())
        notes = failure.pop("notes", []) if type(failure) is dict else []
        return read_failure(failure, "", node_messages.parse_notes(notes, "the report of an exception"))
    if len(blobs) != 1:
        raise BadAnswer(f"the answer for {attempt.name!r} has {len(blobs)} parts, and not one")
    return definition.accept_result(node, attempt.view, node_messages.unpack_result(blobs[0], definition, node))


def read_failure(failure: Any, source_file: str, notes: tuple[str, ...] = ()) -> RemoteTaskError:
    """The report of an exception of another process.  Raises BadAnswer."""
    if type(failure) is not dict or {name: type(value) for name, value in failure.items()} != _FAILURE_FIELDS:
        raise BadAnswer("an answer reports an exception in other fields than a report has")
    traceback = sanitize_text(failure["traceback"], MAX_TRACEBACK_CHARS + MAX_KIND_CHARS)
    report = ErrorReport(
        sanitize_text(failure["kind"], MAX_KIND_CHARS),
        sanitize_text(failure["text"], MAX_TEXT_CHARS),
        restore_source_lines(traceback, source_file),
    )
    return RemoteTaskError(report, failure["retryable"], failure["cancelled"], notes)


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raises ConfigError."""
    validation.check_count(name, value, minimum=low)


def pickle_by_value(thing: Any, task: str, function: PortableTask) -> tuple[str, bytes]:
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    try:
        data: bytes = cloudpickle.dumps(thing)
    except Exception as error:  # whatever a __reduce__ may raise
        raise TaskNotPortable(
            f"task {task!r} cannot be sent to another process: {describe_error(error)}"
            f"{_unpicklable_name(function.referenced_names())}",
            hint="create such things inside the function, or route it to an executor of threads",
        ) from error
    return hashlib.blake2b(data, digest_size=16).hexdigest(), data


def _unpicklable_name(names: Mapping[str, Any]) -> str:
    return next((f"; it refers to {name!r}" for name, value in names.items() if not is_picklable(value)), "")
