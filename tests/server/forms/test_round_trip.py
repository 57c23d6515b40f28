"""A value shown in a form and posted unchanged is the same value, whatever the schema and the value."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from holdwater.model.json_schema import Schema
from holdwater.model.schema_validation import first_violation
from holdwater.server.forms import build_form, read_form, show_posted
from holdwater.server.forms.json_text import is_same_json, write_json
from tests.server.forms.browser import Page, post, render
from tests.suite.effort import property_test

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "\n", "\r\n x", "a\nb", "x" * 90, "null", '"', "<b>&amp;</b>", "\x00", "\ud800", "\u2028"]
    ),
    st.sampled_from(
        ["2026-11-21", "2026-11-21T08:00:00Z", "2026-11-21T08:00", "2026-11-21T08:00:01+02:00", "0000-01-01"]
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "d~e", "ß f", "x"]), inner)
    ),
    max_leaves=8,
)
LEAVES: st.SearchStrategy[Schema] = st.one_of(
    st.just({}),
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "maxLength": 200},
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "uuid"},
            {"type": ["string", "number"], "format": "decimal"},
            {"type": "integer", "minimum": -3},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["integer", "null"]},
            {"enum": ["red", 2, None, True]},
            {"enum": [1, 1.0, "1"]},
            {"const": "x"},
            {"$ref": "#/$defs/node"},
            {"$ref": "#/$defs/unknown"},
            {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
            {"type": "array"},
            {"type": "object"},
        ]
    ),
)
DEFAULTED = st.builds(lambda schema, default: {**schema, "default": default}, LEAVES, SCALARS)


def _nest(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    properties = st.dictionaries(st.sampled_from(["a", "b/c", "d~e", "ß f"]), inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda found, required, rest: {
                "type": "object",
                "properties": found,
                "required": [name for name in found if name in required],
                **rest,
            },
            properties,
            st.sets(st.sampled_from(["a", "b/c", "d~e", "ß f"])),
            st.sampled_from([{}, {"additionalProperties": False}]),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: {"anyOf": members}),
        inner.map(lambda one: {"anyOf": [one, {"type": "null"}], "default": None}),
        inner.map(lambda one: {"type": "array", "items": one}),
        inner.map(lambda one: {"allOf": [one], "description": "d"}),
    )


NODE: Schema = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "x": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["a"],
}
SCHEMAS = st.recursive(LEAVES | DEFAULTED, _nest, max_leaves=6).map(lambda one: {**one, "$defs": {"node": NODE}})


@st.composite
def fitting(draw: st.DrawFn, schema: Schema, root: Schema, depth: int = 0) -> Any:
    """A value of a schema, or nearly: what the schema says, with other values among them."""
    if "$ref" in schema:
        target = root["$defs"].get(schema["$ref"].rpartition("/")[2])
        return draw(VALUES if target is None or depth > 4 else fitting(target, root, depth + 1))
    for keyword in ("anyOf", "allOf"):
        if keyword in schema:
            return draw(fitting(draw(st.sampled_from(schema[keyword])), root, depth + 1))
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    match schema.get("type"):
        case "object" if "properties" in schema:
            keys = [key for key in schema["properties"] if key in schema.get("required", ()) or draw(st.booleans())]
            return {key: draw(fitting(schema["properties"][key], root, depth + 1)) for key in keys}
        case "array" if "items" in schema:
            return draw(st.lists(fitting(schema["items"], root, depth + 1), max_size=3))
        case "integer":
            return draw(st.integers())
        case "number":
            return draw(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
        case "boolean":
            return draw(st.booleans())
        case "string":
            return draw(TEXTS)
    return draw(VALUES)


@property_test(st.data(), SCHEMAS, quick_examples=150, long_examples=5000)
def test_a_value_survives_its_form(data: st.DataObject, schema: Schema) -> None:
    value = data.draw(VALUES | fitting(schema, schema))
    form = build_form(schema, value)
    page = Page(render(form))
    found = read_form(schema, page.posted)
    assert is_same_json(found.value, value) or found.errors
    assert bool(found.errors) == (first_violation(schema, value) is not None)
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.references) <= set(page.ids)

    in_editor = [("value~mode", "json"), ("value~whole", write_json(value))]
    if form.editor is not None:
        assert is_same_json(read_form(schema, in_editor).value, value)


@property_test(
    st.data(), SCHEMAS, st.dictionaries(st.integers(0, 30), TEXTS, max_size=3), quick_examples=100, long_examples=3000
)
def test_what_was_posted_is_shown_again(data: st.DataObject, schema: Schema, edits: dict[int, str]) -> None:
    first = build_form(schema, data.draw(VALUES | fitting(schema, schema)))
    posted = [(name, edits.get(k, text)) for k, (name, text) in enumerate(post(first))]
    found = read_form(schema, posted)
    again = show_posted(schema, posted, found.errors)
    html = render(again)
    second = read_form(schema, Page(html).posted)
    if not edits:
        assert is_same_json(second.value, found.value)
        assert second.errors == found.errors
    assert not found.errors or 'class="error"' in html or 'class="form-errors"' in html


@property_test(SCHEMAS, quick_examples=100, long_examples=3000)
def test_a_form_without_a_value_means_the_defaults_or_says_what_is_missing(schema: Schema) -> None:
    found = read_form(schema, post(build_form(schema)))
    assert found.errors or first_violation(schema, found.value) is None


@property_test(
    SCHEMAS,
    st.lists(st.tuples(st.sampled_from(["value", "value/a", "value~choice", "value~json", "value~mode"]), TEXTS)),
    quick_examples=100,
    long_examples=3000,
)
def test_whatever_is_posted_is_read(schema: Schema, posted: list[tuple[str, str]]) -> None:
    found = read_form(schema, posted)
    assert found.errors or first_violation(schema, found.value) is None
