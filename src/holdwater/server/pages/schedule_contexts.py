"""Contexts that runs of a schedule begin with, as JSON that people read and write."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.server.value_tree import ShownValue, build_tree, describe_tree


def plain_context(inputs: str) -> dict[str, Any]:
    """Render the stored inputs of a schedule as plain JSON, also with classes this process does not know."""
    return {key: to_plain_json(tree) for key, tree in json.loads(inputs).items()}


def show_context(inputs: str | None) -> list[ShownValue]:
    """Return the stored inputs of a schedule as values to show."""
    trees = {} if inputs is None else json.loads(inputs)
    return [ShownValue(name, build_tree(tree), describe_tree(tree)) for name, tree in trees.items()]


def parse_context(text: str) -> dict[str, Any] | None:
    """Parse a JSON object; None for an empty text.  Raises ValueError, in words."""
    if not text.strip():
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    if not isinstance(value, dict):
        raise ValueError('a context is a JSON object: {"name": value}')
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
