"""Copies of values, so that an attempt that failed half way leaves nothing behind for the next one."""

from __future__ import annotations

import copy
from typing import Any, Final

from holdwater.model.values import Stored

_IMMUTABLE_TYPES: Final = (type(None), bool, int, float, complex, str, bytes, type)


def copy_if_data(value: Any) -> Any:
    """A deep copy of data; what could not be stored in a recorded run (a client, a lock) as it is."""
    if isinstance(value, _IMMUTABLE_TYPES):
        return value
    try:
        Stored.of(value)
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - whatever refuses to be encoded or copied is no data
        return value
