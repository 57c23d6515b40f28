"""`spine.core.errors`: errors that say what kind they are.  Retry policies of steps ask for that."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class ErrorCategory(StrEnum):
    """The categories of `spine.core`, which are others than those of steps (`spine.orchestration.ErrorCategory`).

    A step that raises one fails with the category of steps that it stands for: NETWORK and DATABASE are TRANSIENT,
    CONFIG is CONFIGURATION, SOURCE is DEPENDENCY, VALIDATION is DATA_QUALITY, and the rest stay as they are.
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
    """An error with a `category`.  `retryable`: True makes one without another category TRANSIENT, False is never
    tried again, None leaves it to the policy.  `details`: whatever else is given.
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
    """The network failed; worth another try."""

    default_category = ErrorCategory.NETWORK


class DatabaseError(SpineError):
    """The database failed; worth another try."""

    default_category = ErrorCategory.DATABASE


class StorageError(SpineError):
    """A file or object store failed."""

    default_category = ErrorCategory.STORAGE


class SourceError(SpineError):
    """What the data comes from failed."""

    default_category = ErrorCategory.SOURCE


class ParseError(SpineError):
    """The data cannot be read."""

    default_category = ErrorCategory.PARSE


class ValidationError(SpineError):
    """The data is not as it must be."""

    default_category = ErrorCategory.VALIDATION


class ConfigError(SpineError):
    """The configuration is wrong."""

    default_category = ErrorCategory.CONFIG


class AuthError(SpineError):
    """Access was refused."""

    default_category = ErrorCategory.AUTH


class PipelineError(SpineError):
    """A pipeline failed."""

    default_category = ErrorCategory.PIPELINE


class OrchestrationError(SpineError):
    """A workflow failed."""

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
