"""Errors of steps."""

from __future__ import annotations

from penstock.model.errors import PenstockError


class StepFailed(PenstockError, RuntimeError):
    """A step failed.  The engine records `penstock_kind`, its category, and `penstock_text`; the cause is kept.

    `penstock_final`: trying again is of no use, whatever the policy says.
    """

    def __init__(self, kind: str, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.penstock_kind = kind
        self.penstock_text = text
        self.penstock_final = final


class ConfigurationFailure(PenstockError, ValueError):
    """A step cannot be carried out as it is configured: a parameter is missing, a target is behind it."""

    category = "CONFIGURATION"
    retryable = False


class PipelineNotFound(PenstockError, KeyError, ValueError):
    """Nothing of this name is registered: no pipeline and no workflow."""

    category = "CONFIGURATION"
    retryable = False


class StepReturnError(PenstockError, TypeError):
    """A handler, a middleware or a pipeline returned something that is no result."""

    retryable = False


class ReadOnlyContext(PenstockError, TypeError, AttributeError):
    """A context is never changed: each change makes a new one."""


class FallThroughWarning(UserWarning):
    """The first branch of a choice runs on into the second."""
