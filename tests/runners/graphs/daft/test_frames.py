"""`DaftRunner.map_dataframe`: outputs added to a DataFrame."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater import DaftRunner, Graph, node
from holdwater.errors import GraphConfigError, MissingInputError
from tests.runners.graphs.samples import small_graph


@pytest.fixture
def frame(native_daft: Any) -> Any:
    return native_daft.from_pydict({"x": [1, 2], "y": [10, 20], "name": ["a", "b"]})


def test_columns_with_the_names_of_inputs(frame: Any) -> None:
    made = DaftRunner().map_dataframe(small_graph(), frame)
    assert made.to_pydict() == {**frame.to_pydict(), "total": [12, 24], "_error": [None, None]}


def test_a_value_for_all_rows(frame: Any) -> None:
    runner = DaftRunner()
    assert runner.map_dataframe(small_graph(), frame, y=5).to_pydict()["total"] == [7, 9]
    assert runner.map_dataframe(small_graph(), frame, values={"y": 5}).to_pydict()["total"] == [7, 9]
    assert runner.map_dataframe(small_graph(), frame, columns=["x"]).to_pydict()["total"] == [3, 5]
    # without columns: one run per row all the same
    assert runner.map_dataframe(small_graph(), frame, x=1, y=2).to_pydict()["total"] == [4, 4]


def test_other_columns(frame: Any) -> None:
    made = DaftRunner().map_dataframe(small_graph(), frame, columns={"x": "y"}, select=["doubled"])
    assert made.to_pydict()["doubled"] == [20, 40]


def test_clones(frame: Any) -> None:
    @node(output_name="seen")
    def push(x: int, stack: list[int]) -> list[int]:
        stack.append(x)
        return list(stack)

    made = DaftRunner().map_dataframe(Graph([push]), frame, stack=[0], clone=True)
    assert made.to_pydict()["seen"] == [[0, 1], [0, 2]]


def test_it_is_lazy_and_goes_on_from_a_lazy_frame(frame: Any, native_daft: Any) -> None:
    calls: list[int] = []

    @node(output_name="z")
    def note(x: int) -> int:
        calls.append(x)
        return x

    made = DaftRunner().map_dataframe(Graph([note]), frame.where(native_daft.col("x") > 1))
    assert not calls
    assert made.to_pydict()["z"] == [2]
    assert calls == [2]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"columns": ["z"]}, GraphConfigError, "no column 'z'"),
        ({"columns": ["x"], "x": 5}, GraphConfigError, "given twice"),
        ({"columns": ["y"]}, MissingInputError, "'x'"),
    ],
)
def test_errors(frame: Any, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        DaftRunner().map_dataframe(small_graph(), frame, **options)


def test_two_columns_of_one_name(frame: Any, native_daft: Any) -> None:
    with pytest.raises(GraphConfigError, match="two columns 'total'"):
        DaftRunner().map_dataframe(small_graph(), frame.with_column("total", native_daft.lit(1)))
    made = DaftRunner().map_dataframe(small_graph(), frame)
    with pytest.raises(GraphConfigError, match="two columns '_error'"):
        DaftRunner().map_dataframe(Graph([node(lambda total: total, name="same", output_name="again")]), made)
