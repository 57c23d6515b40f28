"""Schemas of annotations, what does not fit them, and values of annotated types from JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict

import pytest

from holdwater.model.from_json import from_json
from holdwater.model.json_schema import schema_of
from holdwater.model.schema_validation import (
    MAX_PARTS,
    describe_schema,
    find_violations,
    first_violation,
    parse_user_input,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Opaque:
    pass


@dataclass
class Line:
    sku: str
    amount: decimal.Decimal = decimal.Decimal(1)
    total: float = field(init=False, default=0.0)


@dataclass
class Order:
    lines: list[Line]
    due: dt.date | None = None


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    fast: bool
    paths: list[pathlib.Path]


UserId = NewType("UserId", int)

LINE = {
    "type": "object",
    "title": "Line",
    "properties": {"sku": {"type": "string"}, "amount": {"type": ["string", "number"], "format": "decimal"}},
    "required": ["sku"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (UserId, {"type": "integer"}),
        (Annotated[float, "euros"], {"type": "number"}),
        (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),  # noqa: UP045 - both spellings
        (int | Any, {}),
        (Literal["yes", "no", 1], {"enum": ["yes", "no", 1]}),
        (Colour, {"enum": ["red", 2]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[Any], {"type": "array"}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (Mapping[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (dict, {"type": "object"}),
        (Line, LINE),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (Any, {}),
        (object, {}),
        (Opaque, {}),
        ("a name", {}),
        (bytes, {}),
    ],
)
def test_schemas(annotation: Any, schema: dict[str, Any]) -> None:
    assert schema_of(annotation) == schema
    json.dumps(schema_of(annotation))


def test_a_class_that_contains_itself_is_a_definition() -> None:
    schema = schema_of(Tree)
    assert schema["$ref"] == "#/$defs/Tree"
    assert schema["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert first_violation(schema, {"name": "a", "children": [{"name": "b"}]}) is None
    assert (
        first_violation(schema, {"name": "a", "children": [{"name": 1}]})
        == "children[0].name must be a string, it is 1"
    )


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [
        (bool, True, True),
        (int, 3, 3),
        (float, 3, 3.0),
        (str, "x", "x"),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (decimal.Decimal, 1.5, decimal.Decimal("1.5")),
        (dt.datetime, "2026-11-21T08:00:00+01:00", dt.datetime.fromisoformat("2026-11-21T08:00:00+01:00")),
        (dt.date | None, "2026-11-21", dt.date(2026, 11, 21)),
        (dt.date | None, None, None),
        (dt.time, "08:00", dt.time(8)),
        (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        (Colour, "red", Colour.RED),
        (Colour, 2, Colour.BLUE),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (tuple[int, Colour], [1, "red"], (1, Colour.RED)),
        (tuple[dt.date, ...], ["2026-11-21"], (dt.date(2026, 11, 21),)),
        (set[str], ["a"], {"a"}),
        (frozenset[Colour], ["red"], frozenset({Colour.RED})),
        (dict[str, Line], {"a": {"sku": "x"}}, {"a": Line("x")}),
        (
            Order,
            {"lines": [{"sku": "x", "amount": 2}], "due": "2026-11-21"},
            Order([Line("x", decimal.Decimal(2))], dt.date(2026, 11, 21)),
        ),
        (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", [Tree("b")])),
        (Point, {"x": 1}, Point(1)),
        (Options, {"fast": True, "paths": ["a"]}, {"fast": True, "paths": [pathlib.Path("a")]}),
        (int | str, "7", "7"),
        (int | dt.date, "2026-11-21", dt.date(2026, 11, 21)),
        (Literal["a"], "a", "a"),
        (Any, {"x": [1]}, {"x": [1]}),
        (Opaque, "x", "x"),
        (list[Any], [1, "x"], [1, "x"]),
    ],
)
def test_a_value_that_fits_is_converted(annotation: Any, given: Any, value: Any) -> None:
    assert first_violation(schema_of(annotation), given) is None
    made = from_json(given, annotation)
    assert made == value
    assert type(made) is type(value)
    assert from_json(value, annotation) == value, "what is of the type already stays"


@pytest.mark.parametrize(
    ("annotation", "given", "said"),
    [
        (bool, "no", "the value must be true or false, it is 'no'"),
        (bool, 1, "must be true or false"),
        (int, True, "must be an integer"),
        (int, 1.5, "must be an integer"),
        (float, "1", "must be a number"),
        (str, 1, "must be a string"),
        (str | None, 1, "fits no alternative"),
        (Literal["a", 1], True, "must be one of 'a', 1, it is True"),
        (Colour, "green", "must be one of 'red', 2"),
        (list[int], [1, "x"], "[1] must be an integer"),
        (tuple[int, str], [1], "the length of the value must be >= 2"),
        (set[int], [1, 1], "must not hold anything twice"),
        (dict[str, int], {"a": "x"}, "a must be an integer"),
        (dict[str, int], [], "must be an object"),
        (Line, {}, "lacks 'sku'"),
        (Line, {"sku": "x", "total": 1}, "has 'total', which is not known: 'sku', 'amount'"),
        (Order, {"lines": [{"sku": 1}]}, "lines[0].sku must be a string"),
        (dt.date, "tomorrow", "must be a date (ISO 8601)"),
        (uuid.UUID, "x", "must be a UUID"),
        (decimal.Decimal, "x", "must be a decimal number"),
    ],
)
def test_what_does_not_fit_is_said_with_its_path(annotation: Any, given: Any, said: str) -> None:
    found = first_violation(schema_of(annotation), given)
    assert found is not None
    assert said in found


def test_bounds_and_constants_of_other_writers() -> None:
    schema = {"type": "integer", "minimum": 1, "exclusiveMaximum": 5, "unknown keyword": 7}
    assert first_violation(schema, 4) is None
    assert first_violation(schema, 0) == "the value must be >= 1, it is 0"
    assert first_violation(schema, 5) == "the value must be < 5, it is 5"
    assert first_violation({"const": 3}, 4) == "the value must be 3, it is 4"
    assert first_violation({"type": "string", "minLength": 2}, "x") == "the length of the value must be >= 2, it is 1"


def test_violations_have_the_path_and_the_text_for_a_form() -> None:
    schema = {"type": "array", "items": schema_of(Line), "minItems": 3}
    found = list(find_violations(schema, [{}, {"sku": 1}]))
    assert [(violation.path, violation.text, violation.message) for violation in found] == [
        ((), "its length must be >= 3, it is 2", "the length of the value must be >= 3, it is 2"),
        ((0, "sku"), "is missing", "[0] lacks 'sku'"),
        ((1, "sku"), "must be a string, it is 1", "[1].sku must be a string, it is 1"),
    ]


def test_pydantic_writes_and_reads_its_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Reply(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        approved: bool
        note: str = pydantic.Field(default="", max_length=5)

    schema = schema_of(Reply)
    assert first_violation(schema, {"approved": "no"}) == "approved must be true or false, it is 'no'"
    assert first_violation(schema, {"approved": True, "note": "too long"}) == "the length of note must be <= 5, it is 8"
    assert from_json({"approved": True}, Reply | None) == Reply(approved=True)
    assert first_violation(schema_of(list[Reply]), [{"approved": 1}]) is not None


@pytest.mark.parametrize(
    ("text", "annotation", "meant"),
    [
        ("no", bool, False),
        ("Yes", bool, True),
        ("true", bool, True),
        ("no", str, "no"),
        ("42", str, "42"),
        ("42", int, 42),
        ("42", int | str, 42),
        ('"42"', str, "42"),
        ("red", Colour, "red"),
        ("2", Colour, 2),
        ("[1]", list[int], [1]),
        ("2026-11-21", dt.date, "2026-11-21"),
        ("null", int | None, None),
        ("maybe", bool, "maybe"),
        ("{broken", dict, "{broken"),
    ],
)
def test_words_of_the_command_line(text: str, annotation: Any, meant: Any) -> None:
    value = parse_user_input(text, schema_of(annotation))
    assert value == meant
    assert type(value) is type(meant)


def test_words_without_a_schema_are_json_or_text() -> None:
    assert parse_user_input("no", None) == "no"
    assert parse_user_input("1", None) == 1
    assert parse_user_input("1 apple", None) == "1 apple"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "yes or no"),
        (int | None, "an integer or null"),
        (Literal["a", "b"], "one of 'a', 'b'"),
        (Colour, "one of 'red', 2"),
        (Line, "an object with sku, amount"),
        (Tree, "an object with name, children"),
        (dt.date, "a date (ISO 8601)"),
        (list[int], "a list"),
        (Any, "anything"),
    ],
)
def test_schemas_in_a_few_words(annotation: Any, words: str) -> None:
    assert describe_schema(schema_of(annotation)) == words


def test_a_schema_that_asks_ever_more_of_a_value_is_looked_at_for_a_bounded_time() -> None:
    """Each level asks two questions about the level below: 2 ** 25 of them, if all were asked."""
    one = {"anyOf": [{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/one"}]}
    looked: list[object] = []

    class Counted(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            looked.append(key)
            return super().get(key, default)

    assert first_violation(Counted({"$defs": {"one": Counted(one)}, "$ref": "#/$defs/one"}), 1) is None
    assert len(looked) < 10 * MAX_PARTS


def test_a_long_list_of_different_items_is_no_work() -> None:
    numbers = [*range(100_000), 0.5, "0", None, True, {"a": 1, "b": 2}]
    schema = {"type": "array", "uniqueItems": True}
    assert first_violation(schema, numbers) is None
    assert first_violation(schema, [*numbers, {"b": 2, "a": 1}]) == "the value must not hold anything twice"
    assert first_violation(schema, [1, 1.0]) == "the value must not hold anything twice"
