"""Every error Holdwater raises, in one tree.

Each class is also the builtin that users of this kind of library already catch (`except ValueError` keeps working).
A message says what happened and why; `hint` says how to fix it and is part of the text.
"""

from __future__ import annotations

from collections.abc import Iterable


class HoldwaterError(Exception):
    """Base of every error raised by Holdwater."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.request_id = ""
        """of the answer of a server that reported it, by which it is found in the log there"""

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class NodeFailure(HoldwaterError):
    """A body says how it failed: `holdwater_kind` is what retry policies compare, `holdwater_text` what is kept.

    `holdwater_final`: trying again is of no use, whatever the policy says.
    """

    def __init__(self, kind: str, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.holdwater_kind = kind
        self.holdwater_text = text
        self.holdwater_final = final


# -- definitions


class ConfigError(HoldwaterError, ValueError):
    """A configuration value is unknown or out of range."""


class WorkflowError(HoldwaterError, ValueError):
    """A workflow definition cannot be used: it is empty, cyclic, ambiguous or names what does not exist."""


class WorkflowNotFound(HoldwaterError, ValueError):
    """No workflow of this name is registered in this process."""


class WorkflowPaused(HoldwaterError, RuntimeError):
    """New runs of this workflow are not started for now: it was paused by a request."""


class ScheduleError(HoldwaterError, ValueError):
    """A schedule cannot be used: its cron expression, time zone, duration or policy is wrong, or it never fires."""


class ScheduleOfPackage(ScheduleError):
    """A schedule or trigger is written by the package of its name: it is changed or removed there."""


class ScheduleNotFound(HoldwaterError, ValueError):
    """The store has no schedule of this id or name."""


class StructureChanged(HoldwaterError, ValueError):
    """A run was recorded under another structure of its workflow than the one this process knows."""


# -- values


class InvalidArgument(HoldwaterError, ValueError, TypeError):
    """An argument (a key, an id, a reason, a label) is of another type, empty, too long, or text no database holds."""


class EncodingError(HoldwaterError, ValueError, TypeError):
    """A value cannot be stored; `path` names the key path inside the value."""

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class DecodingError(HoldwaterError, ValueError):
    """A stored value cannot be brought back in this process."""


class ContextTooLarge(HoldwaterError, ValueError):
    """A context is larger than `max_context_bytes`."""


class KeyExists(HoldwaterError, ValueError):
    """`Context.insert` met a key that is there already."""


class KeyMissing(HoldwaterError, KeyError):
    """A context has no such key."""


# -- runs


class RunNotFound(HoldwaterError, ValueError):
    """The store has no run of this id."""


class BulkJobNotFound(HoldwaterError, ValueError):
    """No bulk job of this id is recorded."""


class AmbiguousRun(HoldwaterError, ValueError):
    """Part of an id fits several runs: `candidates`, ids of the newest of them."""

    def __init__(self, message: str, candidates: Iterable[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.candidates = tuple(candidates)


class LimitNotFound(HoldwaterError, ValueError):
    """There is no concurrency limit with this key."""


class RunInProgress(HoldwaterError, RuntimeError):
    """A run is executed at this moment, here or elsewhere, and cannot be executed a second time beside that."""


class RunNotFinished(HoldwaterError, TimeoutError):
    """The wait for a result ended before the run did; the run goes on."""


class IdempotencyConflict(HoldwaterError, ValueError):
    """An idempotency key was used again with other inputs."""


class PauseNotFound(HoldwaterError, ValueError, KeyError):
    """An answer fits no open question, or more than one."""


class AnswerError(HoldwaterError, ValueError, TypeError):
    """An answer is not of the type that is asked for."""


class InvalidTransition(HoldwaterError, ValueError):
    """A run cannot be paused, resumed, cancelled or retried from the state it is in."""


class TaskNotFound(HoldwaterError, ValueError):
    """A run has no task of this name."""


class RunnerClosed(HoldwaterError, RuntimeError, ValueError):
    """The runner was shut down, or belongs to another process."""


class TaskReturnError(HoldwaterError, TypeError):
    """A task body returned something that is neither the context, a dict nor None."""


class TaskCancelled(HoldwaterError):
    """Raised inside a body that waits (`defer_until`) when its run was cancelled, timed out or shut down."""


class FunctionCancelled(HoldwaterError, RuntimeError):
    """A body ended with `CancelledError` although nothing had cancelled its run; that error is the cause."""


class TaskEnded(HoldwaterError, RuntimeError):
    """A handle was used to wait, or to start a run, after the body it was given to had ended."""


class CapacityExhausted(HoldwaterError, RuntimeError):
    """Too many timed-out threads are still running abandoned bodies; new thread work is refused."""


# -- executors


class ExecutorNotFound(HoldwaterError, ValueError):
    """A routing rule, a task or a caller names an executor this runner does not have."""


class ExecutorUnavailable(HoldwaterError, ConnectionError):
    """The cluster of an executor cannot be reached, did not start, or could not run a body."""


class ResourcesUnavailable(HoldwaterError, RuntimeError):
    """A task asks for resources that no node of its executor's cluster has."""


