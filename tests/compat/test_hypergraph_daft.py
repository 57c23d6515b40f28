"""`hypergraph.integrations.daft`: runner, nodes and classes for DataFrames."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.checkpointers import MemoryCheckpointer
from holdwater.compat import hypergraph
from holdwater.compat.hypergraph.integrations.daft import DaftRunner, Options, node, stateful
from holdwater.compat.hypergraph.results import MapResult, RunResult
from holdwater.errors import ConfigError
from tests.suite.daft_library import native_daft


def _halve(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x // 2


def _idle(x: int) -> None:
    """Have nothing to say."""


halve, idle = node(_halve, name="halve", output_name="half"), node(_idle)


@pytest.fixture
def daft() -> Any:
    return native_daft()


def test_results(daft: Any) -> None:
    runner, graph = DaftRunner(), hypergraph.Graph([halve, idle])
    result = runner.run(graph, {"x": 4})
    assert isinstance(result, RunResult)
    assert result.values == {"half": 2}
    results = runner.map(graph, {"x": [4, 5]}, map_over="x", error_handling="continue")
    assert isinstance(results, MapResult)
    assert results["half"] == [2, None]
    assert results.partial
    with pytest.raises(ValueError, match="5 is odd"):
        runner.map(graph, {"x": [4, 5]}, map_over="x")
    frame = runner.map_dataframe(graph, daft.from_pydict({"x": [4, 5], "k": ["a", "b"]}))
    assert frame.to_pydict()["half"] == [2, None]


def test_events_are_not_sent(daft: Any) -> None:
    with pytest.warns(UserWarning, match="sends no events"):
        DaftRunner().run(hypergraph.Graph([halve]), {"x": 4}, show_progress=True)


def test_recorded_maps(daft: Any) -> None:
    graph = hypergraph.Graph([halve], name="halves")
    with pytest.raises(ConfigError, match="checkpointer"):
        DaftRunner().map(graph, {"x": [4]}, map_over="x", workflow_id="w")
    with MemoryCheckpointer() as checkpointer:
        results = DaftRunner(checkpointer=checkpointer).map(graph, {"x": [4]}, map_over="x", workflow_id="w")
        assert results["half"] == [2]


def test_stateful_classes(daft: Any) -> None:
    @stateful
    class Model:
        factor = 3

    assert stateful()(Model) is Model

    def predict(x: int, model: Model) -> int:
        return x * model.factor

    graph = hypergraph.Graph([node(predict, output_name="y")]).bind(model=Model())
    assert DaftRunner().map(graph, {"x": [1, 2]}, map_over="x")["y"] == [3, 6]


@pytest.mark.parametrize(
    "option",
    [
        {"return_dtype": "int64"}, {"batch": True}, {"batch_size": 10}, {"unnest": True}, {"cpus": 2}, {"gpus": 1},
        {"use_process": True}, {"max_concurrency": 3}, {"max_retries": 2}, {"on_error": "log"},
        {"ray_options": {"label": "x"}},
    ],
)  # fmt: skip
def test_options_of_daft_name_what_replaces_them(option: dict[str, Any]) -> None:
    (name,) = option
    for use in (
        lambda: Options(**option),
        lambda: node(output_name="y", **option),
        lambda: stateful(**option),
    ):
        with pytest.raises(hypergraph.NotInThisVersion, match=f"option {name}=") as caught:
            use()
        assert caught.value.hint
    assert Options() == Options(batch=False, gpus=0)
