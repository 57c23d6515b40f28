"""The inputs of a graph as JSON Schema, and JSON values as what its annotations ask for."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import pytest

from holdwater.errors import InputError
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.graphs.declared_inputs import convert_input, input_annotation, inputs_schema, seed_combinations
from holdwater.model.input_requests import InvalidValue
from holdwater.model.schema_validation import first_violation
from holdwater.model.values import StoredValue

UserId = NewType("UserId", int)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Part:
    name: str
    weight: float = 1.0


PART = Part("a")


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    dry: bool


class Opaque:
    pass


def graph_of(annotation: Any, **bound: Any) -> Graph:
    def take(value: Any) -> str:
        return repr(value)

    take.__annotations__["value"] = annotation
    made = Graph([node(output_name="text")(take)], name="g")
    return made.bind(**bound) if bound else made


@pytest.mark.parametrize(
    ("annotation", "schema", "given", "value"),
    [
        (int, {"type": "integer"}, 1, 1),
        (float, {"type": "number"}, 1, 1.0),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, None, None),
        (Literal["a", 2], {"enum": ["a", 2]}, 2, 2),
        (Size, {"enum": ["small", "large"]}, "large", Size.LARGE),
        (dt.date, {"type": "string", "format": "date"}, "2026-01-02", dt.date(2026, 1, 2)),
        (dt.datetime, {"type": "string", "format": "date-time"}, "2026-01-02T03:04", dt.datetime(2026, 1, 2, 3, 4)),
        (uuid.UUID, {"type": "string", "format": "uuid"}, "0" * 32, uuid.UUID(int=0)),
        (decimal.Decimal, {"type": ["string", "number"], "format": "decimal"}, "1.5", decimal.Decimal("1.5")),
        (Path, {"type": "string", "format": "path"}, "a/b", Path("a/b")),
        (
            list[dt.date],
            {"type": "array", "items": {"type": "string", "format": "date"}},
            ["2026-01-02"],
            [dt.date(2026, 1, 2)],
        ),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
            [1, "a"],
            (1, "a"),
        ),
        (UserId, {"type": "integer"}, 3, 3),
        (Annotated[int, "positive"], {"type": "integer"}, 3, 3),
        (Any, {}, {"what": "ever"}, {"what": "ever"}),
        (Opaque, {}, None, None),
    ],
)
def test_annotations(annotation: Any, schema: dict[str, Any], given: Any, value: Any) -> None:
    graph = graph_of(annotation)
    made = inputs_schema(graph)
    assert made["properties"]["value"] == schema
    assert (made["required"], made["additionalProperties"]) == (["value"], False)
    assert first_violation(made, {"value": given}) is None
    if annotation is not Opaque:
        assert convert_input(graph, "value", StoredValue.encode(given)).copy() == value


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [
        (Part, {"name": "a"}, Part("a")),
        (list[Part], [{"name": "a", "weight": 2}], [Part("a", 2.0)]),
        (Point, {"x": 1}, Point(1)),
        (Options, {"dry": True}, {"dry": True}),
    ],
)
def test_classes_with_fields(annotation: Any, given: Any, value: Any) -> None:
    graph = graph_of(annotation)
    schema = inputs_schema(graph)
    assert first_violation(schema, {"value": given}) is None
    assert convert_input(graph, "value", StoredValue.encode(given)).copy() == value
    assert first_violation(schema, {"value": "text"}) is not None


def test_pydantic_models() -> None:
    from tests.model import models

    graph = graph_of(models.Alias)
    schema = inputs_schema(graph)
    assert schema["properties"]["value"]["type"] == "object"


def test_a_schema_that_a_class_cannot_give_is_empty() -> None:
    class Model:
        __pydantic_core_schema__ = None

        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:
            raise ValueError("no schema")

    assert inputs_schema(graph_of(Model))["properties"] == {"value": {}}


@pytest.mark.parametrize("given", ["x", [1], {"nme": "a"}])
def test_a_wrong_value_raises_when_it_is_read(given: Any) -> None:
    definition = graph_of(Part).program()
    found = definition.validate_inputs({"value": StoredValue.encode(given)})["value"]
    assert isinstance(found, InvalidValue)
    assert found.text == StoredValue.encode(given).text
    with pytest.raises(InputError, match="input 'value' is"):
        found.copy()
    with pytest.raises(InputError, match="input 'value' is"):
        definition.validate_inputs({"value": StoredValue.encode(given)}, strict=True)


def test_defaults_and_bound_values_are_shown() -> None:
    @node(output_name="text")
    def take(size: Size = Size.SMALL, count: int = 3, part: Part = PART, function: Callable[..., Any] = print) -> str:
        return ""

    made = inputs_schema(Graph([take], name="g").bind(count=7))
    assert "required" not in made
    properties = made["properties"]
    assert properties["size"]["default"] == "small"
    assert properties["part"]["default"] == {"name": "a", "weight": 1.0}
    assert "default" not in properties["function"]
    assert properties.get("count", {"default": 7})["default"] == 7
    for name, schema in properties.items():
        if "default" in schema:
            assert first_violation(schema, schema["default"]) is None, name


def test_readers_that_disagree_make_no_promise() -> None:
    @node(output_name="a")
    def one(x: int) -> int:
        return x

    @node(output_name="b")
    def two(x: str) -> str:
        return x

    graph = Graph([one, two], name="g")
    assert input_annotation(graph, "x") is None
    assert inputs_schema(graph)["properties"] == {"x": {}}


def test_recursive_classes_are_definitions() -> None:
    schema = inputs_schema(graph_of(Tree))
    assert schema["properties"]["value"] == {"$ref": "#/$defs/Tree"}
    assert "Tree" in schema["$defs"]
    assert first_violation(schema, {"value": {"children": [{"children": []}]}}) is None
    assert first_violation(schema, {"value": {"children": [{"children": 1}]}}) is not None


@dataclass
class Tree:
    children: list[Tree]


def test_inputs_that_start_loops_select_plans() -> None:
    @node(output_name="count")
    def increase(count: int, note: str = "") -> int:
        return count + 1

    @route(targets=["increase", END])
    def again(count: int) -> str:
        return END if count > 3 else "increase"

    graph = Graph([increase, again], name="loop")
    assert list(seed_combinations(graph)) == [("count",)]
    described = graph.program().describe()
    (variant,) = described.variants
    assert (variant.given, variant.required) == (("count",), ("count",))
    assert variant.plan.structure != graph.program().plan.structure
    assert graph.program().specialize({"count": 1}).plan.structure == variant.plan.structure


def test_answers_and_functions_are_described() -> None:
    @interrupt(answer_name="approved", response_type=bool)
    def review(text: str) -> str:
        return text

    described = Graph([review], name="g").program().describe()
    assert described.answer_schemas == {0: {"type": "boolean"}}
    assert [one.__name__ for one in described.functions if one is not None] == ["review"]
