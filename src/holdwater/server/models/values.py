"""Values of users as JSON: nothing is decoded, so no class of theirs is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.model.values import StoredValue


def plain_value(value: StoredValue | None) -> Any:
    """Write a value: instants in ISO 8601, other scalars as text, containers as lists and objects."""
    return None if value is None else to_plain_json(value.tree)


def shown_value(value: StoredValue | None, *, typed: bool) -> Any:
    """Write a value: plain, or `typed`: as it is stored, in JSON with the tags of its types."""
    return value.tree if typed and value is not None else plain_value(value)


def shown_values(values: Mapping[str, StoredValue], *, typed: bool) -> dict[str, Any]:
    """Write values by name: plain, or `typed`: as they are stored."""
    return {name: shown_value(value, typed=typed) for name, value in values.items()}


def plain_values(values: Mapping[str, StoredValue] | Mapping[str, StoredValue | None]) -> dict[str, Any]:
    """Write values by name."""
    return {name: plain_value(value) for name, value in values.items()}
