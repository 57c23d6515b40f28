"""Checks of JSON data from a process that is not trusted: their size, and the types of their fields."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from holdwater.errors import PackageBuildError
from holdwater.model import validation

T = TypeVar("T")
_COMMANDS: Final = re.compile("[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
"""control characters but those of layout, and those that turn the direction of a text"""
Fields = Mapping[str, Any]

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""values of all levels"""
MAX_TEXT_CHARS: Final = 16 * 1024 * 1024
"""characters of all texts and keys together"""


def check_tree(data: Any, label: str) -> None:
    """Check that data is JSON of a bearable size.  Raises PackageBuildError."""
    values = chars = 0
    stack: list[tuple[Any, int]] = [(data, 1)]
    while stack:
        value, depth = stack.pop()
        values += 1
        if isinstance(value, str):
            chars += len(value)
        elif isinstance(value, dict):
            if not all([type(key) is str for key in value]):
                raise PackageBuildError(f"{label} has a key that is no text")
            chars += sum(map(len, value))
            stack += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            stack += [(one, depth + 1) for one in value]
        elif not (value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value))):
            raise PackageBuildError(f"{label} has {validation.shorten_repr(value)}, which is no JSON")
        if depth > MAX_DEPTH or values + len(stack) > MAX_VALUES or chars > MAX_TEXT_CHARS:
            raise PackageBuildError(
                f"{label} is larger than any: more than {MAX_DEPTH} levels, {MAX_VALUES:,} values or "
                f"{MAX_TEXT_CHARS:,} characters"
            )


def check_fields(data: Any, label: str, required: Collection[str], optional: Collection[str] = ()) -> Fields:
    """Check that data is an object with these fields.  Raises PackageBuildError."""
    if not isinstance(data, dict):
        raise PackageBuildError(f"{label} is no object")
    missing = [name for name in required if name not in data]
    unknown = [name for name in data if name not in required and name not in optional]
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has {unknown[0]!r:.80}, which is not known"
        raise PackageBuildError(f"{label} {what}")
    return data


def check_type(data: Any, label: str, kind: type[T]) -> T:
    """Check that data has exactly this type.  Raises PackageBuildError."""
    if type(data) is not kind:
        raise PackageBuildError(f"{label} is {validation.shorten_repr(data)}, and no {kind.__name__}")
    return data


def check_list(data: Any, label: str, max_items: int) -> list[Any]:
    """Check that data is a list of at most so many items.  Raises PackageBuildError."""
    if type(data) is not list or len(data) > max_items:
        raise PackageBuildError(f"{label} is no list of at most {max_items:,} items")
    return data


def check_name(data: Any, label: str) -> str:
    """Check that data is a name that every database can hold, and that looks like itself.  Raises PackageBuildError."""
    name = validation.check_text(label, data, max_bytes=validation.MAX_NAME_BYTES, error_class=PackageBuildError)
    if not name.isprintable():
        raise PackageBuildError(f"{label} has control characters, or such that are not shown: {name!r:.80}")
    return name


def check_names(data: Any, label: str, max_items: int) -> tuple[str, ...]:
    """Check that data is a list of names.  Raises PackageBuildError."""
    return tuple([check_name(one, f"a name in {label}") for one in check_list(data, label, max_items)])


def check_text(data: Any, label: str, max_chars: int) -> str:
    """Check that data is a text that every database can hold and no terminal obeys.  Raises PackageBuildError."""
    text = validation.check_text(label, data, max_bytes=4 * max_chars, allow_empty=True, error_class=PackageBuildError)
    if found := _COMMANDS.search(text):
        raise PackageBuildError(f"{label} has the character {found[0]!r}, which a terminal may obey")
    return text


def check_texts(data: Any, label: str, max_items: int) -> tuple[str, ...]:
    """Check that data is a list of texts.  Raises PackageBuildError."""
    items = check_list(data, label, max_items)
    return tuple([check_text(one, f"a text in {label}", validation.MAX_NAME_BYTES) for one in items])
