"""Exit codes, and the errors that lead to them."""

from __future__ import annotations

from typing import Final

COMPLETED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
STOPPED: Final = 4
UNAVAILABLE: Final = 5
UNTRUSTED: Final = 4
SERVER_USAGE: Final = 1
NETWORK: Final = 2
DENIED: Final = 4
REFUSED: Final = 5
INTERNAL: Final = 70
INTERRUPTED: Final = 130
OUTPUT_CLOSED: Final = 141
TERMINATED: Final = 143

EXIT_CODES_HELP: Final = """\
Exit codes:
  0    completed; for verify: no violation; for runs cancel, pause, ...: done
  1    the run failed; for verify: violations; for doctor: something that needs a person; for package build: the
       package has a mistake
  2    usage, or input that cannot be used
  3    module, workflow, run, schedule, task, database, tenant, release or archive not found
  4    the run is cancelled or paused, or not in a state to be steered so; the tenant is in use; for package: a
       signature is missing or not accepted
  5    the store is unavailable or damaged; for package: the archive is refused
  with a server (--server, --profile):
  1    usage, or input that cannot be used; the run failed
  2    the server cannot be reached
  3    not found
  4    the API key is missing, not accepted, or may not do that; a signature is not accepted; the run is cancelled or
       paused
  5    the server refuses what is asked for, or failed
  always:
  70   an error inside Holdwater
  130  interrupted; what is recorded goes on later
  141  the output is read no more
  143  terminated (SIGTERM), after draining as with 130"""

CODES_BY_STATUS: Final = {"Completed": COMPLETED, "Failed": FAILED, "Cancelled": STOPPED, "Paused": STOPPED}


class CommandError(Exception):
    """An error of the command line itself."""

    def __init__(self, message: str, *, hint: str = "", code: int = USAGE) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


def is_not_found(error: Exception) -> bool:
    """Return True for the error of a name or an id that stands for nothing."""
    from holdwater import errors

    return isinstance(
        error,
        (
            errors.WorkflowNotFound,
            errors.RunNotFound,
            errors.BulkJobNotFound,
            errors.LimitNotFound,
            errors.ScheduleNotFound,
            errors.TaskNotFound,
            errors.TenantNotFound,
            errors.DatabaseNotFound,
            errors.ReleaseNotFound,
            errors.SecretNotFound,
        ),
    )


def server_exit_code_for(error: Exception) -> int:
    """Return the exit code for an error of a command that speaks to a server."""
    from holdwater import errors

    match error:
        case CommandError():
            return NOT_FOUND if error.code == NOT_FOUND else SERVER_USAGE
        case errors.ServerUnreachable():
            return NETWORK
        case errors.ServerMismatch():
            return REFUSED
        case errors.NotAuthenticated() | errors.AccessDenied() | errors.TrustError() | errors.StoreReadOnly():
            return DENIED
        case errors.HoldwaterError() if is_not_found(error) or getattr(error, "status", 0) == 404:
            return NOT_FOUND
        case errors.RemoteError():
            return REFUSED
        case errors.HoldwaterError():
            return REFUSED if error.request_id else SERVER_USAGE
    return INTERNAL


def exit_code_for(error: Exception) -> int:
    """Return the exit code for an error of a command on a database."""
    from holdwater import errors

    match error:
        case CommandError():
            return error.code
        case errors.HoldwaterError() if is_not_found(error):
            return NOT_FOUND
        case errors.InvalidTransition() | errors.TenantInUse():
            return STOPPED
        case errors.TrustError():
            return UNTRUSTED
        case errors.PackageBuildError() | errors.DaemonError() | errors.ServerError():
            return FAILED
        case errors.PackageError():
            return REFUSED
        case errors.StoreError():
            return UNAVAILABLE
        case errors.RunnerClosed() | errors.IllegalEvent():
            return INTERNAL
        case errors.HoldwaterError():
            return USAGE
    return INTERNAL
