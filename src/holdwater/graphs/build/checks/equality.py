"""Whether two values of any kind are the same."""

from __future__ import annotations


def is_same_value(one: object, other: object) -> bool:
    """Identical, or equal; arrays are equal if all their elements are.  What cannot be compared is not the same."""
    if one is other:
        return True
    try:
        result = one == other
        every = getattr(result, "all", None)
        return bool(every()) if callable(every) else bool(result)
    except Exception:  # noqa: BLE001 - __eq__ of user objects may raise anything, and then says nothing
        return False
