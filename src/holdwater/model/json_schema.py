"""JSON Schemas (2020-12) of annotations.

A schema describes what a person or another process may give: it can be recorded, shown as a form and checked without
the user's code.  Annotations that JSON cannot express give `{}`, which every value fits; the code that has the
annotation checks once more.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import types
import typing
import uuid
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
from collections.abc import Set as AnySet
from typing import Any, Final, Literal, NewType, Union

from holdwater.model.signatures import annotations_of

Schema = dict[str, Any]

_SCALAR_SCHEMAS: Final[dict[Any, Schema]] = {
    types.NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    decimal.Decimal: {"type": ["string", "number"], "format": "decimal"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
    dt.time: {"type": "string", "format": "time"},
    uuid.UUID: {"type": "string", "format": "uuid"},
}


def schema_of(annotation: Any) -> Schema:
    """The schema of an annotation: builtins, dates, Enum, Literal, unions, collections, TypedDict, NamedTuple,
    dataclasses, and pydantic models (by pydantic itself).  Classes that contain themselves become `$defs`.
    """
    definitions: dict[str, Schema] = {}
    schema = _SchemaBuilder(definitions).build(annotation)
    return {**schema, "$defs": definitions} if definitions else schema


def unwrap_annotation(annotation: Any) -> Any:
    """An annotation without aliases, metadata and NewTypes; None as its type."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":  # Python 3.12 and later
            annotation = annotation.__value__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return types.NoneType if annotation is None else annotation


def is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def is_pydantic_model(annotation: Any) -> bool:
    """Return True for a model of pydantic 2, without importing pydantic."""
    return isinstance(annotation, type) and hasattr(annotation, "__pydantic_core_schema__")


def is_named_tuple(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def resolve_type_hints(cls: type) -> dict[str, Any]:
    """The annotations of a class's fields; Any for those whose names cannot be resolved."""
    try:
        return typing.get_type_hints(cls)
    except Exception:  # noqa: BLE001 - a name of TYPE_CHECKING, or whatever an annotation evaluates to
        return dict.fromkeys(annotations_of(cls), Any)


class _SchemaBuilder:
    """Writes schemas; classes with fields go into `definitions` when they contain themselves."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions
        self._open_classes: list[type] = []
        self._recursive_classes: set[type] = set()

    def build(self, annotation: Any) -> Schema:
        annotation = unwrap_annotation(annotation)
        if is_union(annotation):
            return _any_of_schema([self.build(member) for member in typing.get_args(annotation)])
        origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
        if origin is Literal:
            return _enum_schema([member.value if isinstance(member, enum.Enum) else member for member in arguments])
        if not isinstance(origin, type):
            return {}
        if origin in _SCALAR_SCHEMAS:
            return dict(_SCALAR_SCHEMAS[origin])
        if issubclass(origin, enum.Enum):
            return _enum_schema([member.value for member in origin])
        if issubclass(origin, pathlib.PurePath):
            return {"type": "string", "format": "path"}
        if is_pydantic_model(origin):
            return self._pydantic_schema(origin)
        if typing.is_typeddict(origin) or dataclasses.is_dataclass(origin) or is_named_tuple(origin):
            return self._object_schema(origin)
        return self._collection_schema(origin, arguments)

    def _collection_schema(self, origin: type, arguments: tuple[Any, ...]) -> Schema:
        if issubclass(origin, (str, bytes)):
            return {"type": "string"} if issubclass(origin, str) else {}
        if issubclass(origin, Mapping):
            values = self.build(arguments[1]) if len(arguments) == 2 else {}
            return {"type": "object", **({"additionalProperties": values} if values else {})}
        if issubclass(origin, tuple) and arguments and arguments[-1] is not Ellipsis:
            items = [self.build(one) for one in arguments if one != ()]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        if issubclass(origin, AnyCollection):
            items_schema = self.build(arguments[0]) if arguments else {}
            unique = {"uniqueItems": True} if issubclass(origin, AnySet) else {}
            return {"type": "array", **({"items": items_schema} if items_schema else {}), **unique}
        return {}

    def _object_schema(self, cls: type) -> Schema:
        name = cls.__qualname__
        if cls in self._open_classes:
            self._recursive_classes.add(cls)
            return {"$ref": f"#/$defs/{name}"}
        if name in self._definitions:
            return {"$ref": f"#/$defs/{name}"}
        self._open_classes.append(cls)
        hints = resolve_type_hints(cls)
        properties = {field: self.build(hints.get(field, Any)) for field in _field_names(cls)}
        self._open_classes.pop()
        required = [field for field in properties if field in _required_fields(cls)]
        schema: Schema = {"type": "object", "title": cls.__name__, "properties": properties}
        schema |= {"required": required} if required else {}
        schema["additionalProperties"] = False
        if cls not in self._recursive_classes:
            return schema
        self._definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}

    def _pydantic_schema(self, cls: Any) -> Schema:
        schema: Schema = cls.model_json_schema() if hasattr(cls, "model_json_schema") else {}
        self._definitions.update(schema.pop("$defs", {}))
        return schema


def _enum_schema(values: list[Any]) -> Schema:
    plain = all([value is None or isinstance(value, (bool, int, float, str)) for value in values])
    return {"enum": values} if plain else {}


def _any_of_schema(schemas: list[Schema]) -> Schema:
    return {} if {} in schemas else {"anyOf": schemas}


def _field_names(cls: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.init)
    return tuple(cls._fields) if is_named_tuple(cls) else tuple(resolve_type_hints(cls))


def _required_fields(cls: Any) -> AnyCollection[str]:
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        fields = dataclasses.fields(cls)
        return {f.name for f in fields if f.init and f.default is missing and f.default_factory is missing}
    if is_named_tuple(cls):
        return [name for name in cls._fields if name not in cls._field_defaults]
    return [str(name) for name in cls.__required_keys__]
