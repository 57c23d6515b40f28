"""Types of columns: exact for inputs, by annotation for outputs."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Annotated, Any, Optional

import pytest

from holdwater import DaftRunner, Graph, node
from holdwater.graphs import FunctionNode
from holdwater.runners.graphs.daft.columns import kind_of_annotation, make_input_series


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, -2], "Int64"),
        ([1, None], "Int64"),
        ([1.5, float("inf")], "Float64"),
        (["a", "ß", None], "String"),
        ([True, False], "Bool"),
        ([b"a"], "Binary"),
        ([1, 2.5], "Python"),  # an int stays an int
        ([True, 1], "Python"),
        ([2**80, 1], "Python"),
        (["\ud800"], "Python"),
        ([Color.RED], "Python"),
        ([(1, 2)], "Python"),
        ([{"a": 1}, {"b": 2}], "Python"),
        ([Decimal("1.10")], "Python"),
        ([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)], "Python"),
    ],
)
def test_inputs_arrive_as_they_are_given(values: list[Any], dtype: str) -> None:
    series = make_input_series(values)
    assert str(series.datatype()) == dtype
    seen: list[Any] = []

    @node
    def see(x: Any) -> None:
        seen.append(x)

    DaftRunner().map(Graph([see]), {"x": values}, map_over="x").collect()
    assert seen == values
    assert [*map(type, seen)] == [*map(type, values)]


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (int, "int64"),
        (int | None, "int64"),
        (Optional[str], "string"),  # noqa: UP045 - as older code writes it
        (Annotated[float, "metres"], "float64"),
        (list[float], "list of float64"),
        (list[str | None], "list of string"),
        (list[list[int]], "python"),
        (list, "python"),
        (int | str, "python"),
        (dict[str, int], "python"),
        (tuple[int, ...], "python"),
        (None, "python"),
    ],
)
def test_kinds(hint: Any, kind: str) -> None:
    assert kind_of_annotation(hint) == kind


def returning(values: list[Any], hint: Any) -> dict[str, list[Any]]:
    def give(k: int) -> Any:
        return values[k]

    give.__annotations__["return"] = hint
    graph = Graph([FunctionNode(give, output_name="y"), node(lambda y: y, name="again", output_name="z")])
    frame = DaftRunner().map(graph, {"k": [*range(len(values))]}, map_over="k", select=["*"])
    found: dict[str, list[Any]] = frame.to_pydict()
    return found


@pytest.mark.parametrize(
    ("values", "hint", "bad"),
    [
        ([1, 2.5, "3", None, 2**80, True], int, [1, 2, 4]),
        ([1.5, 2, "3", None, 2**60 + 1], float, [2, 4]),
        (["a", b"b", 3, None], str, [1, 2]),
        ([True, 1, None], bool, [1]),
        ([b"a", "a"], bytes, [1]),
        ([[1.5, 2], [1, "x"], (0.5,), "ab", None], list[float], [1, 3]),
        ([[1, None], [1.5]], list[int], [1]),
    ],
)
def test_a_value_that_contradicts_its_annotation_is_an_error_of_its_row(
    values: list[Any], hint: Any, bad: list[int]
) -> None:
    found = returning(values, hint)
    assert [index for index, text in enumerate(found["_error"]) if text is not None] == bad
    for index, value in enumerate(values):
        if index in bad:
            assert (found["y"][index], found["z"][index]) == (None, None)
            assert found["_error"][index].startswith("NodeReturnError: output 'y' is annotated as ")
        else:
            assert found["y"][index] == (list(value) if isinstance(value, tuple) else value)
            assert found["z"][index] == value


def test_numbers_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    found = returning([numpy.int64(1), numpy.int8(2), numpy.float64(1.0)], int)
    assert found["y"] == [1, 2, None]
    assert returning([numpy.float32(0.5), numpy.float64(1.5)], float)["y"] == [0.5, 1.5]
    assert returning([numpy.bool_(True)], bool)["y"] == [True]
    (array,) = returning([numpy.arange(3)], None)["y"]
    assert array.tolist() == [0, 1, 2]


def test_objects_are_not_copied() -> None:
    thing = object()
    found = DaftRunner().run(Graph([node(lambda x: x, name="same", output_name="y")]), {"x": thing})
    assert found["y"] is thing


def test_frames_can_be_computed_with(native_daft: Any) -> None:
    @node(output_name="area")
    def area(width: float, height: float) -> float:
        return width * height

    frame = DaftRunner().map(Graph([area]), {"width": [1.0, 2.0], "height": 3.0}, map_over="width")
    col = native_daft.col
    assert frame.where(col("area") > 4).select((col("area") * 2).alias("double")).to_pydict() == {"double": [12.0]}
    assert frame.agg(col("area").sum()).to_pydict() == {"area": [9.0]}
