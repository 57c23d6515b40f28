"""Forms of the schemas people write, as fields, as HTML and as errors beside the fields."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import pytest

from holdwater.model.json_schema import Schema, schema_of
from holdwater.server.forms import Field, build_form, read_form, show_posted
from tests.server.forms.browser import post, render


class Priority(enum.Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Address:
    street: str
    country: Literal["DE", "FR"] = "DE"


@dataclass
class Order:
    order_id: str
    amount: float
    express: bool
    due: dt.date
    address: Address
    tags: list[str] = field(default_factory=list)
    sizes: set[Literal["S", "M", "L"]] = field(default_factory=set)
    priority: Priority = Priority.LOW
    note: str | None = None
    at: dt.datetime | None = None
    extra: dict[str, int] = field(default_factory=dict)


class Paid(TypedDict):
    invoice: int


ORDER = schema_of(Order)
GIVEN: dict[str, Any] = {
    "order_id": "A-1",
    "amount": 9.5,
    "express": False,
    "due": "2026-12-01",
    "address": {"street": "Hauptstraße 1", "country": "FR"},
    "tags": ["new", "gift wrap"],
    "sizes": ["S", "L"],
    "priority": 2,
    "note": None,
    "at": "2026-11-21T08:00:00Z",
    "extra": {"points": 3},
}


def fields_by_name(root: Field) -> dict[str, Field]:
    found = {root.name: root}
    for one in root.fields:
        found |= fields_by_name(one)
    return found


def posted_with(
    form_schema: Schema | None, changes: Mapping[str, str | None], value: Any = None
) -> list[tuple[str, str]]:
    """What is posted when a person edits some inputs; None: the input is not posted."""
    form = build_form(form_schema) if value is None else build_form(form_schema, value)
    kept = [(name, text) for name, text in post(form) if name not in changes]
    return kept + [(name, text) for name, text in changes.items() if text is not None]


def test_each_type_has_its_widget() -> None:
    found = fields_by_name(build_form(ORDER, GIVEN).root)
    assert {name: one.kind for name, one in found.items()} == {
        "value": "object",
        "value/order_id": "text",
        "value/amount": "number",
        "value/express": "boolean",
        "value/due": "date",
        "value/address": "object",
        "value/address/street": "text",
        "value/address/country": "select",
        "value/tags": "list",
        "value/sizes": "checkboxes",
        "value/priority": "select",
        "value/note": "text",
        "value/at": "date-time",
        "value/extra": "json",
    }
    assert read_form(ORDER, post(build_form(ORDER, GIVEN))).value == GIVEN


def test_what_is_left_empty_is_left_out_and_what_is_required_is_missed() -> None:
    found = read_form(ORDER, post(build_form(ORDER)))
    assert found.errors == {
        "value/order_id": "is missing",
        "value/amount": "is missing",
        "value/express": "is missing",
        "value/due": "is missing",
        "value/address/street": "is missing",
    }
    filled = {
        "value/order_id": "A-2",
        "value/amount": " 12 ",
        "value/express": "true",
        "value/due": "2026-12-24",
        "value/address/street": "x",
    }
    assert read_form(ORDER, posted_with(ORDER, filled)).value == {
        "order_id": "A-2",
        "amount": 12,
        "express": True,
        "due": "2026-12-24",
        "address": {"street": "x"},
    }


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"value/amount": "a lot"}, {"value/amount": "must be a number, it is 'a lot'"}),
        ({"value/amount": "1e999"}, {"value/amount": "must be a number, it is '1e999'"}),
        ({"value/amount": "NaN"}, {"value/amount": "must be a number, it is 'NaN'"}),
        ({"value/due": "tomorrow"}, {"value/due": "must be a date (ISO 8601), it is 'tomorrow'"}),
        ({"value/priority": "7"}, {"value/priority": "must be one of 1, 2, it is '7'"}),
        ({"value/extra~json": "[1"}, {"value/extra": "is no JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"}),
        ({"value/extra~json": '{"a": 1, "a": 2}'}, {"value/extra": "is no JSON: the key 'a' is there twice"}),
        ({"value/extra~json": '{"a": "x"}'}, {"value/extra": "extra.a must be an integer, it is 'x'"}),
        ({"value/address/country": "IT"}, {"value/address/country": "must be one of 'DE', 'FR', it is 'IT'"}),
        ({"value~mode": "json", "value~whole": "{}"}, {"value~whole": "the value lacks 'order_id'"}),
        ({"value~mode": "json", "value~whole": "[" * 100_000}, {"value~whole": "is no JSON: it is nested too deeply"}),
    ],
)  # fmt: skip
def test_errors_are_those_of_a_field_and_are_shown_beside_it(
    changes: dict[str, str | None], errors: dict[str, str]
) -> None:
    posted = posted_with(ORDER, changes, GIVEN)
    found = read_form(ORDER, posted)
    assert found.errors == errors
    shown = show_posted(ORDER, posted, found.errors)
    (name,) = errors
    assert not shown.errors
    html = render(shown)
    field_id = fields_by_name(shown.root)[name].id if shown.mode == "fields" else shown.editor and shown.editor.id
    assert f'id="{field_id}-error"' in html
    assert 'aria-invalid="true"' in html
    assert html.count('class="error"') == 1
    for typed in changes.values():
        assert typed is not None
        assert len(typed) > 1000 or typed in ("7", "IT") or typed.replace('"', "&#34;") in html


def test_a_question_without_a_schema_takes_yes_or_no_a_text_or_json() -> None:
    form = build_form(None, label="approve")
    assert [option.label for option in form.root.options] == ["Yes or no", "Text", "JSON"]
    assert form.editor is None
    for changes, meant in (
        ({"value~choice": "0", "value~2": "true"}, True),
        ({"value~choice": "1", "value~3": "no, thanks"}, "no, thanks"),
        ({"value~choice": "2", "value~4~json": '{"a": [1]}'}, {"a": [1]}),
    ):
        found = read_form(None, posted_with(None, changes))
        assert found.value == meant
        assert not found.errors
    assert read_form(None, post(form)).errors == {"value": "is missing"}


def test_unions_are_chosen_and_only_the_chosen_alternative_is_read() -> None:
    schema = schema_of(Paid | int | None)
    form = build_form(schema, {"invoice": 7})
    assert [(option.label, option.is_selected) for option in form.root.options] == [
        ("Not set", False),
        ("Paid", True),
        ("An integer", False),
    ]
    assert read_form(schema, posted_with(schema, {"value~choice": "1", "value~3": "5"}, {"invoice": 7})).value == 5
    assert read_form(schema, posted_with(schema, {"value~choice": ""}, {"invoice": 7})).errors == {}
    assert read_form(schema, posted_with(schema, {"value~choice": ""})).value is None
    wrong = read_form(schema, posted_with(schema, {"value~2/invoice": "x"}, {"invoice": 7}))
    assert wrong.errors == {"value~2/invoice": "must be an integer, it is 'x'"}


def test_objects_below_the_third_level_and_recursive_ones_are_edited_as_json() -> None:
    schema: Schema = {"type": "integer"}
    for name in "dcba":
        schema = {"type": "object", "properties": {name: schema}, "required": [name]}
    found = fields_by_name(build_form(schema, {"a": {"b": {"c": {"d": 1}}}}).root)
    assert [one.kind for one in found.values()] == ["object", "object", "object", "json"]
    node: Schema = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}, "type": "object"}},
    }
    assert read_form(node, post(build_form(node, {"next": {"next": {"next": {"next": {}}}}}))).value == {
        "next": {"next": {"next": {"next": {}}}}
    }


def test_defaults_are_shown_and_descriptions_explain() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {
            "mode": {"enum": ["copy", "move"], "default": "move", "description": "How files get there."},
            "n": {"type": "integer", "default": 3, "minimum": 1, "maximum": 10},
            "text": {"type": "string", "maxLength": 500},
        },
    }
    form = build_form(schema)
    assert read_form(schema, post(form)).value == {"mode": "move", "n": 3}
    found = fields_by_name(form.root)
    assert found["value/n"].type_text == "an integer, at least 1, at most 10"
    assert found["value/text"].kind == "textarea"
    html = render(form)
    assert "How files get there." in html
    assert f'<label for="{found["value/n"].id}">n</label>' in html
    assert f'aria-describedby="{found["value/n"].id}-help"' in html
    assert form.editor is not None
    assert form.editor.text == '{\n  "mode": "move",\n  "n": 3\n}'
    wrong = read_form(schema, posted_with(schema, {"value/n": "11"}))
    assert wrong.errors == {"value/n": "must be <= 10, it is 11"}


def test_texts_of_a_schema_and_a_value_are_escaped() -> None:
    evil = "\"><script>alert('x')</script>"
    schema: Schema = {
        "type": "object",
        "properties": {evil: {"type": "string", "description": evil, "title": evil}, "e": {"enum": [evil]}},
    }
    html = render(build_form(schema, {evil: evil, "e": evil}))
    assert "<script" not in html
    assert read_form(schema, post(build_form(schema, {evil: evil, "e": evil}))).value == {evil: evil, "e": evil}


def test_only_what_an_empty_field_may_mean_is_taken_for_it() -> None:
    assert read_form({"type": "object"}, [("value~json", ""), ("value~empty", "{}")]).value == {}
    assert read_form({"type": "object"}, [("value~json", ""), ("value~empty", '{"evil": 1}')]).errors == {
        "value": "is missing"
    }


def test_models_of_pydantic_have_forms() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Card(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        kind: Literal["card"]
        number: str = pydantic.Field(min_length=4)

    class Transfer(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        kind: Literal["transfer"]
        iban: str

    class Payment(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        amount: int = pydantic.Field(gt=0, description="In cents.")
        method: Card | Transfer = pydantic.Field(discriminator="kind")

    schema = schema_of(Payment)
    value: dict[str, Any] = {"amount": 5, "method": {"kind": "transfer", "iban": "DE02"}}
    found = fields_by_name(build_form(schema, value).root)
    assert found["value/method"].kind == "choice"
    assert found["value/amount"].help == "In cents."
    assert read_form(schema, post(build_form(schema, value))).value == value
    changed: dict[str, str | None] = {
        "value/method~choice": "0",
        "value/method~2/kind": '"card"',
        "value/method~2/number": "1",
    }
    assert read_form(schema, posted_with(schema, changed, value)).errors == {
        "value/method~2/number": "its length must be >= 4, it is 1"
    }
