"""Functions and classes with annotations that name what only type checkers import, in every place that reads them.

As text everywhere; and evaluated when asked for (PEP 649), from Python 3.14 on.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from holdwater.graphs.nodes.function import FunctionNode
from holdwater.model.json_schema import schema_of
from holdwater.model.registry import Registry
from holdwater.model.signatures import annotations_of, signature_of
from holdwater.steps import LambdaStep
from holdwater.steps.pipelines import prepare_call, run_pipeline
from holdwater.tasks.builder import WorkflowBuilder
from holdwater.tasks.decorator import task

SOURCE = """
import dataclasses
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdwater.graphs import NodeContext
    from rows import Row


def plain(row: Row, times: int = 2) -> int:
    return row * times


def with_context(row: Row, ctx: NodeContext | None = None) -> Row:
    return (row, ctx.node_name)


def takes_two(context: Row, handle: Row) -> Row:
    return context


@functools.wraps(takes_two)
def wrapped(context: Row, handle: Row) -> Row:
    return takes_two(context, handle)


class Fields:
    row: Row
    count: int


@dataclasses.dataclass
class Data:
    row: Row
    count: int


class Pipeline:
    def __init__(self, params: Row) -> None:
        self.params = params

    def run(self) -> Row:
        return self.params
"""

LAZY = pytest.mark.skipif(sys.version_info < (3, 14), reason="evaluated at the definition before Python 3.14")


@pytest.fixture(params=["text", pytest.param("lazy", marks=LAZY)])
def names(request: pytest.FixtureRequest) -> dict[str, Any]:
    future = "from __future__ import annotations\n" if request.param == "text" else ""
    module: dict[str, Any] = {"__name__": __name__}
    exec(compile(future + SOURCE, "typed_for_checkers.py", "exec", dont_inherit=True), module)
    return module


def test_signatures_and_annotations(names: dict[str, Any]) -> None:
    assert list(signature_of(names["plain"]).parameters) == ["row", "times"]
    assert list(annotations_of(names["plain"])) == ["row", "times", "return"]
    assert list(annotations_of(names["Fields"])) == ["row", "count"]
    assert annotations_of(object()) == {}


def test_nodes(names: dict[str, Any]) -> None:
    made = FunctionNode(names["plain"], output_name="y")
    assert made.inputs == ("row", "times")
    assert made.get_input_type("times") is int
    assert made.get_output_type("y") is int
    assert made.get_input_type("row").__forward_arg__ == "Row"


def test_a_context_is_known_by_its_name(names: dict[str, Any]) -> None:
    made = FunctionNode(names["with_context"], output_name="y")
    assert (made.inputs, made.context_param) == (("row",), "ctx")


def test_tasks(names: dict[str, Any]) -> None:
    with WorkflowBuilder("typed", into=Registry()) as builder:
        for name in ("takes_two", "wrapped"):
            task(id=name)(names[name])
    assert [one.takes_handle for one in builder.build().tasks] == [True, True]


def test_steps(names: dict[str, Any]) -> None:
    assert LambdaStep(name="typed", handler=names["takes_two"]).handler is names["takes_two"]


@pytest.mark.parametrize("kind", ["class", "object"])
def test_pipelines(names: dict[str, Any], kind: str) -> None:
    made = names["Pipeline"]
    result = run_pipeline(prepare_call(made if kind == "class" else made({"a": 1}), {"a": 1}), "typed")
    assert result.metrics == {"a": 1}


def test_schemas(names: dict[str, Any]) -> None:
    assert set(schema_of(names["Data"])["properties"]) == {"row", "count"}
