"""Parts of a JSON value that do not fit a JSON Schema (2020-12), the schema in words, and input of a command line."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.model.json_schema import Schema

_MAX_DEPTH: Final = 50
"""levels of a schema or a value that are looked at; what is deeper fits"""
MAX_PARTS: Final = 200_000
"""parts of a value that are looked at, each as often as a schema asks for it; what comes after them fits"""


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """A part of a JSON value that does not fit a schema.

    `path`: keys and positions that lead to it; that of a missing property ends with its name.  `text`: without the path
    (`must be a number, it is 'x'`).  `message`: with it (`lines[2].amount must be a number, it is 'x'`).
    """

    path: tuple[str | int, ...]
    text: str
    message: str


def find_violations(schema: Schema, value: Any) -> Iterator[SchemaViolation]:
    """Iterate over the parts of a JSON value that do not fit a schema, in the order of the schema's keywords.

    Understands what `schema_of` writes and what pydantic writes for models; keywords that are not known are passed
    over.
    """
    return _SchemaValidator(schema).violations(schema, value, (), 0)


def first_violation(schema: Schema, value: Any) -> str | None:
    """The first part of a JSON value that does not fit a schema, with its path; None if all fits."""
    return next((violation.message for violation in find_violations(schema, value)), None)


_TYPE_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "null": (lambda v: v is None, "null"),
    "boolean": (lambda v: isinstance(v, bool), "true or false"),
    "integer": (lambda v: isinstance(v, int) and not isinstance(v, bool), "an integer"),
    "number": (lambda v: isinstance(v, (int, float)) and not isinstance(v, bool), "a number"),
    "string": (lambda v: isinstance(v, str), "a string"),
    "array": (lambda v: isinstance(v, list), "a list"),
    "object": (lambda v: isinstance(v, dict), "an object"),
}
_FORMAT_PARSERS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "date-time": (dt.datetime.fromisoformat, "a date and a time (ISO 8601)"),
    "date": (dt.date.fromisoformat, "a date (ISO 8601)"),
    "time": (dt.time.fromisoformat, "a time (ISO 8601)"),
    "uuid": (uuid.UUID, "a UUID"),
    "decimal": (decimal.Decimal, "a decimal number"),
}


_Path = tuple[str | int, ...]


class _SchemaValidator:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._parts_left = MAX_PARTS

    def violations(self, schema: Any, value: Any, path: _Path, depth: int) -> Iterator[SchemaViolation]:
        """Iterate over the violations, in the order of the schema's keywords."""
        self._parts_left -= 1
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self._parts_left < 0:
            return
        if "$ref" in schema:
            yield from self.violations(self._resolve_ref(schema["$ref"]), value, path, depth + 1)
            return
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield from self._any_of_violations(schema[keyword], value, path, depth)
        if "enum" in schema and not any([_json_equal(value, one) for one in schema["enum"]]):
            allowed = ", ".join(map(_bounded_repr, schema["enum"]))
            yield _violation(path, f"must be one of {allowed}, it is {_bounded_repr(value)}")
        if "const" in schema and not _json_equal(value, schema["const"]):
            yield _violation(path, f"must be {_bounded_repr(schema['const'])}, it is {_bounded_repr(value)}")
        names = schema.get("type", ())
        types_ = [names] if isinstance(names, str) else list(names)
        if types_ and not any([_TYPE_CHECKS[name][0](value) for name in types_ if name in _TYPE_CHECKS]):
            expected = " or ".join(_TYPE_CHECKS[name][1] for name in types_ if name in _TYPE_CHECKS)
            yield _violation(path, f"must be {expected}, it is {_bounded_repr(value)}")
            return
        yield from self._format_violations(schema, value, path)
        yield from self._bound_violations(schema, value, path)
        if isinstance(value, list):
            yield from self._item_violations(schema, value, path, depth)
        if isinstance(value, dict):
            yield from self._property_violations(schema, value, path, depth)

    def _any_of_violations(self, members: list[Any], value: Any, path: _Path, depth: int) -> Iterator[SchemaViolation]:
        found = [next(self.violations(one, value, path, depth + 1), None) for one in members]
        if None not in found:
            told = list(dict.fromkeys(one for one in found if one is not None))
            all_told = "; ".join([one.message for one in told])
            yield told[0] if len(told) == 1 else _violation(path, f"fits no alternative: {all_told}")

    def _format_violations(self, schema: Schema, value: Any, path: _Path) -> Iterator[SchemaViolation]:
        if isinstance(value, str) and schema.get("format") in _FORMAT_PARSERS:
            parse, name = _FORMAT_PARSERS[schema["format"]]
            try:
                parse(value)
            except (ValueError, ArithmeticError):
                yield _violation(path, f"must be {name}, it is {_bounded_repr(value)}")

    def _bound_violations(self, schema: Schema, value: Any, path: _Path) -> Iterator[SchemaViolation]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            size: Any = value
            limits = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
        elif isinstance(value, (str, list)):
            size = len(value)
            limits = (
                {"minLength": ">=", "maxLength": "<="}
                if isinstance(value, str)
                else {"minItems": ">=", "maxItems": "<="}
            )
        else:
            return
        for keyword, sign in limits.items():
            bound = schema.get(keyword)
            if bound is not None and not _COMPARISONS[sign](size, bound):
                subject = "" if size is value else "the length of "
                yield _violation(path, f"must be {sign} {bound}, it is {size}", subject)

    def _item_violations(self, schema: Schema, value: list[Any], path: _Path, depth: int) -> Iterator[SchemaViolation]:
        first = schema.get("prefixItems", ())
        rest = schema.get("items")
        for k, item in enumerate(value):
            yield from self.violations(first[k] if k < len(first) else rest, item, (*path, k), depth + 1)
        if schema.get("uniqueItems") and len({_identity(one) for one in value}) < len(value):
            yield _violation(path, "must not hold anything twice")

    def _property_violations(
        self, schema: Schema, value: dict[str, Any], path: _Path, depth: int
    ) -> Iterator[SchemaViolation]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield SchemaViolation((*path, name), "is missing", f"{_path_text(path)} lacks {name!r}")
        for name, one in value.items():
            if name not in properties and rest is False:
                known = ", ".join(map(repr, properties)) or "nothing"
                yield _violation(path, f"has {name!r}, which is not known: {known}")
                continue
            yield from self.violations(properties.get(name, rest), one, (*path, name), depth + 1)

    def _resolve_ref(self, reference: str) -> Any:
        return self._root.get("$defs", {}).get(reference.rpartition("/")[2])