class WorkerCrashed(HoldwaterError, RuntimeError):
    """The worker process died while a body ran in it: by a signal, `os._exit`, for want of memory."""


class BadAnswer(HoldwaterError, RuntimeError):
    """A worker process answered with what a runner must not take: no strict JSON, too much, or not the task's."""


class TaskNotPortable(HoldwaterError, TypeError):
    """A body cannot be sent to another process: it, or something it refers to, cannot be pickled."""


# -- the engine itself


class InternalError(HoldwaterError, RuntimeError):
    """The engine, or code it was given, raised where no task's body runs.  Only the run concerned is affected."""


# -- the kernel


class IllegalEvent(HoldwaterError, RuntimeError):
    """An event does not fit the machine's state: it is late, doubled or foreign.  Nothing was changed."""


# -- storage


class StoreError(HoldwaterError, RuntimeError):
    """The store did something it must not do, or holds what it must not hold."""


class DatabaseURLError(HoldwaterError, ValueError):
    """A database URL cannot be understood or points to a place that cannot be used."""


class DatabaseNotFound(DatabaseURLError):
    """There is no database where a URL points to, and what was asked for does not make one."""


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
    """The database was written by a newer Holdwater than this one."""


# -- tenants


class TenantError(HoldwaterError, RuntimeError, ValueError):
    """A tenant cannot be made, removed or brought up to date.  Nothing of it was changed."""


class TenantNotFound(TenantError):
    """The database has no tenant of this name."""


class TenantUnavailable(TenantError):
    """A tenant cannot be served now; the others can."""


class TenantWaking(TenantUnavailable):
    """A tenant has no engine yet, as others are at work.  It has one soon."""


class TenantInUse(TenantError):
    """A tenant cannot be removed: its role is connected, or its work is executed."""


# -- packages


class PackageError(HoldwaterError, ValueError):
    """A package cannot be used.  `code`: the reason for programs, as `upload_failed`."""

    code = "upload_failed"


class ArchiveError(PackageError):
    """An archive is no package, or has what a package must not have: the message names the entry and the rule."""


class ManifestError(PackageError):
    """The manifest of a package is wrong: the message names file, line and key."""


class PackageBuildError(PackageError):
    """A package cannot be built from its folder, or does not describe itself."""


class PackageUnsupported(PackageError):
    """A package needs what this engine does not have; the message names it."""


class VersionExists(PackageError):
    """There is another archive of this package and version."""

    code = "version_exists"


class WorkflowTaken(PackageError):
    """Another package has a workflow of this name."""

    code = "workflow_taken"


class ReleaseNotFound(PackageError):
    """There is no such release, or no such version of the package."""

    code = "release_not_found"


class ReleaseBroken(PackageError):
    """A release could not be registered, or its hosts do not start."""

    code = "release_broken"


class ReleaseDraining(PackageError):
    """A release is being removed and starts nothing more."""

    code = "release_draining"


