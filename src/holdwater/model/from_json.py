"""Values of annotated types from JSON: what a form, a command line or another process sends."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import types
import typing
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AnySet
from typing import Any, Final, Literal

from holdwater.model.json_schema import (
    is_named_tuple,
    is_pydantic_model,
    is_union,
    resolve_type_hints,
    unwrap_annotation,
)

_TEXT_PARSERS: Final[dict[Any, Callable[[str], Any]]] = {
    dt.datetime: dt.datetime.fromisoformat,
    dt.date: dt.date.fromisoformat,
    dt.time: dt.time.fromisoformat,
    uuid.UUID: uuid.UUID,
    decimal.Decimal: decimal.Decimal,
}
_CONVERSION_ERRORS: Final = (ValueError, TypeError, ArithmeticError, KeyError)


def from_json(value: Any, annotation: Any) -> Any:
    """The value of the annotation's type that JSON stands for: an ISO 8601 string for a datetime, the value or the name
    of a member for an Enum, an object for a dataclass or a pydantic model, a list for a tuple or a set.

    What is of the type already, or stands for nothing of it, is returned as it is: the check of types judges it.
    An error of a constructor of the annotation's class is passed on unchanged.
    """
    annotation = unwrap_annotation(annotation)
    if is_union(annotation):
        return _convert_union(value, typing.get_args(annotation))
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal or not isinstance(origin, type):
        return value
    if is_pydantic_model(origin):
        return _convert_pydantic(value, origin)
    if isinstance(value, str):
        return _convert_text(value, origin)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _convert_number(value, origin)
    if isinstance(value, dict):
        return _convert_object(value, origin, arguments)
    if isinstance(value, list):
        return _convert_list(value, origin, arguments)
    return value


def _convert_union(value: Any, members: tuple[Any, ...]) -> Any:
    """By the first member that the JSON value itself is of; else by the first that can be made from it."""
    classes = [unwrap_annotation(member) for member in members]
    if type(value) in classes:
        return value
    for member in members:
        try:
            made = from_json(value, member)
        except _CONVERSION_ERRORS:
            continue
        if made is not value:
            return made
    return value


def _convert_text(value: str, cls: type) -> Any:
    if issubclass(cls, enum.Enum):
        return _convert_enum(value, cls)
    if issubclass(cls, pathlib.PurePath):
        return cls(value)
    if cls in _TEXT_PARSERS:
        try:
            return _TEXT_PARSERS[cls](value)
        except (ValueError, ArithmeticError):
            return value
    return value


def _convert_number(value: float, cls: type) -> Any:
    if issubclass(cls, enum.Enum):
        return _convert_enum(value, cls)
    if cls is decimal.Decimal:
        return decimal.Decimal(str(value))
    if cls is float and isinstance(value, int):
        return float(value)
    return value


def _convert_enum(value: Any, cls: type[enum.Enum]) -> Any:
    try:
        return cls(value)
    except ValueError:
        return cls.__members__.get(value, value) if isinstance(value, str) else value


def _convert_object(value: dict[str, Any], cls: type, arguments: tuple[Any, ...]) -> Any:
    hints = resolve_type_hints(cls)
    if typing.is_typeddict(cls):
        return {name: from_json(one, hints.get(name, Any)) for name, one in value.items()}
    if dataclasses.is_dataclass(cls) or is_named_tuple(cls):
        return cls(**{name: from_json(one, hints.get(name, Any)) for name, one in value.items()})
    if issubclass(cls, Mapping):
        kind = arguments[1] if len(arguments) == 2 else Any
        made = {name: from_json(one, kind) for name, one in value.items()}
        return made if isinstance(made, cls) else cls(made)  # type: ignore[call-arg]
    return value


def _convert_list(value: list[Any], cls: type, arguments: tuple[Any, ...]) -> Any:
    if issubclass(cls, tuple) and arguments and arguments[-1] is not Ellipsis:
        return (*map(from_json, value, arguments), *value[len(arguments) :])
    items = [from_json(one, arguments[0]) for one in value] if arguments else list(value)
    if isinstance(items, cls):
        return items
    if cls in (tuple, set, frozenset, deque):
        return cls(items)
    return frozenset(items) if issubclass(cls, AnySet) and issubclass(frozenset, cls) else items


def _convert_pydantic(value: Any, cls: Any) -> Any:
    if isinstance(value, cls) or not isinstance(value, (dict, list, str, int, float, bool, types.NoneType)):
        return value
    return cls.model_validate(value) if hasattr(cls, "model_validate") else value
