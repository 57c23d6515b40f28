"""Copies of the configuration of steps, so that changes by one attempt do not affect another."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

_ATOMIC_TYPES: Final = frozenset({str, int, float, bool, complex, bytes, type(None)})
_SHALLOW_COPIED_TYPES: Final = (set, bytearray, deque)
"""containers whose elements are immutable, or rarely containers"""


def copy_containers(value: Any) -> Any:
    """Copy the containers and dataclass instances in a value, recursively.

    Other objects (functions, classes, clients, locks) are shared.
    """
    return _copy_recursively(value, {})


def copy_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a configuration; an object in it twice is copied once."""
    memo: dict[int, Any] = {}
    return {name: _copy_recursively(value, memo) for name, value in config.items()}


def _copy_recursively(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in _ATOMIC_TYPES:
        return value
    if id(value) in memo:  # the same list twice, or a list that contains itself
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
