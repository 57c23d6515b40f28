"""Values that callers pass, judged where they come in: numbers that are numbers, texts every database can hold.

The limits are the same on every database, so that a run accepted on one is accepted on all.
"""

from __future__ import annotations

import math
from typing import Any, Final

from holdwater.errors import ConfigError, HoldwaterError, InvalidArgument

MAX_SECONDS: Final = 3_155_760_000.0
"""a hundred years: added to any instant of this century, in microseconds it fits into 64 bits"""
MAX_NAME_BYTES: Final = 512
"""of a workflow, a schedule, a trigger or an executor, in UTF-8"""
MAX_IDEMPOTENCY_KEY_BYTES: Final = 1_024
"""of an idempotency key; with the workflow's name it is one row of a PostgreSQL index, 2,704 bytes at most"""
MAX_RUN_ID_BYTES: Final = 1_024
"""of a run's id that a caller chooses; children of its nodes have longer ones"""
MAX_LOOKUP_BYTES: Final = 100_000
MAX_REASON_BYTES: Final = 10_000
MAX_COUNT: Final = 2**31
_MAX_REPR_CHARS: Final = 80


def shorten_repr(value: Any) -> str:
    """The value for a message, bounded; also one whose `__repr__` raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the message is about another error
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= _MAX_REPR_CHARS else f"{text[: _MAX_REPR_CHARS - 1]}…"


def check_seconds(
    label: str,
    value: Any,
    *,
    positive: bool = True,
    maximum: float = MAX_SECONDS,
    error_class: type[HoldwaterError] = ConfigError,
    unit: str = "seconds",
) -> float:
    """A length of time, finite and not negative; `positive`: not 0 either.  Raises `error`."""
    wanted = f"a finite number of {unit}, {'above 0' if positive else '0 or more'} and at most {maximum:,.0f}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise error_class(f"{label} is {wanted}, not {shorten_repr(value)}")
    if not (value > 0 if positive else value >= 0) or not value <= maximum:
        hint = "None means no limit where there may be none" if value == math.inf else ""
        raise error_class(f"{label} is {wanted}, not {shorten_repr(value)}", hint=hint)
    return value


def check_timeout(label: str, value: Any, *, error_class: type[HoldwaterError] = InvalidArgument) -> float | None:
    """Check a time-out and return it in seconds; None and infinity: no limit.  Raises `error_class`."""
    if value is None or value == math.inf:
        return None
    return check_seconds(label, value, positive=False, error_class=error_class)


def check_search_text(label: str, value: Any) -> str:
    """A name or an id that something is looked for by.  Raises InvalidArgument for what can be none.

    A blank one can be looked for: nothing has it.
    """
    if isinstance(value, str) and value.isspace():
        return value
    return check_text(label, value, max_bytes=MAX_LOOKUP_BYTES, allow_empty=True)


def check_count(
    label: str,
    value: Any,
    *,
    minimum: int = 0,
    maximum: int = MAX_COUNT,
    error_class: type[HoldwaterError] = ConfigError,
) -> int:
    """A whole number from `low` to `high`.  Raises `error`."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise error_class(f"{label} is a whole number, {minimum:,} to {maximum:,}, not {shorten_repr(value)}")
    return value


def check_text(
    label: str,
    value: Any,
    *,
    max_bytes: int,
    allow_empty: bool = False,
    error_class: type[HoldwaterError] = InvalidArgument,
) -> str:
    """Text that every database can hold: no NUL, no lone surrogate, not too long.  Raises `error`."""
    if not isinstance(value, str):
        hint = "decode it first" if isinstance(value, (bytes, bytearray)) else ""
        raise error_class(f"{label} is a text, not {shorten_repr(value)}", hint=hint)
    if not value.strip() and not (allow_empty and not value):
        raise error_class(f"{label} is a text and cannot be empty, not {shorten_repr(value)}")
    if "\0" in value:
        raise error_class(
            f"{label} has a NUL character: {shorten_repr(value)}", hint="take it out: PostgreSQL text has none"
        )
    try:
        length = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as bad:
        raise error_class(
            f"{label} has the lone surrogate {value[bad.start]!r}: {shorten_repr(value)}",
            hint="it is half of a character, or a byte that could not be decoded; encode it as UTF-8 to find out",
        ) from None
    if length > max_bytes:
        raise error_class(
            f"{label} has {length:,} bytes in UTF-8, and no more than {max_bytes:,} are stored: {shorten_repr(value)}",
            hint="use a shorter one, or a hash of it",
        )
    return value
