"""Copies of inputs, so that an attempt that fails half-way does not change those of the next one."""

from __future__ import annotations

import copy
from typing import Any, Final

from holdwater.model.values import StoredValue

_IMMUTABLE_TYPES: Final = (type(None), bool, int, float, complex, str, bytes, type)


def copy_if_data(value: Any) -> Any:
    """Return a deep copy of data; values that cannot be stored in a recorded run (a client, a lock) are not copied."""
    if isinstance(value, _IMMUTABLE_TYPES):
        return value
    try:
        StoredValue.encode(value)
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - whatever refuses to be encoded or copied is no data
        return value
