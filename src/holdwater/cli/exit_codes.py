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


def exit_code_for(error: Exception) -> int:
    """Return the exit code for an error of Holdwater."""
    from holdwater import errors

    match error:
        case CommandError():
            return error.code
        case (
            errors.WorkflowNotFound()
            | errors.RunNotFound()
            | errors.BulkJobNotFound()
            | errors.LimitNotFound()
            | errors.ScheduleNotFound()
            | errors.TaskNotFound()
            | errors.TenantNotFound()
            | errors.DatabaseNotFound()
            | errors.ReleaseNotFound()
            | errors.SecretNotFound()
        ):
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
