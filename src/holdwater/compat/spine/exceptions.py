"""Errors of pipeline groups, guards and breakers: to be named in an `except`.  Only GroupError is ever raised."""

from __future__ import annotations

from holdwater.errors import HoldwaterError
from holdwater.errors import WorkflowError as GroupError


class GroupNotFoundError(GroupError):
    """There are no groups."""


class CycleDetectedError(GroupError):
    """Steps go forward; a jump back is refused when the workflow is made."""


class PlanResolutionError(GroupError):
    """A workflow is checked when it is made."""


class StepNotFoundError(GroupError):
    """A step that is not there is refused when the workflow is made."""


class DependencyError(GroupError):
    """Steps have an order, and no dependencies."""


class InvalidGroupSpecError(GroupError):
    """There are no files of groups."""


class ExecutionLockError(HoldwaterError):
    """A run is started once with an idempotency key."""


class CircuitOpenError(HoldwaterError):
    """There are no circuit breakers."""


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
