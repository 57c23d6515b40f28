"""Shapes of schemas: the widget that can show the values of one.  What has no widget is edited as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from holdwater.model.json_schema import Schema
from holdwater.model.schema_validation import describe_schema

MAX_OBJECT_DEPTH: Final = 3
MAX_OPTIONS: Final = 200
MAX_ALTERNATIVES: Final = 8
_MAX_REFERENCES: Final = 20
"""references that lead from one to another"""

ShapeKind = Literal[
    "text", "integer", "number", "date", "date-time", "select", "boolean", "list", "checkboxes", "object", "choice",
    "json",
]  # fmt: skip

UNKNOWN_SCHEMA: Final[Schema] = {"anyOf": [{"type": "boolean"}, {"type": "string"}, {}]}
"""in the place of a schema that is not there: yes or no, text, JSON"""

_KINDS_BY_TYPE: Final[dict[str, ShapeKind]] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}
_ALTERNATIVE_LABELS: Final = {"boolean": "Yes or no", "string": "Text", "null": "Nothing"}
_ANNOTATIONS: Final = ("title", "description", "default", "examples")


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema with its widget.

    `schema`: without references at its top.  `is_nullable`: null fits, and is what an empty input may mean.
    `options`: JSON values of a select or of checkboxes.  `item_kind`: of a list.  `properties`: of an object.
    `alternatives`: of a choice.
    """

    kind: ShapeKind
    schema: Schema
    is_nullable: bool = False
    options: tuple[Any, ...] = ()
    item_kind: ShapeKind = "text"
    properties: Mapping[str, Schema] = field(default_factory=lambda: MappingProxyType({}))
    alternatives: tuple[Schema, ...] = ()

    @property
    def required(self) -> frozenset[str]:
        """The properties that must be there."""
        return frozenset(name for name in self.schema.get("required", ()) if isinstance(name, str))


def shape_of(schema: Schema, root: Schema, depth: int = 0) -> Shape:
    """Find the widget of a schema.  `root`: with the `$defs`.  `depth`: objects around it."""
    schema = resolve_references(schema, root)
    members = _union_members(schema, root)
    if members is not None:
        return _union_shape(schema, members, root, depth)
    if "const" in schema or "enum" in schema:
        return _enum_shape(schema)
    kind = schema.get("type")
    if kind == "array":
        return _array_shape(schema, root)
    if kind == "object":
        return _object_shape(schema, depth)
    if kind == "null":
        return Shape("select", schema, options=(None,))
    if kind == "string" and schema.get("format") in ("date", "date-time"):
        return Shape("date" if schema["format"] == "date" else "date-time", schema)
    if kind == ["string", "number"] and schema.get("format") == "decimal":
        return Shape("text", schema)
    return Shape(_KINDS_BY_TYPE.get(kind, "json") if isinstance(kind, str) else "json", schema)


def resolve_references(schema: Schema, root: Schema) -> Schema:
    """Follow `$ref` and an `allOf` of one member; what stands beside them counts, too."""
    for _ in range(_MAX_REFERENCES):
        if isinstance(schema.get("$ref"), str):
            key = "$ref"
            target = root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2])
        elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
            key, target = "allOf", schema["allOf"][0]
        else:
            return schema
        if not isinstance(target, dict):
            return {}
        schema = {**target, **{name: value for name, value in schema.items() if name != key}}
    return {}


def label_alternative(schema: Schema, root: Schema) -> str:
    """Name an alternative of a choice."""
    schema = resolve_references(schema, root)
    if isinstance(schema.get("title"), str):
        return str(schema["title"])
    kind = schema.get("type")
    if not schema:
        return "JSON"
    if isinstance(kind, str) and kind in _ALTERNATIVE_LABELS and not {"enum", "const", "format"} & schema.keys():
        return _ALTERNATIVE_LABELS[kind]
    said = describe_schema({**schema, "$defs": root.get("$defs", {})})
    return said[:1].upper() + said[1:]


def _union_members(schema: Schema, root: Schema) -> list[Schema] | None:
    """List the alternatives of a union; None if it is none."""
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            members = [resolve_references(one, root) for one in schema[keyword] if isinstance(one, dict)]
            return members if len(members) == len(schema[keyword]) else [{}]
    kinds = schema.get("type")
    if isinstance(kinds, list) and schema.get("format") != "decimal" and not {"enum", "const"} & schema.keys():
        rest = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
        return [{**rest, "type": kind} for kind in kinds]
    return None


def _union_shape(schema: Schema, members: list[Schema], root: Schema, depth: int) -> Shape:
    rest = [one for one in members if one.get("type") != "null"]
    is_nullable = len(rest) < len(members)
    if not 0 < len(rest) <= MAX_ALTERNATIVES:
        return Shape("json", schema)
    if len(rest) > 1:
        return Shape("choice", schema, is_nullable, alternatives=tuple(rest))
    annotations: Schema = {name: schema[name] for name in _ANNOTATIONS if name in schema}
    one = shape_of({**rest[0], **annotations}, root, depth)
    return Shape(
        one.kind,
        one.schema,
        is_nullable or one.is_nullable,
        one.options,
        one.item_kind,
        one.properties,
        one.alternatives,
    )


def _enum_shape(schema: Schema) -> Shape:
    values = [schema["const"]] if "const" in schema else schema["enum"]
    is_scalar = isinstance(values, list) and all(isinstance(one, str | int | float | None) for one in values)
    if not is_scalar or not 0 < len(values) <= MAX_OPTIONS:
        return Shape("json", schema)
    return Shape("select", schema, options=tuple(values))


def _array_shape(schema: Schema, root: Schema) -> Shape:
    if "prefixItems" in schema or not isinstance(schema.get("items"), dict):
        return Shape("json", schema)
    item = shape_of(schema["items"], root)
    if item.kind == "select" and schema.get("uniqueItems"):
        return Shape("checkboxes", schema, options=item.options)
    if item.kind == "select" and all(isinstance(one, str) for one in item.options):
        return Shape("list", schema, item_kind="text")
    if item.kind in ("text", "integer", "number", "date") and not item.is_nullable:
        return Shape("list", schema, item_kind="text" if item.kind == "date" else item.kind)
    return Shape("json", schema)


def _object_shape(schema: Schema, depth: int) -> Shape:
    properties = schema.get("properties")
    if depth >= MAX_OBJECT_DEPTH or not isinstance(properties, dict) or not properties:
        return Shape("json", schema)
    if not all(isinstance(one, dict) for one in properties.values()) or len(properties) > MAX_OPTIONS:
        return Shape("json", schema)
    return Shape("object", schema, properties=properties)
