"""`spine.core.errors`: errors with a category, which retry policies of steps use."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class ErrorCategory(StrEnum):
    """The categories of `spine.core`, which differ from those of steps (`spine.orchestration.ErrorCategory`).

    A step that raises an error of one fails with the corresponding category of steps: NETWORK and DATABASE are
    TRANSIENT, CONFIG is CONFIGURATION, SOURCE is DEPENDENCY, VALIDATION is DATA_QUALITY, the others are the same.
    """

    NETWORK = "NETWORK"
    DATABASE = "DATABASE"
    STORAGE = "STORAGE"
    SOURCE = "SOURCE"
    PARSE = "PARSE"
    VALIDATION = "VALIDATION"
    CONFIG = "CONFIG"
    AUTH = "AUTH"
    PIPELINE = "PIPELINE"
    ORCHESTRATION = "ORCHESTRATION"
    INTERNAL = "INTERNAL"
    UNKNOWN = "UNKNOWN"


class SpineError(Exception):
    """An error with a `category`.

    `retryable`: True makes an error without a category TRANSIENT, False is never retried, None leaves the decision to
    the policy.  `details`: other keyword arguments.
    """

    default_category: ClassVar[ErrorCategory] = ErrorCategory.INTERNAL

    def __init__(
        self,
        message: str = "",
        *,
        category: ErrorCategory | str | None = None,
        retryable: bool | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        transient = retryable is True and self.default_category is ErrorCategory.INTERNAL
        self.category = category or ("TRANSIENT" if transient else self.default_category)
        self.retryable = retryable
        self.details = details


class NetworkError(SpineError):
    """Failure of the network; transient."""

    default_category = ErrorCategory.NETWORK


class DatabaseError(SpineError):
    """Failure of a database; transient."""

    default_category = ErrorCategory.DATABASE


class StorageError(SpineError):
    """Failure of a file or object store."""

    default_category = ErrorCategory.STORAGE


class SourceError(SpineError):
    """Failure of a data source."""

    default_category = ErrorCategory.SOURCE


class ParseError(SpineError):
    """Malformed data."""

    default_category = ErrorCategory.PARSE


class ValidationError(SpineError):
    """Invalid data."""

    default_category = ErrorCategory.VALIDATION


class ConfigError(SpineError):
    """Invalid configuration."""

    default_category = ErrorCategory.CONFIG


class AuthError(SpineError):
    """Refused access."""

    default_category = ErrorCategory.AUTH


class PipelineError(SpineError):
    """Failure of a pipeline."""

    default_category = ErrorCategory.PIPELINE


class OrchestrationError(SpineError):
    """Failure of a workflow."""

    default_category = ErrorCategory.ORCHESTRATION


__all__ = [
    "AuthError",
    "ConfigError",
    "DatabaseError",
    "ErrorCategory",
    "NetworkError",
    "OrchestrationError",
    "ParseError",
    "PipelineError",
    "SourceError",
    "SpineError",
    "StorageError",
    "ValidationError",
]
