"""Inputs declared by annotations: their JSON Schema, which of them a run must be given, and values of their types."""

from __future__ import annotations

import typing
from collections.abc import Collection, Mapping
from typing import Any, Final, NotRequired, Required

from holdwater.errors import InputError, MissingInputError, WorkflowError
from holdwater.model.from_json import from_json
from holdwater.model.json_schema import Schema, schema_of
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.model.values import StoredValue


class InputDeclaration:
    """Names of inputs with their annotations; a run may be given others, too.

    An annotation `NotRequired[...]` is that of an input which may be missing.  `defaults`: values of those that are not
    given.  Raises EncodingError for a default that cannot be stored.
    """

    def __init__(self, annotations: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        self.defaults: Final = {name: StoredValue.encode(value) for name, value in (defaults or {}).items()}
        self.required: Final = tuple(
            [name for name, hint in annotations.items() if typing.get_origin(hint) is not NotRequired]
        )
        self.annotations: Final = {name: _unwrap(hint) for name, hint in annotations.items()}

    @classmethod
    def of_typed_dict(cls, declared: Any) -> InputDeclaration:
        """Create it of a TypedDict.  Raises WorkflowError for anything else."""
        if not typing.is_typeddict(declared):
            raise WorkflowError(
                f"inputs are declared by a TypedDict or by keywords, not by {declared!r:.200}",
                hint="class Inputs(TypedDict): ..., or inputs(day=datetime.date)",
            )
        hints = typing.get_type_hints(declared, include_extras=True)
        # an annotation that was text when the class was made did not say to it whether it is required
        optional = {
            name
            for name, hint in hints.items()
            if name in declared.__optional_keys__ and typing.get_origin(hint) is not Required
        }
        return cls({name: NotRequired[_unwrap(hint)] if name in optional else hint for name, hint in hints.items()})

    def schema(self) -> Schema:
        """Build the JSON Schema of the object of all inputs."""
        definitions: dict[str, Schema] = {}
        properties = {}
        for name, hint in self.annotations.items():
            schema = schema_of(hint)
            definitions.update(schema.pop("$defs", {}))
            default = self.defaults.get(name)
            properties[name] = schema if default is None else {**schema, "default": to_plain_json(default.tree)}
        made: Schema = {"type": "object", "properties": properties}
        made |= {"required": list(self.required)} if self.required else {}
        return {**made, "$defs": definitions} if definitions else made

    def check_given(self, names: Collection[str], workflow: str) -> None:
        """Check that all that must be given is.  Raises MissingInputError."""
        missing = [name for name in self.required if name not in names]
        if missing:
            raise MissingInputError(
                missing,
                names,
                f"workflow {workflow!r} needs {', '.join(map(repr, missing))}",
                hint=f"its inputs are {', '.join(map(repr, self.annotations))}",
            )

    def convert(self, name: str, given: StoredValue) -> StoredValue:
        """Convert a JSON value to the type of its input.  Raises InputError for a wrong one."""
        if name not in self.annotations:
            return given
        value = given.copy()
        try:
            made = from_json(value, self.annotations[name])
            return given if made is value else StoredValue.encode(made)
        except Exception as error:  # a constructor of the user's class raised
            raise InputError(f"input {name!r} is {value!r:.200}, but cannot be used: {error}") from error


def _unwrap(annotation: Any) -> Any:
    """Return an annotation without Required and NotRequired."""
    while typing.get_origin(annotation) in (Required, NotRequired):
        annotation = typing.get_args(annotation)[0]
    return annotation
