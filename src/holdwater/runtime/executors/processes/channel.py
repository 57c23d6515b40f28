"""The far side of a job: a body far from its runner."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final, TypeVar

from holdwater.errors import TaskCancelled, TaskNotPortable
from holdwater.model import message_framing
from holdwater.model.context_isolation import run_in_fresh_context
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import ErrorReport, describe_error, is_a
from holdwater.model.log_context import ORIGIN, install_record_factory
from holdwater.model.policies import RetryPolicy
from holdwater.model.ports import PortableTask
from holdwater.model.time import UNSET, Micros
from holdwater.model.value_types.custom_types import Registration, register
from holdwater.runtime.handle import TaskHandle

T = TypeVar("T")


class WorkerChannel:
    """What a body can reach of its runner.  This one reaches nothing: nobody cancels, and waiting keeps the slot.

    A place that can do better gives `run_invocation` a line of its own; `opened` tells it of the handle, whose
    `halt(why)` cancels.
    """

    def on_start(self, handle: TaskHandle) -> None:
        """A body is about to begin."""

    def release_slot(self, call: Any) -> None:
        """It gives up its slot."""

    def reacquire_slot(self, call: Any, on_slot: Callable[[], None] | None) -> None:
        """It wants a slot: `go` is to be called when it has one.  None: it does not wait for that."""
        if on_slot is not None:
            on_slot()

    def take_slot_now(self, call: Any) -> None:
        """It waits no more for the slot it has asked for."""
        self.reacquire_slot(call, None)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine for a body that is none."""
        return run_awaitable(coroutine)


@dataclass(frozen=True, slots=True)
class InvocationInfo:
    """The attempt a body belongs to."""

    run_id: str
    name: str
    number: int
    run_started_at: Micros = UNSET
    started_at: Micros = UNSET

    def enter_context(self) -> None:
        """Nothing: observers are in the process of the runner."""


LoadedTask = tuple[PortableTask, RetryPolicy]
_NO_CHANNEL: Final = WorkerChannel()


def run_invocation(invocation: bytes, channel: WorkerChannel = _NO_CHANNEL) -> bytes:
    """Carry out `Job.to_bytes()` in this process; returns the answer for `Place.run`.  Raises nothing of the body's.

    The bytes hold pickles: only from who may run code here.
    """
    _, (call, *code_blobs) = message_framing.unpack_frame(invocation)

    def loaded() -> LoadedTask:
        body, *_ = [unpickle_code(parcel) for parcel in code_blobs]
        return body  # type: ignore[no-any-return]

    return run_call(call, loaded, channel)


def run_call(call: bytes, loaded: Callable[[], LoadedTask], line: WorkerChannel) -> bytes:
    """The same with code that may be there already."""
    row, (sent,) = message_framing.unpack_frame(call)
    call_info = InvocationInfo(*row)
    handle = TaskHandle(call_info, line)
    line.on_start(handle)
    retry: RetryPolicy | None = None
    try:
        body, retry = loaded()
        return message_framing.pack_frame(None, run_in_fresh_context(_run_task, body, sent, handle, call_info))
    except BaseException as error:  # noqa: BLE001 - SystemExit too: it ends the attempt, not the worker
        if retry is None:
            error = TaskNotPortable(
                f"task {handle.task_id!r} cannot be brought into this process: {describe_error(error)}"
            )
        return message_framing.pack_frame(_encode_error(error, retry))


def _run_task(body: PortableTask, sent: bytes, handle: TaskHandle, call: InvocationInfo) -> bytes:
    install_record_factory()
    ORIGIN.set(call)
    return body.execute(sent, handle)


def _encode_error(error: BaseException, retry: RetryPolicy | None) -> dict[str, Any]:
    """What the runner learns of an exception, which itself stays here: it need not be picklable."""
    report = ErrorReport.from_exception(error)
    try:
        retryable = retry is not None and retry.is_retryable(error, report.kind, report.text)
    except BaseException as mishap:  # noqa: BLE001 - a class in `retry_on` has code of its own
        retryable = False
        report = replace(report, text=f"{report.text}\nthe retry policy raised {describe_error(mishap)}")
    return {
        "kind": report.kind,
        "text": report.text,
        "traceback": report.traceback,
        "retryable": retryable,
        "cancelled": is_a(error, TaskCancelled),
    }


def unpickle_code(blob: bytes) -> Any:
    """Unpickle.  A class is also made known under its name, where the codec looks for it; so is a registered type."""
    import pickle

    thing = pickle.loads(blob)
    if isinstance(thing, type):
        home = sys.modules.setdefault(thing.__module__, ModuleType(thing.__module__))
        setattr(home, thing.__name__, thing)  # also over an earlier one: it was defined again
    elif isinstance(thing, Registration):
        register(thing)
    return thing
