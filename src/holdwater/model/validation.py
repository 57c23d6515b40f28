"""Values that callers pass, judged where they come in: numbers that are numbers, texts every database can hold.

The limits are the same on every database, so that a run accepted on one is accepted on all.
"""

from __future__ import annotations

import math
from typing import Any, Final

from holdwater.errors import ConfigError, HoldwaterError, InvalidArgument

LONGEST_SECONDS: Final = 3_155_760_000.0
"""a hundred years: added to any instant of this century, in microseconds it fits into 64 bits"""
LONGEST_NAME_BYTES: Final = 512
"""of a workflow, a schedule, a trigger or an executor, in UTF-8"""
LONGEST_KEY_BYTES: Final = 1_024
"""of an idempotency key; with the workflow's name it is one row of a PostgreSQL index, 2,704 bytes at most"""
LONGEST_ID_BYTES: Final = 1_024
"""of a run's id that a caller chooses; children of its nodes have longer ones"""
LONGEST_SOUGHT_BYTES: Final = 100_000
LONGEST_REASON_BYTES: Final = 10_000
LARGEST_COUNT: Final = 2**31
_SHOWN_CHARS: Final = 80


def shorten_repr(value: Any) -> str:
    """The value for a message, bounded; also one whose `__repr__` raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the message is about another error
        return f"<a {type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def check_seconds(
    what: str,
    value: Any,
    *,
    positive: bool = True,
    at_most: float = LONGEST_SECONDS,
    error: type[HoldwaterError] = ConfigError,
    unit: str = "seconds",
) -> float:
    """A length of time, finite and not negative; `positive`: not 0 either.  Raises `error`."""
    wanted = f"a finite number of {unit}, {'above 0' if positive else '0 or more'} and at most {at_most:,.0f}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise error(f"{what} is {wanted}, not {shorten_repr(value)}")
    if not (value > 0 if positive else value >= 0) or not value <= at_most:
        hint = "None means no limit where there may be none" if value == math.inf else ""
        raise error(f"{what} is {wanted}, not {shorten_repr(value)}", hint=hint)
    return value


def check_timeout(what: str, value: Any, *, error: type[HoldwaterError] = InvalidArgument) -> float | None:
    """How long to wait, in seconds; None: as long as it takes, which infinity means too.  Raises `error`."""
    if value is None or value == math.inf:
        return None
    return check_seconds(what, value, positive=False, error=error)


def check_search_text(what: str, value: Any) -> str:
    """A name or an id that something is looked for by.  Raises InvalidArgument for what can be none."""
    return check_text(what, value, at_most_bytes=LONGEST_SOUGHT_BYTES, empty=True)


def check_count(
    what: str, value: Any, *, low: int = 0, high: int = LARGEST_COUNT, error: type[HoldwaterError] = ConfigError
) -> int:
    """A whole number from `low` to `high`.  Raises `error`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise error(f"{what} is a whole number, {low:,} to {high:,}, not {shorten_repr(value)}")
    return value


def check_text(
    what: str,
    value: Any,
    *,
    at_most_bytes: int,
    empty: bool = False,
    error: type[HoldwaterError] = InvalidArgument,
) -> str:
    """Text that every database can hold: no NUL, no lone surrogate, not too long.  Raises `error`."""
    if not isinstance(value, str):
        hint = "decode it first" if isinstance(value, (bytes, bytearray)) else ""
        raise error(f"{what} is a text, not {shorten_repr(value)}", hint=hint)
    if not value.strip() and not (empty and not value):
        raise error(f"{what} is a text and cannot be empty, not {shorten_repr(value)}")
    if "\0" in value:
        raise error(f"{what} has a NUL character: {shorten_repr(value)}", hint="take it out: PostgreSQL text has none")
    try:
        length = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as bad:
        raise error(
            f"{what} has the lone surrogate {value[bad.start]!r}: {shorten_repr(value)}",
            hint="it is half of a character, or a byte that could not be decoded; encode it as UTF-8 to find out",
        ) from None
    if length > at_most_bytes:
        raise error(
            f"{what} has {length:,} bytes in UTF-8, and no more than {at_most_bytes:,} are stored: "
            f"{shorten_repr(value)}",
            hint="use a shorter one, or a hash of it",
        )
    return value
