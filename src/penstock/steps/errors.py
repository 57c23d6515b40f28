"""Errors of steps."""

from __future__ import annotations

from penstock.model.errors import NodeFailure, PenstockError


class StepFailed(NodeFailure, RuntimeError):
    """A step failed.  The engine records its category as the kind; the cause is kept."""


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
