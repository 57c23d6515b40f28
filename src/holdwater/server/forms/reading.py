"""Values from posted forms, with the errors of each field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from holdwater.model.json_schema import Schema
from holdwater.model.schema_validation import SchemaViolation, find_violations
from holdwater.server.forms import fields
from holdwater.server.forms.json_text import is_same_json, read_json
from holdwater.server.forms.posting import Posted
from holdwater.server.forms.shapes import UNKNOWN_SCHEMA, Shape, shape_of

MAX_NUMBER_LENGTH: Final = 4000
"""characters of a number"""
_EMPTY_VALUES: Final[dict[str, Any]] = {"null": None, '""': "", "[]": [], "{}": {}}
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)


class Absent(Enum):
    """In the place of a value that is not there."""

    ABSENT = 0


ABSENT: Final = Absent.ABSENT
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FormResult:
    """The value of a posted form.  `errors`: name of an input -> its error; with any, the value is of no use."""

    value: Any
    errors: Mapping[str, str]


def read_form(schema: Schema | None, posted: Iterable[tuple[str, str]], *, name: str = "value") -> FormResult:
    """Read the value that a posted form means, and check it.  `posted`: names and texts of its inputs.

    `schema`: that of the form; None: any value fits.
    """
    root_schema, texts = schema or UNKNOWN_SCHEMA, Posted(posted)
    reader = FieldReader(root_schema, texts)
    if texts.get(name + fields.MODE_SUFFIX) == "json":
        name += fields.WHOLE_SUFFIX
        value = reader.read_editor(name)
    else:
        value = reader.read(root_schema, name, (), 0)
    if value is ABSENT:
        return FormResult(None, reader.errors or {name: "is missing"})
    reader.note_violations(root_schema, value, ())
    return FormResult(value, reader.errors)


class FieldReader:
    """Reads the fields of one posted form.  `errors`: name of an input -> its error."""

    def __init__(self, root_schema: Schema, posted: Posted) -> None:
        self._root, self._posted = root_schema, posted
        self.errors: dict[str, str] = {}
        self._names: dict[_Path, str] = {}

    def read(self, schema: Schema, name: str, path: _Path, depth: int) -> Any:
        """Read the value of a field; ABSENT if it was left empty and means none."""
        self._names[path] = name
        if self._posted.get(name + fields.JSON_SUFFIX) is not None:
            return self._read_json(name)
        shape = shape_of(schema, self._root, depth)
        match shape.kind:
            case "object":
                return self._read_object(shape, name, path, depth)
            case "choice":
                return self._read_choice(shape, name, path, depth)
            case "select" | "boolean":
                return self._read_option(shape, name)
            case "checkboxes":
                chosen = self._posted.get_all(name)
                made = [one for one in shape.options if any(_is_option(text, one) for text in chosen)]
                return made or self._read_empty(name)
            case "json":
                return ABSENT
            case _:
                return self._read_text(shape, name)

    def read_editor(self, name: str) -> Any:
        """Read the editor of the whole value."""
        self._names[()] = name
        return self._parse_json(name, self._posted.get(name) or "")

    def note_violations(self, schema: Schema, value: Any, path: _Path) -> None:
        """Give the fields the errors of a value that does not fit a schema."""
        for violation in find_violations({**schema, "$defs": self._root.get("$defs", {})}, value):
            self._note_violation(violation, path)

    def _note_violation(self, violation: SchemaViolation, path: _Path) -> None:
        whole = path + violation.path
        known = next(k for k in range(len(whole), -1, -1) if whole[:k] in self._names)
        name = self._names[whole[:known]]
        if not any(one.startswith(name) for one in self.errors):
            self.errors[name] = violation.text if known == len(whole) else violation.message

    def _read_object(self, shape: Shape, name: str, path: _Path, depth: int) -> Any:
        made = {
            key: value
            for key, schema in shape.properties.items()
            if (value := self.read(schema, fields.property_name(name, key), (*path, key), depth + 1)) is not ABSENT
        }
        return made or self._read_empty(name)

    def _read_choice(self, shape: Shape, name: str, path: _Path, depth: int) -> Any:
        chosen = self._posted.get(name + fields.CHOICE_SUFFIX) or ""
        numbers = [str(k) for k in range(len(shape.alternatives))]
        if chosen not in numbers:
            return self._read_empty(name)
        k = numbers.index(chosen)
        value = self.read(shape.alternatives[k], fields.alternative_name(name, k), path, depth)
        if value is not ABSENT:
            self.note_violations(shape.alternatives[k], value, path)
        return value

    def _read_option(self, shape: Shape, name: str) -> Any:
        text = self._posted.get(name) or ""
        if not text:
            return self._read_empty(name)
        options = (True, False) if shape.kind == "boolean" else shape.options
        return next((one for one in options if _is_option(text, one)), text)

    def _read_text(self, shape: Shape, name: str) -> Any:
        text = self._posted.get(name) or ""
        if not text or (shape.kind != "text" and not text.strip()):
            return self._read_empty(name)
        match shape.kind:
            case "list":
                lines = [line for line in text.split("\n") if line.strip()]
                return [_parse_scalar(shape.item_kind, line) for line in lines]
            case "date-time":
                zone = self._posted.get(name + fields.ZONE_SUFFIX)
                return text if zone is None else f"{text}{':00' if len(text) == 16 else ''}{zone}"
            case _:
                return _parse_scalar(shape.kind, text)

    def _read_json(self, name: str) -> Any:
        text = self._posted.get(name + fields.JSON_SUFFIX) or ""
        return self._parse_json(name, text) if text.strip() else self._read_empty(name)

    def _parse_json(self, name: str, text: str) -> Any:
        if not text.strip():
            return ABSENT
        try:
            return read_json(text)
        except ValueError as error:
            self.errors[name] = f"is no JSON: {error}"
            return ABSENT

    def _read_empty(self, name: str) -> Any:
        """Return the value that an empty field means."""
        empty = self._posted.get(name + fields.EMPTY_SUFFIX)
        return _EMPTY_VALUES.get(empty or "", ABSENT)


def _parse_scalar(kind: str, text: str) -> Any:
    """Parse a scalar; a text that is no number stays one, and does not fit the schema then."""
    if kind not in ("integer", "number"):
        return text
    bare = text.strip()
    if len(bare) > MAX_NUMBER_LENGTH:
        return bare
    if _INTEGER.fullmatch(bare):
        return int(bare)
    if kind == "number" and _NUMBER.fullmatch(bare) and abs(float(bare)) < float("inf"):
        return float(bare)
    return bare


def _is_option(text: str, value: Any) -> bool:
    """Return True if a posted text stands for a value."""
    try:
        return is_same_json(read_json(text), value)
    except ValueError:
        return False
