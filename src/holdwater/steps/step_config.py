"""Configuration of steps: each attempt has a copy of its data, and what it writes there is seen by no other."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

_ATOMIC_TYPES: Final = frozenset({str, int, float, bool, complex, bytes, type(None)})
_SHALLOW_COPIED_TYPES: Final = (set, bytearray, deque)
"""containers whose elements cannot be changed, or rarely are containers themselves"""


def copy_containers(value: Any) -> Any:
    """A copy of the containers and dataclass instances in a value, however deep.

    Everything else is shared: functions, classes, clients and locks are handed over, they are no data.
    """
    return _copy_recursively(value, {})


def copy_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of copies."""
    memo: dict[int, Any] = {}
    return {name: _copy_recursively(value, memo) for name, value in config.items()}


def _copy_recursively(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in _ATOMIC_TYPES:
        return value
    if id(value) in memo:  # the same list twice, or a list in itself
        return memo[id(value)]
    if issubclass(kind, dict):
        made = memo[id(value)] = {} if kind is dict else copy.copy(value)
        for key, element in value.items():
            made[key] = _copy_recursively(element, memo)
        return made
    if issubclass(kind, list):
        made = memo[id(value)] = [] if kind is list else copy.copy(value)
        made[:] = [_copy_recursively(element, memo) for element in value]
        return made
    if issubclass(kind, tuple):
        made = tuple.__new__(kind, [_copy_recursively(element, memo) for element in value])
        return memo.setdefault(id(value), made)
    if issubclass(kind, _SHALLOW_COPIED_TYPES):
        return memo.setdefault(id(value), copy.copy(value))
    if dataclasses.is_dataclass(kind):
        made = memo[id(value)] = copy.copy(value)
        for field in dataclasses.fields(kind):
            if hasattr(value, field.name):
                object.__setattr__(made, field.name, _copy_recursively(getattr(value, field.name), memo))
        return made
    return value
