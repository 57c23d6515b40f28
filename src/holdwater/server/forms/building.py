"""Fields of a form, from a JSON Schema and the value to begin with."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from holdwater.model.json_schema import Schema
from holdwater.model.schema_validation import describe_schema, first_violation
from holdwater.server.forms import fields
from holdwater.server.forms.fields import Field, Form, Option
from holdwater.server.forms.json_text import is_same_json, write_json
from holdwater.server.forms.posting import Posted, posted_field
from holdwater.server.forms.reading import ABSENT, FieldReader
from holdwater.server.forms.shapes import UNKNOWN_SCHEMA, Shape, label_alternative, shape_of

MAX_LINE_LENGTH: Final = 80
"""characters; a longer text gets a text area"""
_DATE_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d|)")
_PLACEHOLDERS: Final = {
    "date-time": "2026-11-21T08:00:00Z",
    "time": "08:00:00",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} items or more",
    "maxItems": "{} items or fewer",
}


def build_form(schema: Schema | None, value: Any = ABSENT, *, name: str = "value", label: str = "value") -> Form:
    """Build the form of a schema.  `value`: to begin with; without one, the defaults of the schema.

    `schema`: None, or one that every value fits: yes or no, text and JSON are offered.
    `name`: the beginning of the names of all inputs.
    """
    root_schema = schema or UNKNOWN_SCHEMA
    root = build_root(schema, value, name=name, label=label, prefill=value is ABSENT)
    if root.kind == "json" or not schema:
        return Form(root)
    current = value
    if value is ABSENT:
        current = FieldReader(root_schema, Posted(posted_field(root))).read(root_schema, name, (), 0)
    return Form(root, build_editor(root, "" if current is ABSENT else write_json(current, indent=2)))


def build_editor(root: Field, text: str) -> Field:
    """Build the JSON editor beside the field of a whole value."""
    name = root.name + fields.WHOLE_SUFFIX
    return Field("json", name, root.label, text, root.help, root.type_text, is_required=True)


def build_root(schema: Schema | None, value: Any, *, name: str, label: str, prefill: bool) -> Field:
    """Build the field of a whole value.  `prefill`: show the defaults."""
    root_schema = schema or UNKNOWN_SCHEMA
    return _FieldBuilder(root_schema).build(root_schema, name, label, value, is_required=True, prefill=prefill)


class _FieldBuilder:
    """Builds the fields of one schema."""

    def __init__(self, root_schema: Schema) -> None:
        self._root = root_schema

    def build(
        self, schema: Schema, name: str, label: str, value: Any, *, is_required: bool, prefill: bool, depth: int = 0
    ) -> Field:
        """Build a field.  `prefill`: show the default if there is no value.  `depth`: objects around it."""
        shape = shape_of(schema, self._root, depth)
        if value is ABSENT and prefill and shape.schema.get("default") is not None:
            value = shape.schema["default"]
        empty = _value_if_empty(shape, value, is_required)
        field = Field(
            "json",
            name,
            label,
            help=_text_of(shape.schema.get("description")),
            type_text=_describe(shape, self._root),
            is_required=is_required and not empty,
            empty=empty,
        )
        built = self._build_widget(field, shape, value, prefill=prefill and is_required, depth=depth)
        if value is ABSENT or self._gives_back(built, schema, value, depth):
            return built
        if isinstance(value, str) and shape.kind in ("date", "date-time"):
            built = replace(field, kind="text", text=value, placeholder=_PLACEHOLDERS.get(shape.kind, ""))
            if self._gives_back(built, schema, value, depth):
                return built
        return replace(field, text=write_json(value, indent=2))

    def _gives_back(self, field: Field, schema: Schema, value: Any, depth: int) -> bool:
        """Return True if the field, posted as it is, means just this value."""
        given = FieldReader(self._root, Posted(posted_field(field))).read(schema, field.name, (), depth)
        return given is not ABSENT and is_same_json(given, value)

    def _build_widget(self, field: Field, shape: Shape, value: Any, *, prefill: bool, depth: int) -> Field:
        match shape.kind:
            case "object":
                return self._build_object(field, shape, value, prefill=prefill, depth=depth)
            case "choice":
                return self._build_choice(field, shape, value, prefill=prefill, depth=depth)
            case "select" | "boolean":
                return _build_options(field, shape, value)
            case "checkboxes":
                chosen = value if isinstance(value, list) else []
                boxes = [_option(one, any(is_same_json(one, other) for other in chosen)) for one in shape.options]
                return replace(field, kind="checkboxes", options=tuple(boxes))
            case "list":
                items = value if isinstance(value, list) else []
                return replace(field, kind="list", text="\n".join([_scalar_text(one) for one in items]))
            case "date-time":
                found = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
                text, zone = found.groups() if found is not None else ("", "Z")
                return replace(field, kind="date-time", text=text, zone_options=zone_options(zone))
            case "json":
                return replace(field, text="" if value is ABSENT else write_json(value, indent=2))
            case _:
                return _build_input(field, shape, value)

    def _build_object(self, field: Field, shape: Shape, value: Any, *, prefill: bool, depth: int) -> Field:
        given = value if isinstance(value, dict) else {}
        built = [
            self.build(
                schema,
                fields.property_name(field.name, key),
                key,
                given.get(key, ABSENT),
                is_required=key in shape.required,
                prefill=prefill and value is ABSENT,
                depth=depth + 1,
            )
            for key, schema in shape.properties.items()
        ]
        return replace(field, kind="object", fields=tuple(built))

    def _build_choice(self, field: Field, shape: Shape, value: Any, *, prefill: bool, depth: int) -> Field:
        fitting = [k for k, one in enumerate(shape.alternatives) if value is not ABSENT and self._fits(one, value)]
        alternatives = [
            self.build(
                one,
                fields.alternative_name(field.name, k),
                label_alternative(one, self._root),
                value if k in fitting else ABSENT,
                is_required=True,
                prefill=prefill,
                depth=depth,
            )
            for k, one in enumerate(shape.alternatives)
        ]
        selected = next((k for k in fitting if alternatives[k].kind != "json"), fitting[0] if fitting else None)
        if value is ABSENT and field.is_required:
            selected = 0
        options = [Option(str(k), one.label, k == selected) for k, one in enumerate(alternatives)]
        if not field.is_required:
            options.insert(0, Option("", "Not set", selected is None))
        return replace(field, kind="choice", options=tuple(options), fields=tuple(alternatives))

    def _fits(self, schema: Schema, value: Any) -> bool:
        return first_violation({**schema, "$defs": self._root.get("$defs", {})}, value) is None


def _value_if_empty(shape: Shape, value: Any, is_required: bool) -> str:
    """Return the JSON text of the value that an empty field means, "" for none."""
    if value is None or value in ("", [], {}):
        return write_json(value)
    if shape.is_nullable:
        return "null" if is_required or shape.schema.get("default") is not None else ""
    if not is_required:
        return ""
    return {"object": "{}", "list": "[]", "checkboxes": "[]"}.get(shape.kind, "")


def _build_options(field: Field, shape: Shape, value: Any) -> Field:
    """Build a select, or the radio buttons of a boolean."""
    values = (True, False) if shape.kind == "boolean" else shape.options
    options = [_option(one, value is not ABSENT and is_same_json(one, value)) for one in values]
    is_unset = not any(option.is_selected for option in options)
    if not field.is_required or (is_unset and shape.kind == "select"):
        options.insert(0, Option("", "Not set", is_unset))
    return replace(field, kind="boolean" if shape.kind == "boolean" else "select", options=tuple(options))


def _build_input(field: Field, shape: Shape, value: Any) -> Field:
    """Build the input of a text, a number or a date."""
    text = "" if value is ABSENT or value is None else _scalar_text(value)
    placeholder = _PLACEHOLDERS.get(_text_of(shape.schema.get("format")), "")
    match shape.kind:
        case "integer" | "number" | "date":
            return replace(field, kind=shape.kind, text=text)
    longest = shape.schema.get("maxLength")
    may_be_long = is_long(text) or (isinstance(longest, int) and longest > MAX_LINE_LENGTH)
    return replace(field, kind="textarea" if may_be_long else "text", text=text, placeholder=placeholder)


def _scalar_text(value: Any) -> str:
    return value if isinstance(value, str) else write_json(value)


def _option(value: Any, is_selected: bool) -> Option:
    labels = {"true": "Yes", "false": "No", "null": "None"}
    text = write_json(value)
    return Option(text, value if isinstance(value, str) else labels.get(text, text), is_selected)


def zone_options(zone: str) -> tuple[Option, ...]:
    """List the zones to choose from: UTC, none, and that of the value."""
    zones = {"Z": "UTC", "": "no time zone"}
    zones.setdefault(zone, zone)
    return tuple([Option(value, label, value == zone) for value, label in zones.items()])


def is_long(text: str) -> bool:
    return len(text) > MAX_LINE_LENGTH or "\n" in text


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _describe(shape: Shape, root: Schema) -> str:
    """Say in a few words what fits, as far as the widget does not: `an integer, at least 1`."""
    schema, said = shape.schema, ""
    if shape.kind in ("integer", "number", "json") or (shape.kind == "text" and "format" in schema):
        said = describe_schema({**schema, "$defs": root.get("$defs", {})})
    elif shape.kind == "list":
        item = "" if shape.item_kind == "text" else f": {describe_schema(schema['items'])}"
        said = f"one per line{item}"
    elif shape.kind == "checkboxes":
        said = "any of these"
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if isinstance(schema.get(key), int | float)]
    return ", ".join([said, *bounds] if said else bounds)
