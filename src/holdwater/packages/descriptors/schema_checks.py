"""JSON Schemas from a process that is not trusted: keywords that are looked at have the types they must have."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import PackageBuildError
from holdwater.model.json_schema import Schema

MAX_SCHEMA_VALUES: Final = 20_000
"""schemas in a schema"""
_NUMBERS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
)  # fmt: skip
_TEXTS: Final = ("$ref", "format", "title", "description")
_LISTS_OF_SCHEMAS: Final = ("anyOf", "oneOf", "prefixItems")
_OBJECTS_OF_SCHEMAS: Final = ("properties", "$defs")
_SCHEMAS: Final = ("items", "additionalProperties")
_LISTS_OF_TEXTS: Final = ("required",)


def check_schema(data: Any, label: str) -> Schema:
    """Check a JSON Schema.  Raises PackageBuildError.  `label`: names it."""
    count, stack = 0, [data]
    while stack:
        schema = stack.pop()
        count += 1
        if type(schema) is bool:
            continue
        if type(schema) is not dict or count > MAX_SCHEMA_VALUES:
            raise PackageBuildError(f"{label} is no JSON Schema, or has more than {MAX_SCHEMA_VALUES:,} parts")
        wrong = [keyword for keyword, value in schema.items() if not _is_valid(keyword, value)]
        if wrong:
            raise PackageBuildError(f"{label} has a keyword that says nothing: {wrong[0]!r:.80}")
        stack += [one for keyword in _LISTS_OF_SCHEMAS for one in schema.get(keyword, ())]
        stack += [one for keyword in _OBJECTS_OF_SCHEMAS for one in schema.get(keyword, {}).values()]
        stack += [schema[keyword] for keyword in _SCHEMAS if keyword in schema]
    if type(data) is not dict:
        raise PackageBuildError(f"{label} is no object")
    return data


def _is_valid(keyword: str, value: Any) -> bool:
    if keyword in _NUMBERS:
        return type(value) in (int, float)
    if keyword in _TEXTS:
        return type(value) is str
    if keyword in _LISTS_OF_SCHEMAS or keyword == "enum":
        return type(value) is list
    if keyword in _OBJECTS_OF_SCHEMAS:
        return type(value) is dict
    if keyword in _LISTS_OF_TEXTS:
        return _is_list_of_texts(value)
    if keyword == "type":
        return type(value) is str or _is_list_of_texts(value)
    return keyword != "uniqueItems" or type(value) is bool


def _is_list_of_texts(value: Any) -> bool:
    return type(value) is list and all([type(one) is str for one in value])