def _violation(path: _Path, text: str, subject: str = "") -> SchemaViolation:
    """`subject`: a property of the value that does not fit, `the length of `."""
    return SchemaViolation(path, f"{subject and 'its length '}{text}", f"{subject}{_path_text(path)} {text}")


def _path_text(path: _Path) -> str:
    """`lines[2].amount`; `the value` for the value itself."""
    text = "".join([f"[{part}]" if isinstance(part, int) else f".{part}" for part in path])
    return text.removeprefix(".") or "the value"


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def _json_equal(value: Any, other: Any) -> bool:
    """JSON's equality: true is not 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _identity(value: Any) -> tuple[str, Any]:
    """The same for what JSON Schema holds equal: 1 and 1.0, and objects in any order of their keys."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return ("number", value) if is_number else ("text", json.dumps(value, sort_keys=True))


def _bounded_repr(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def describe_schema(schema: Schema) -> str:
    """Describe what fits a schema: `yes or no`, `an integer`, `one of 'red', 'blue'`, `a list of integers`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return describe_schema({"title": name, **schema.get("$defs", {}).get(name, {})})
    if "enum" in schema:
        return f"one of {', '.join(map(_bounded_repr, schema['enum']))}"
    if "anyOf" in schema:
        return " or ".join([describe_schema(one) for one in schema["anyOf"]])
    names = schema.get("type", ())
    kinds = [names] if isinstance(names, str) else list(names)
    if "format" in schema and schema["format"] in _FORMAT_PARSERS:
        return _FORMAT_PARSERS[schema["format"]][1]
    if kinds == ["boolean"]:
        return "yes or no"
    if kinds == ["object"] and "properties" in schema:
        return f"an object with {', '.join(schema['properties']) or 'nothing'}"
    return " or ".join(_TYPE_CHECKS[kind][1] for kind in kinds if kind in _TYPE_CHECKS) or "anything"


# -- words of a command line


_BOOLEAN_WORDS: Final = {
    "yes": True,
    "y": True,
    "true": True,
    "on": True,
    "no": False,
    "n": False,
    "false": False,
    "off": False,
}


def parse_user_input(text: str, schema: Schema | None) -> Any:
    """The JSON value that is meant by what was typed: JSON, or text, or yes and no where a boolean is asked for.

    Of these the first that fits the schema; if none does, what JSON makes of it, or else the text.
    """
    meant: list[Any] = []
    with contextlib.suppress(ValueError):
        meant.append(json.loads(text))
    meant.append(text)
    if text.strip().lower() in _BOOLEAN_WORDS:
        meant.append(_BOOLEAN_WORDS[text.strip().lower()])
    if schema is not None:
        for value in meant:
            if first_violation(schema, value) is None:
                return value
    return meant[0]
