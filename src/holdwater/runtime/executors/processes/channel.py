"""The far side of an invocation: a task function in another process than its runner."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from holdwater.errors import EncodingError, SecretsUnavailable, TaskCancelled, TaskNotPortable
from holdwater.model import message_framing, node_messages
from holdwater.model.context_isolation import run_in_fresh_context
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import ErrorReport, ErrorText, describe_error, is_a, judged_error
from holdwater.model.log_context import ORIGIN, LogSink, install_record_factory
from holdwater.model.policies import RetryPolicy
from holdwater.model.ports.definition import PortableTask
from holdwater.model.secrets import SecretSource
from holdwater.model.time import UNSET, Micros
from holdwater.model.value_types.class_names import add_peer_class, resolve_on_peer
from holdwater.model.value_types.custom_types import TypeRegistration, add_registration
from holdwater.runtime.handle import TaskHandle
from holdwater.runtime.handle_protocols import ChildStarter

T = TypeVar("T")


class WorkerChannel:
    """The way from a task function to its runner.  This one has none: nothing cancels, and waiting keeps the slot.

    A backend that can do better gives `run_invocation` a channel of its own; `on_start` gets the handle, whose
    `request_cancel(reason)` cancels.
    """

    def on_start(self, handle: TaskHandle) -> None:
        """A task function is about to begin."""

    def open_log(self) -> LogSink | None:
        """The taker of the log records of the next call; None: there is none."""
        return None

    def release_slot(self, call: Any) -> None:
        """The task function gives up its slot."""

    def reacquire_slot(self, call: Any, on_slot: Callable[[], None] | None) -> None:
        """Call `on_slot` when the task function has a slot again.  None: it does not wait for that."""
        if on_slot is not None:
            on_slot()

    def take_slot_now(self, call: Any) -> None:
        """The task function waits no more for the slot it has requested."""
        self.reacquire_slot(call, None)

    def read_secret(self, name: str, field: str) -> str:
        """Return a secret of the runner's database.  Raises SecretsUnavailable: there is no way to it from here."""
        raise SecretsUnavailable("this task runs in another process, which has no way to the secrets of its runner")

    def child_starter(self, main_module: str) -> ChildStarter | None:
        """The starter of child runs of the next call; None: there are none from here.

        `main_module`: `main_name()` of the runner, under which it knows the classes of its script.
        """
        return None

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine for a task function that is no coroutine."""
        return run_awaitable(coroutine)


@dataclass(frozen=True, slots=True)
class InvocationInfo:
    """The attempt a function belongs to."""

    run_id: str
    name: str
    number: int
    started_at: Micros = UNSET
    run_started_at: Micros = UNSET
    is_async: bool = False
    log_sink: LogSink | None = None
    child_starter: ChildStarter | None = None
    secret_source: SecretSource | None = None

    def read_secret(self, name: str, field: str) -> str:
        """Ask the runner for a secret.  Raises SecretNotFound, SecretNotAllowed, SecretsUnavailable."""
        if self.secret_source is None:
            raise SecretsUnavailable("this task has no way to the secrets of its runner")
        return self.secret_source.read_secret(name, field)

    def enter_context(self) -> None:
        """Nothing: observers are in the process of the runner."""


LoadedTask = tuple[PortableTask, RetryPolicy]
ObserveFailure = Callable[[ErrorText], tuple[str, ...]]
"""tells observers of a failure; returns failures of their own"""
_NO_CHANNEL: Final = WorkerChannel()


def run_invocation(invocation: bytes, channel: WorkerChannel = _NO_CHANNEL) -> bytes:
    """Carry out `TaskInvocation.to_bytes()` in this process; returns the answer for `ExecutorBackend.run_invocation`.

    An exception of the task function is part of the answer.  The bytes hold pickles: accept them only from senders that
    may run code here.
    """
    _, (call, *code_blobs) = message_framing.unpack_frame(invocation)

    def loaded() -> LoadedTask:
        task, *_ = [unpickle_code(blob) for blob in code_blobs]
        return task  # type: ignore[no-any-return]

    return run_call(call, loaded, channel)


def run_call(
    call: bytes,
    loaded: Callable[[], LoadedTask],
    channel: WorkerChannel,
    observe_failure: ObserveFailure | None = None,
) -> bytes:
    """The same with code that may be there already.

    `observe_failure`: told of an exception of the function, where the observers of tasks are in this process.
    """
    (attempt, main_module, max_bytes), (sent,) = message_framing.unpack_frame(call)
    run_id, name, number, started_at, run_started_at, is_async = attempt
    log, children = channel.open_log(), channel.child_starter(main_module)
    info = InvocationInfo(run_id, name, number, started_at, run_started_at, is_async, log, children, channel)
    handle = TaskHandle(info, channel)
    channel.on_start(handle)
    retry: RetryPolicy | None = None
    try:
        function, retry = loaded()
        packed = run_in_fresh_context(_run_task, function, sent, handle, info, main_module)
        if len(packed) > max_bytes:
            raise EncodingError(
                f"the result of {info.name!r} has {len(packed):,} bytes; at most {max_bytes:,} are sent to its runner",
                hint="keep large data in a file or a table and return its address",
            )
        return message_framing.pack_frame(None, packed)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it ends the attempt, not the worker
        if retry is None:
            error = TaskNotPortable(
                f"task {handle.task_id!r} cannot be brought into this process: {describe_error(error)}",
                hint="its modules must be importable there, too",
            )
        is_told = retry is not None and not (handle.cancel_requested and is_a(error, TaskCancelled))
        return message_framing.pack_frame(encode_error(error, retry, observe_failure if is_told else None))
    finally:
        handle.mark_ended()


def _run_task(function: PortableTask, sent: bytes, handle: TaskHandle, call: InvocationInfo, main_module: str) -> bytes:
    install_record_factory()
    ORIGIN.set(call)
    with resolve_on_peer(main_module):
        return node_messages.pack_result(function.execute(node_messages.unpack_inputs(sent), handle))


def encode_error(
    error: BaseException, retry: RetryPolicy | None, observe_failure: ObserveFailure | None = None
) -> dict[str, Any]:
    """The report of an exception for the runner; the exception itself stays here, as it need not be picklable."""
    report = ErrorReport.from_exception(error)
    cause, is_final = judged_error(error)
    try:
        retryable = retry is not None and not is_final and retry.is_retryable(cause, report.kind, report.text)
    except BaseException as mishap:  # noqa: BLE001 - a class in `retry_on` has code of its own
        retryable = False
        report = replace(report, text=f"{report.text}\nthe retry policy raised {describe_error(mishap)}")
    notes = observe_failure(ErrorText(report.text, report.kind, report.traceback)) if observe_failure else ()
    return {
        "kind": report.kind,
        "text": report.text,
        "traceback": report.traceback,
        "retryable": retryable,
        "cancelled": is_a(error, TaskCancelled),
        **({"notes": list(notes)} if notes else {}),
    }


def unpickle_code(blob: bytes) -> Any:
    """Unpickle.  A class is also made known under its name, where the codec looks for it; so is a registered type."""
    import pickle

    thing = pickle.loads(blob)
    if isinstance(thing, type):
        add_peer_class(thing)
    elif isinstance(thing, TypeRegistration):
        add_registration(thing)
    return thing
