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

from holdwater.errors import TaskNotPortable
from holdwater.model import message_framing, validation
from holdwater.model.error_report import ErrorReport, describe_error, restore_source_lines
from holdwater.model.log_context import OutputStream
from holdwater.model.ports.definition import PortableTask
from holdwater.model.resources import NO_RESOURCES, Resources
from holdwater.model.results import NodeResult
from holdwater.runtime.attempt import Attempt, RemoteTaskError
from holdwater.runtime.handle_protocols import SlotOwner

DEFAULT_EXECUTOR: Final = "default"
"""the executor that is always there"""


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
    """One call of one task function.

    `name`: its full name.  `code_blobs`: (key, bytes) of the code it needs, the same key for the same bytes, so that a
    backend may send each of them once.  `payload`: the rest.  `resources`: what its task asks for; for what it does not
    name, `routed_resources` of the rule that routes it.  Raises TaskNotPortable.
    """

    def __init__(self, attempt: Attempt, executor: SlotOwner, routed_resources: Resources = NO_RESOURCES) -> None:
        definition, node = attempt.definition, attempt.node
        self._attempt, self._executor = attempt, executor
        self.name = definition.routing_key(node)
        self.resources: Resources = {**routed_resources, **definition.resources(node)}
        sent, classes = definition.serialize_inputs(node, attempt.view)
        function = definition.portable_task(node)
        things: list[Any] = [(function, attempt.policy.retry), *classes]
        self.code_blobs: tuple[tuple[str, bytes], ...] = tuple(
            [_pickle_by_value(thing, attempt.name, function) for thing in things]
        )
        self.payload: bytes = message_framing.pack_frame([attempt.run_id, attempt.name, attempt.number], sent)

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


def to_result(attempt: Attempt, answer: bytes) -> NodeResult:
    """The result of a task function that ran on a backend.  Raises RemoteTaskError in place of its exception."""
    failure, blobs = message_framing.unpack_frame(answer)
    if failure is None:
        return attempt.definition.deserialize_result(attempt.node, attempt.view, blobs[0])
    traceback = restore_source_lines(failure["traceback"], attempt.definition.portable_task(attempt.node).source_file())
    report = ErrorReport(failure["kind"], failure["text"], traceback)
    raise RemoteTaskError(report, failure["retryable"], failure["cancelled"])


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raises ConfigError."""
    validation.check_count(name, value, minimum=low)


def _pickle_by_value(thing: Any, task: str, function: PortableTask) -> tuple[str, bytes]:
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    try:
        data: bytes = cloudpickle.dumps(thing)
    except Exception as error:  # whatever a __reduce__ may raise
        raise TaskNotPortable(
            f"task {task!r} cannot be sent to another process: {describe_error(error)}"
            f"{_unpicklable_name(function.referenced_names())}",
            hint="create such things inside the task function, or run the task on the default executor",
        ) from error
    return hashlib.blake2b(data, digest_size=16).hexdigest(), data


def _unpicklable_name(names: Mapping[str, Any]) -> str:
    import cloudpickle

    for name, value in names.items():
        try:
            cloudpickle.dumps(value)
        except Exception:  # noqa: BLE001 - this is what is looked for
            return f"; it refers to {name!r}"
    return ""
