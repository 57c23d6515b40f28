"""Categories of errors: what a retry policy asks about a failed step."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Final

from holdwater.model.error_report import attribute, is_a, leaves


class ErrorCategory(StrEnum):
    """Why a step failed.  Each equals its name as a string; other strings may be used wherever one is expected."""

    TRANSIENT = "TRANSIENT"
    DATA_QUALITY = "DATA_QUALITY"
    CONFIGURATION = "CONFIGURATION"
    DEPENDENCY = "DEPENDENCY"
    INTERNAL = "INTERNAL"
    TIMEOUT = "TIMEOUT"


_CATEGORY_ALIASES: Final = {
    "NETWORK": "TRANSIENT",
    "DATABASE": "TRANSIENT",
    "CONFIG": "CONFIGURATION",
    "SOURCE": "DEPENDENCY",
    "VALIDATION": "DATA_QUALITY",
}


def category_name(category: Any) -> str:
    """The category as a plain string."""
    return str(category.value) if isinstance(category, Enum) else str(category)


def classify_error(error: BaseException) -> str:
    """The category of an exception.

    Its own `category` attribute if it has one (NETWORK and DATABASE are TRANSIENT, CONFIG is CONFIGURATION, SOURCE is
    DEPENDENCY, VALIDATION is DATA_QUALITY), or TRANSIENT for a true `retryable`.  Otherwise TIMEOUT for a TimeoutError,
    TRANSIENT for a ConnectionError or another OSError, and INTERNAL.  Of a group: the first of its
    exceptions that has another one than INTERNAL counts.
    """
    own = attribute(error, "category")
    if issubclass(type(own), (str, Enum)):
        name = category_name(own)
        return _CATEGORY_ALIASES.get(name.upper(), name)
    if is_a(error, TimeoutError):
        return "TIMEOUT"
    if attribute(error, "retryable") is True:
        return "TRANSIENT"
    if is_a(error, OSError):
        return "TRANSIENT"
    found = map(classify_error, leaves(error)) if is_a(error, BaseExceptionGroup) else ()
    return next((category for category in found if category != "INTERNAL"), "INTERNAL")


def is_non_retryable(error: BaseException | None) -> bool:
    """Whether the exception, or one in the group it is, says that trying again is of no use: `retryable` is False."""
    return any(attribute(one, "retryable") is False for one in [error, *leaves(error)])
