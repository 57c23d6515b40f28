"""Errors by the original's names.

Where Holdwater has no such error, because the thing is allowed here, the class is there to be named in an `except`.
"""

from __future__ import annotations

from holdwater.errors import HoldwaterError, RunInProgress, StructureChanged
from holdwater.graphs import (
    ConflictError,
    GraphConfigError,
    IncompatibleRunnerError,
    InfiniteLoopError,
    MapOverError,
    MissingInputError,
    RenameError,
)

GraphChangedError = VersionMismatchError = StructureChanged
WorkflowAlreadyRunningError = RunInProgress
AttemptTimeoutError = TimeoutError


class NeverRaised(HoldwaterError):
    """Base of the errors that only the original raises."""


class ExecutionError(NeverRaised):
    """What a node raises comes out as it is."""


class WorkflowAlreadyCompletedError(NeverRaised):
    """A completed workflow may be run again: it returns what it has, or goes on with new inputs."""


class WorkflowStoppedError(NeverRaised):
    """A run that was stopped goes on when it is run again."""


class WorkflowForkError(NeverRaised):
    """See `Checkpointer.fork`."""


class InputOverrideRequiresForkError(NeverRaised):
    """New inputs win over recorded ones."""


class RetryPolicyChangedError(NeverRaised):
    """The policy of the present code counts."""


class CompactedRetentionError(NeverRaised):
    """All of a run is kept until it is deleted."""


class RetryWindowExpiredError(NeverRaised):
    """There are no retry windows."""


class AttemptOutcomeUnknownError(NeverRaised):
    """A node whose process was lost runs again."""


__all__ = [
    "AttemptOutcomeUnknownError",
    "AttemptTimeoutError",
    "CompactedRetentionError",
    "ConflictError",
    "ExecutionError",
    "GraphChangedError",
    "GraphConfigError",
    "IncompatibleRunnerError",
    "InfiniteLoopError",
    "InputOverrideRequiresForkError",
    "MapOverError",
    "MissingInputError",
    "RenameError",
    "RetryPolicyChangedError",
    "RetryWindowExpiredError",
    "VersionMismatchError",
    "WorkflowAlreadyCompletedError",
    "WorkflowAlreadyRunningError",
    "WorkflowForkError",
    "WorkflowStoppedError",
]
