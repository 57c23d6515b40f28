"""Equality of values of any type."""

from __future__ import annotations


def is_same_value(one: object, other: object) -> bool:
    """Return True if the values are identical or equal, arrays by all elements.  False if comparing them fails."""
    if one is other:
        return True
    try:
        result = one == other
        every = getattr(result, "all", None)
        return bool(every()) if callable(every) else bool(result)
    except Exception:  # noqa: BLE001 - __eq__ of user objects may raise anything, and then says nothing
        return False