class TrustError(HoldwaterError, PermissionError, ValueError):
    """A signature is missing, or is not accepted.

    `code`: signature_required, signature_not_found, invalid_signature, key_revoked, key_expired or wrong_audience.
    """

    def __init__(self, message: str, *, code: str = "invalid_signature", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class SecretNotFound(HoldwaterError, KeyError, ValueError):
    """There is no secret of this name, or it has no such field."""

    __str__ = HoldwaterError.__str__


class SecretExists(HoldwaterError, ValueError):
    """There is a secret of this name already."""


class SecretNotAllowed(HoldwaterError, PermissionError):
    """The package does not list the secret among those its functions may ask for."""


class SecretsUnavailable(HoldwaterError, RuntimeError):
    """Secrets cannot be read here: there is no key for them, not the right one, or no way to the runner."""


class IsolationUnavailable(ConfigError):
    """The isolation that was asked for is not possible on this machine."""


class DaemonError(HoldwaterError, RuntimeError):
    """A daemon cannot start, or none answers."""


class ServerError(HoldwaterError, RuntimeError):
    """A server cannot start, or none answers."""


# -- definitions and inputs of graphs


class GraphConfigError(WorkflowError):
    """A node or a graph cannot be built as it was declared."""


class ConflictError(GraphConfigError):
    """Two nodes that no order and no gate separates write the same output."""


class SignatureError(GraphConfigError, TypeError):
    """A function, or an argument of a decorator, is of a kind that this node cannot use."""


class RenameError(GraphConfigError):
    """A rename names a port the node does not have, or gives two ports one name."""


class MapOverError(GraphConfigError):
    """A map names inputs the graph does not have, or lists that do not fit each other."""


class InputError(HoldwaterError, ValueError):
    """A value is given for what is no input, is given twice, or cannot be given in this way."""


class MissingInputError(HoldwaterError, ValueError):
    """A run was started without an input that nothing else provides: `missing`, out of `provided`."""

    def __init__(self, missing: Iterable[str], provided: Iterable[str], message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.missing = tuple(missing)
        self.provided = tuple(provided)


class InfiniteLoopError(HoldwaterError, RuntimeError):
    """A loop was still going after `max_iterations` supersteps."""

    def __init__(self, message: str, *, max_iterations: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.max_iterations = max_iterations


class DeadlockError(HoldwaterError, RuntimeError):
    """Nodes of a loop wait for each other: nothing else is left to run, and no gate decided against them."""


class IncompatibleRunnerError(HoldwaterError, TypeError, ValueError):
    """A graph needs a `capability` its runner does not have, because of the node `node_name`."""

    def __init__(self, message: str, *, node_name: str = "", capability: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.node_name = node_name
        self.capability = capability


class NodeReturnError(HoldwaterError, ValueError, TypeError):
    """A body returned something its node does not allow: a gate's decision, the number of outputs."""


# -- runs of graphs


class MissingOutputError(HoldwaterError, ValueError):
    """A selected output was not made, and the caller wanted to hear of it."""


class GraphFailed(HoldwaterError, RuntimeError):
    """A recorded run failed; what its node raised was raised in another process, or in an earlier one."""


class InvalidRunState(HoldwaterError, RuntimeError):
    """A run was asked for its result before its end, or used outside of its `async with` block."""


# -- steps


class StepFailed(NodeFailure, RuntimeError):
    """A step failed.  The engine records its category as the kind; the cause is kept."""


class ConfigurationFailure(HoldwaterError, ValueError):
    """A step cannot be carried out as it is configured: a parameter is missing, a target is behind it."""

    category = "CONFIGURATION"
    retryable = False


class PipelineNotFound(HoldwaterError, KeyError, ValueError):
    """Nothing of this name is registered: no pipeline and no workflow."""

    category = "CONFIGURATION"
    retryable = False


class StepReturnError(HoldwaterError, TypeError):
    """A handler, a middleware or a pipeline returned something that is no result."""

    retryable = False


class ReadOnlyContext(HoldwaterError, TypeError, AttributeError):
    """A context is never changed: each change makes a new one."""


class FallThroughWarning(UserWarning):
    """The first branch of a choice runs on into the second."""


class StepOutsideRun(HoldwaterError, RuntimeError):
    """A runner's `_execute_*` method was called by hand, outside of a run."""


# -- servers


class ServerRequired(ConfigError):
    """A database was asked for what only a server has: API keys, the audit log, uploads of packages."""


class RemoteError(HoldwaterError):
    """A server did not do what it was asked, for a reason that has no class of its own.

    `status`: of its answer (HTTP), 0 if there was none; `code`: its reason, for programs.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class ServerUnreachable(RemoteError, ConnectionError):
    """A server cannot be reached: no connection, no name, no trusted certificate, no answer in time."""


class ServerMismatch(RemoteError, RuntimeError):
    """The answer is not that of a Holdwater server, or of a version that this one does not understand."""


class NotAuthenticated(RemoteError, PermissionError):
    """A server does not accept the API key: it is missing, wrong, expired or revoked."""


class AccessDenied(RemoteError, PermissionError):
    """The API key may not do this, or not in this tenant."""


class RequestRefused(RemoteError, ValueError):
    """A server refused a request."""


class ServerFailure(RemoteError, RuntimeError):
    """A server failed while it did what it was asked."""


# -- caches


class CacheUnavailable(HoldwaterError, OSError):
    """The directory of a cache cannot be used: it cannot be written, or another user could forge its entries."""


class Unstorable(HoldwaterError, TypeError):
    """A backend cannot keep this value: it cannot be copied or pickled, or is larger than the whole cache."""
