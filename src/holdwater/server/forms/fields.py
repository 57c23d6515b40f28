"""Fields of a form, as a template shows them, and the names of their inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

FieldKind = Literal[
    "text", "textarea", "integer", "number", "date", "date-time", "select", "boolean", "list", "checkboxes", "object",
    "choice", "json",
]  # fmt: skip

EMPTY_SUFFIX: Final = "~empty"
"""of the hidden input that says which JSON value a field means that is left empty"""
JSON_SUFFIX: Final = "~json"
"""of an input that takes JSON"""
ZONE_SUFFIX: Final = "~zone"
CHOICE_SUFFIX: Final = "~choice"
MODE_SUFFIX: Final = "~mode"
"""of the choice between the fields and one JSON editor for the whole value: `fields` or `json`"""
WHOLE_SUFFIX: Final = "~whole"
"""of that editor"""


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values to choose from.  `value`: what the browser posts."""

    value: str
    label: str
    is_selected: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field, with all that a template needs.

    `name`: of its input.  `label`: the name of the property.  `help`: its description.  `type_text`: what fits it, in
    words.  `text`: the current content of its input.
    `is_required`: it may not be left empty.  `empty`: the JSON text of the value it means when it is left empty, ""
    if it is left out of the value then.
    `placeholder`: shown in an empty input.  `options`: of a select, a boolean (radio buttons), checkboxes and a choice.
    `fields`: of an object, its properties; of a choice, one for each option, in the same order.
    `zone_options`: of a date-time.  `error`: shown beside it.  `id_prefix`: beginning of its id.
    """

    kind: FieldKind
    name: str
    label: str
    text: str = ""
    help: str = ""
    type_text: str = ""
    is_required: bool = False
    empty: str = ""
    placeholder: str = ""
    options: tuple[Option, ...] = ()
    fields: tuple[Field, ...] = ()
    zone_options: tuple[Option, ...] = ()
    error: str = ""
    id_prefix: str = ""

    @property
    def id(self) -> str:
        """An id for its element: letters, digits, `-` and `_`."""
        return self.id_prefix + input_id(self.name)

    @property
    def described_by(self) -> str:
        """The ids of the texts that describe it, for `aria-describedby`."""
        parts = [("-help", self.help or self.type_text), ("-error", self.error)]
        return " ".join([self.id + suffix for suffix, text in parts if text])

    def with_id_prefix(self, prefix: str) -> Field:
        """Return the same with other ids, also of those below it."""
        return replace(self, id_prefix=prefix, fields=tuple([one.with_id_prefix(prefix) for one in self.fields]))


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a value, and a JSON editor for the whole of it.

    `editor`: None if the fields are one already, or have one among their choices.  `mode`: which of the two counts.
    `errors`: those that belong to no field of the form.
    """

    root: Field
    editor: Field | None = None
    mode: Literal["fields", "json"] = "fields"
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def mode_name(self) -> str:
        """The name of the input that says which of the two counts."""
        return self.root.name + MODE_SUFFIX

    def with_id_prefix(self, prefix: str) -> Form:
        """Return the same form with ids that no other form of a page has."""
        editor = None if self.editor is None else self.editor.with_id_prefix(prefix)
        return replace(self, root=self.root.with_id_prefix(prefix), editor=editor)


def property_name(parent: str, key: str) -> str:
    """Return the name of the input of a property: keys are tokens of a JSON Pointer (RFC 6901)."""
    return f"{parent}/{key.replace('~', '~0').replace('/', '~1')}"


def alternative_name(parent: str, number: int) -> str:
    """Return the name of the input of an alternative of a choice."""
    return f"{parent}~{number + 2}"  # ~0 and ~1 are escapes


def input_id(name: str) -> str:
    """Return an id for the element of an input, which has no spaces."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f"-{ord(found[0]):x}-", name)
