"""Errors by the original's names.

An error that Holdwater never raises, because it allows the operation, is defined for use in an `except`.
"""

from __future__ import annotations

from holdwater.errors import (
    ConflictError,
    GraphConfigError,
    HoldwaterError,
    IncompatibleRunnerError,
    InfiniteLoopError,
    MapOverError,
    MissingInputError,
    RenameError,
    RunInProgress,
    StructureChanged,
)

GraphChangedError = VersionMismatchError = StructureChanged
WorkflowAlreadyRunningError = RunInProgress
AttemptTimeoutError = TimeoutError


class NeverRaised(HoldwaterError):
    """Base of the errors that Holdwater never raises."""


class ExecutionError(NeverRaised):
    """Never raised: exceptions of nodes propagate unchanged."""


class WorkflowAlreadyCompletedError(NeverRaised):
    """Never raised: a completed run returns its result again, or continues with new inputs."""


class WorkflowStoppedError(NeverRaised):
    """Never raised: a stopped run continues when it is run again."""


class WorkflowForkError(NeverRaised):
    """Never raised: see `Checkpointer.fork`."""


class InputOverrideRequiresForkError(NeverRaised):
    """Never raised: new inputs override recorded ones."""


class RetryPolicyChangedError(NeverRaised):
    """Never raised: the policy of the current code applies."""


class CompactedRetentionError(NeverRaised):
    """Never raised: a run is kept whole until it is deleted."""


class RetryWindowExpiredError(NeverRaised):
    """Never raised: there are no retry windows."""


class AttemptOutcomeUnknownError(NeverRaised):
    """Never raised: a node whose process was lost runs again."""


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
