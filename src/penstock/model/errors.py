"""Every error Penstock raises, in one tree.

Each class is also the builtin that users of this kind of library already catch (`except ValueError` keeps working).
A message says what happened and why; `hint` says how to fix it and is part of the text.
"""

from __future__ import annotations


class PenstockError(Exception):
    """Base of every error raised by Penstock."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class NodeFailure(PenstockError):
    """A body says how it failed: `penstock_kind` is what retry policies compare, `penstock_text` what is kept.

    `penstock_final`: trying again is of no use, whatever the policy says.
    """

    def __init__(self, kind: str, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.penstock_kind = kind
        self.penstock_text = text
        self.penstock_final = final


# -- definitions


class ConfigError(PenstockError, ValueError):
    """A configuration value is unknown or out of range."""


class WorkflowError(PenstockError, ValueError):
    """A workflow definition cannot be used: it is empty, cyclic, ambiguous or names what does not exist."""


class WorkflowNotFound(PenstockError, ValueError):
    """No workflow of this name is registered in this process."""


class ScheduleError(PenstockError, ValueError):
    """A schedule cannot be used: its cron expression, time zone, duration or policy is wrong, or it never fires."""


class ScheduleNotFound(PenstockError, ValueError):
    """The store has no schedule of this id or name."""


class StructureChanged(PenstockError, ValueError):
    """A run was recorded under another structure of its workflow than the one this process knows."""


# -- values


class InvalidArgument(PenstockError, ValueError, TypeError):
    """An argument (a key, an id, a reason, a label) is of another type, empty, too long, or text no database holds."""


class EncodingError(PenstockError, ValueError, TypeError):
    """A value cannot be stored; `path` names the key path inside the value."""

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class DecodingError(PenstockError, ValueError):
    """A stored value cannot be brought back in this process."""


class ContextTooLarge(PenstockError, ValueError):
    """A context is larger than `max_context_bytes`."""


class KeyExists(PenstockError, ValueError):
    """`Context.insert` met a key that is there already."""


class KeyMissing(PenstockError, KeyError):
    """A context has no such key."""


# -- runs


class RunNotFound(PenstockError, ValueError):
    """The store has no run of this id."""


class RunInProgress(PenstockError, RuntimeError):
    """A run is executed at this moment, here or elsewhere, and cannot be executed a second time beside that."""


class RunNotFinished(PenstockError, TimeoutError):
    """The wait for a result ended before the run did; the run goes on."""


class IdempotencyConflict(PenstockError, ValueError):
    """An idempotency key was used again with other inputs."""


class NotAsked(PenstockError, ValueError, KeyError):
    """An answer fits no open question, or more than one."""


class AnswerError(PenstockError, ValueError, TypeError):
    """An answer is not of the type that is asked for."""


class InvalidTransition(PenstockError, ValueError):
    """A run cannot be paused, resumed, cancelled or retried from the state it is in."""


class TaskNotFound(PenstockError, ValueError):
    """A run has no task of this name."""


class RunnerClosed(PenstockError, RuntimeError, ValueError):
    """The runner was shut down, or belongs to another process."""


class TaskReturnError(PenstockError, TypeError):
    """A task body returned something that is neither the context, a dict nor None."""


class TaskCancelled(PenstockError):
    """Raised inside a body that waits (`defer_until`) when its run was cancelled, timed out or shut down."""


class BodyCancelled(PenstockError, RuntimeError):
    """A body ended with `CancelledError` although nothing had cancelled its run; that error is the cause."""


class TaskEnded(PenstockError, RuntimeError):
    """A handle was used to wait, or to start a run, after the body it was given to had ended."""


class CapacityExhausted(PenstockError, RuntimeError):
    """Too many timed-out threads are still running abandoned bodies; new thread work is refused."""


# -- executors


class ExecutorNotFound(PenstockError, ValueError):
    """A routing rule, a task or a caller names an executor this runner does not have."""


class WorkerCrashed(PenstockError, RuntimeError):
    """The worker process died while a body ran in it: by a signal, `os._exit`, for want of memory."""


class TaskNotPortable(PenstockError, TypeError):
    """A body cannot be sent to another process: it, or something it refers to, cannot be pickled."""


# -- the engine itself


class InternalError(PenstockError, RuntimeError):
    """The engine, or code it was given, raised where no task's body runs.  Only the run concerned is affected."""


# -- the kernel


class IllegalEvent(PenstockError, RuntimeError):
    """An event does not fit the machine's state: it is late, doubled or foreign.  Nothing was changed."""


# -- storage


class StoreError(PenstockError, RuntimeError):
    """The store did something it must not do, or holds what it must not hold."""


class DatabaseURLError(PenstockError, ValueError):
    """A database URL cannot be understood or points to a place that cannot be used."""


class StoreUnavailable(StoreError, ConnectionError):
    """The database cannot be reached or written now (locked, full, down).  Nothing recorded is lost."""


class StoreUnreachable(StoreUnavailable, ValueError):
    """The database a URL names could not be opened: the server is down, or the URL leads elsewhere."""


class StoreUnusable(StoreUnavailable):
    """The database answers, but refuses every change: a table is missing, a right was revoked.

    That can be mended under a live runner: it waits and tries again, and callers who wait are told.
    """


class StoreReplaced(StoreUnusable):
    """The file of a SQLite database was deleted, moved or replaced while it was open.

    What was written since may be in a file without a name, and is not acknowledged.
    """


class StoreReadOnly(StoreUnavailable, PermissionError):
    """The database file or its directory cannot be written."""


class SchemaTooNew(StoreError):
    """The database was written by a newer Penstock than this one."""


# -- tenants


class TenantError(PenstockError, RuntimeError, ValueError):
    """A tenant cannot be made, removed or brought up to date.  Nothing of it was changed."""


class TenantNotFound(TenantError):
    """The database has no tenant of this name."""


class TenantInUse(TenantError):
    """A tenant cannot be removed: its role is connected, or its work is executed."""
