"""Categories of errors: what a retry policy asks about a failed step."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Final


class ErrorCategory(StrEnum):
    """Why a step failed.  Each equals its name as a string; other strings may be used wherever one is expected."""

    TRANSIENT = "TRANSIENT"
    DATA_QUALITY = "DATA_QUALITY"
    CONFIGURATION = "CONFIGURATION"
    DEPENDENCY = "DEPENDENCY"
    INTERNAL = "INTERNAL"
    TIMEOUT = "TIMEOUT"


_OTHER_WORDS: Final = {
    "NETWORK": "TRANSIENT",
    "DATABASE": "TRANSIENT",
    "CONFIG": "CONFIGURATION",
    "SOURCE": "DEPENDENCY",
    "VALIDATION": "DATA_QUALITY",
}


def category_name(category: Any) -> str:
    """The category as a plain string."""
    return str(category.value) if isinstance(category, Enum) else str(category)


def category_of(error: BaseException) -> str:
    """The category of an exception.

    Its own `category` attribute if it has one (NETWORK and DATABASE are TRANSIENT, CONFIG is CONFIGURATION, SOURCE is
    DEPENDENCY, VALIDATION is DATA_QUALITY), or TRANSIENT for a true `retryable`.  Otherwise TIMEOUT for a TimeoutError,
    TRANSIENT for a ConnectionError or another OSError, and INTERNAL.
    """
    own = getattr(error, "category", None)
    if isinstance(own, (str, Enum)):
        name = category_name(own)
        return _OTHER_WORDS.get(name.upper(), name)
    if isinstance(error, TimeoutError):
        return "TIMEOUT"
    if getattr(error, "retryable", None) is True:
        return "TRANSIENT"
    if isinstance(error, OSError):
        return "TRANSIENT"
    return "INTERNAL"


def is_final(error: BaseException | None) -> bool:
    """Whether the exception says itself that trying again is of no use: its `retryable` is False."""
    return getattr(error, "retryable", None) is False
