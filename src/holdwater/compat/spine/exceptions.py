"""Errors of pipeline groups, locks and circuit breakers, for use in an `except`; only GroupError is ever raised."""

from __future__ import annotations

from holdwater.errors import HoldwaterError
from holdwater.errors import WorkflowError as GroupError


class GroupNotFoundError(GroupError):
    """Never raised: there are no groups."""


class CycleDetectedError(GroupError):
    """Never raised: a jump back is refused when the workflow is created."""


class PlanResolutionError(GroupError):
    """Never raised: a workflow is checked when it is created."""


class StepNotFoundError(GroupError):
    """Never raised: an unknown step is refused when the workflow is created."""


class DependencyError(GroupError):
    """Never raised: steps have an order, and no dependencies."""


class InvalidGroupSpecError(GroupError):
    """Never raised: there are no files of groups."""


class ExecutionLockError(HoldwaterError):
    """Never raised: an idempotency key starts a run once."""


class CircuitOpenError(HoldwaterError):
    """Never raised: there are no circuit breakers."""


__all__ = [
    "CircuitOpenError",
    "CycleDetectedError",
    "DependencyError",
    "ExecutionLockError",
    "GroupError",
    "GroupNotFoundError",
    "InvalidGroupSpecError",
    "PlanResolutionError",
    "StepNotFoundError",
]
