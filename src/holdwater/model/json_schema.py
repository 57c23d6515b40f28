"""JSON Schemas (2020-12) of annotations, and what of a JSON value does not fit one.

A schema describes what a person or another process may give: it can be recorded, shown as a form and checked without
the user's code.  Annotations that JSON cannot express give `{}`, which every value fits; the code that has the
annotation checks once more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Collection as AnyCollection
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
_MAX_DEPTH: Final = 50
"""levels of a schema or a value that are looked at; what is deeper fits"""


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


# -- checking


def first_violation(schema: Schema, value: Any) -> str | None:
    """The first part of a JSON value that does not fit a schema, with its path (`lines[2].amount must be a number`).

    None if all fits.  Understands what `schema_of` writes and what pydantic writes for models; keywords that are not
    known are passed over.
    """
    return next(_SchemaValidator(schema).violations(schema, value, "", 0), None)


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


class _SchemaValidator:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def violations(self, schema: Any, value: Any, path: str, depth: int) -> Iterator[str]:
        """Iterate over the violations, in the order of the schema's keywords."""
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return
        if "$ref" in schema:
            yield from self.violations(self._resolve_ref(schema["$ref"]), value, path, depth + 1)
            return
        if "anyOf" in schema:
            yield from self._any_of_violations(schema["anyOf"], value, path, depth)
        where = path or "the value"
        if "enum" in schema and not any([_json_equal(value, one) for one in schema["enum"]]):
            allowed = ", ".join(map(_bounded_repr, schema["enum"]))
            yield f"{where} must be one of {allowed}, it is {_bounded_repr(value)}"
        if "const" in schema and not _json_equal(value, schema["const"]):
            yield f"{where} must be {_bounded_repr(schema['const'])}, it is {_bounded_repr(value)}"
        names = schema.get("type", ())
        types_ = [names] if isinstance(names, str) else list(names)
        if types_ and not any([_TYPE_CHECKS[name][0](value) for name in types_ if name in _TYPE_CHECKS]):
            expected = " or ".join(_TYPE_CHECKS[name][1] for name in types_ if name in _TYPE_CHECKS)
            yield f"{where} must be {expected}, it is {_bounded_repr(value)}"
            return
        yield from self._format_violations(schema, value, where)
        yield from self._bound_violations(schema, value, where)
        if isinstance(value, list):
            yield from self._item_violations(schema, value, path, depth)
        if isinstance(value, dict):
            yield from self._property_violations(schema, value, path, depth)

    def _any_of_violations(self, members: list[Any], value: Any, path: str, depth: int) -> Iterator[str]:
        found = [next(self.violations(one, value, path, depth + 1), None) for one in members]
        if None not in found:
            told = list(dict.fromkeys(str(one) for one in found))
            yield told[0] if len(told) == 1 else f"{path or 'the value'} fits no alternative: {'; '.join(told)}"

    def _format_violations(self, schema: Schema, value: Any, where: str) -> Iterator[str]:
        if isinstance(value, str) and schema.get("format") in _FORMAT_PARSERS:
            parse, name = _FORMAT_PARSERS[schema["format"]]
            try:
                parse(value)
            except (ValueError, ArithmeticError):
                yield f"{where} must be {name}, it is {_bounded_repr(value)}"

    def _bound_violations(self, schema: Schema, value: Any, where: str) -> Iterator[str]:
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
                what = where if size is value else f"the length of {where}"
                yield f"{what} must be {sign} {bound}, it is {size}"

    def _item_violations(self, schema: Schema, value: list[Any], path: str, depth: int) -> Iterator[str]:
        first = schema.get("prefixItems", ())
        rest = schema.get("items")
        for k, item in enumerate(value):
            yield from self.violations(first[k] if k < len(first) else rest, item, f"{path}[{k}]", depth + 1)
        if schema.get("uniqueItems") and any([one in value[:k] for k, one in enumerate(value)]):
            yield f"{path or 'the value'} must not hold anything twice"

    def _property_violations(self, schema: Schema, value: dict[str, Any], path: str, depth: int) -> Iterator[str]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path or 'the value'} lacks {name!r}"
        for name, one in value.items():
            if name not in properties and rest is False:
                known = ", ".join(map(repr, properties)) or "nothing"
                yield f"{path or 'the value'} has {name!r}, which is not known: {known}"
                continue
            yield from self.violations(properties.get(name, rest), one, f"{path}.{name}" if path else name, depth + 1)

    def _resolve_ref(self, reference: str) -> Any:
        return self._root.get("$defs", {}).get(reference.rpartition("/")[2])


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def _json_equal(value: Any, other: Any) -> bool:
    """JSON's equality: true is not 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


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
