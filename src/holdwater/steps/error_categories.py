"""Categories of errors, by which retry policies select failures of steps."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Final

from holdwater.model.error_report import flatten_group, is_a, safe_getattr


class ErrorCategory(StrEnum):
    """Category of a failure.  Each member equals its name; other strings are accepted as categories as well."""

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
    """Return a category as a plain string."""
    return str(category.value) if isinstance(category, Enum) else str(category)


def classify_error(error: BaseException) -> str:
    """Return the category of an exception.

    Its `category` attribute if it has one (NETWORK and DATABASE become TRANSIENT, CONFIG CONFIGURATION, SOURCE
    DEPENDENCY, VALIDATION DATA_QUALITY); TRANSIENT if its `retryable` is true.  Otherwise TIMEOUT for a TimeoutError,
    TRANSIENT for other OSErrors, INTERNAL for all others.  Of an exception group: the first category other than
    INTERNAL among its exceptions.
    """
    own = safe_getattr(error, "category")
    if issubclass(type(own), (str, Enum)):
        name = category_name(own)
        return _CATEGORY_ALIASES.get(name.upper(), name)
    if is_a(error, TimeoutError):
        return "TIMEOUT"
    if safe_getattr(error, "retryable") is True:
        return "TRANSIENT"
    if is_a(error, OSError):
        return "TRANSIENT"
    found = map(classify_error, flatten_group(error)) if is_a(error, BaseExceptionGroup) else ()
    return next((category for category in found if category != "INTERNAL"), "INTERNAL")


def is_non_retryable(error: BaseException | None) -> bool:
    """Return True if `retryable` is False on the exception, or on one in the group."""
    return any(safe_getattr(one, "retryable") is False for one in [error, *flatten_group(error)])
