"""Graphs run by name, on the record."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, SyncRunner, WorkflowBuilder, task
from holdwater.errors import ConfigError, GraphConfigError, InputError, WorkflowError
from holdwater.graphs import END, Graph, NodeContext, ifelse, node, register_graph, route
from holdwater.model.registry import registry


@node(output_name="n")
def step(n: int) -> int:
    return n + 1


@route(["step", END])
def more(n: int) -> str:
    return END if n >= 5 else "step"


@node(output_name="y")
async def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def total(y: list[int]) -> int:
    return sum(y)


@ifelse("spend", END)
def rich(total: int) -> bool:
    return total > 10


@node(output_name="note")
def spend(total: int) -> str:
    return f"{total} to spend"


inner = Graph([double], name="inner")


def _result_values(runner: DefaultRunner, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    result = runner.execute(name, inputs)
    assert result.status == "Completed", result.error_message
    return result.final_context.to_dict()


def test_a_loop_starts_where_its_input_says(runner: DefaultRunner) -> None:
    register_graph(Graph([step, more], name="graphs_loop"))
    assert _result_values(runner, "graphs_loop", {"n": 0}) == {"n": 5}
    assert _result_values(runner, "graphs_loop", {"n": 3}) == {"n": 5}


def test_a_map_runs_as_children_and_a_gate_closes_a_way(runner: DefaultRunner) -> None:
    register_graph(Graph([inner.as_node(name="each").map_over("x"), total, rich, spend], name="graphs_mapped"))
    assert _result_values(runner, "graphs_mapped", {"x": [1, 2]}) == {"y": [2, 4], "total": 6}
    assert _result_values(runner, "graphs_mapped", {"x": [1, 5]})["note"] == "12 to spend"
    run = runner.list_runs(top_level=True)[0]
    children = runner.list_runs(parent_run_id=run.run_id)
    assert sorted(child.run_id for child in children) == [f"{run.run_id}/each.1.0", f"{run.run_id}/each.1.1"]
    assert {child.workflow_name for child in children} == {"graphs_mapped/each"}


def test_what_a_nested_graph_did_not_make_stays_unmade(runner: DefaultRunner) -> None:
    @route(["step", END])
    def maybe(n: int) -> str:
        return "step" if n < 3 else END

    @node(output_name="seen")
    def see(n_out: int) -> int:
        return n_out

    once = node(output_name="n_out")(step.func)
    nested = Graph([maybe, once], name="maybe_once").as_node()
    register_graph(Graph([nested, see, double], name="graphs_unmade"))
    assert _result_values(runner, "graphs_unmade", {"n": 7, "x": 1}) == {"y": 2}
    assert _result_values(runner, "graphs_unmade", {"n": 1, "x": 1}) == {"y": 2, "n_out": 2, "seen": 2}


def test_a_node_runs_a_workflow_as_a_child(runner: DefaultRunner) -> None:
    with WorkflowBuilder("graphs_plain"):

        @task(id="twice")
        def twice(context: Context) -> None:
            context["z"] = 2 * context["x"]

    @node(output_name="here")
    def here(x: int, ctx: NodeContext) -> int:
        return int(ctx.execute("graphs_plain", {"x": x}).final_context["z"])

    @node(output_name="there")
    async def there(x: int, ctx: NodeContext) -> int:
        return int((await ctx.execute_async("graphs_plain", {"x": x + 1})).final_context["z"])

    graph = register_graph(Graph([here, there], name="graphs_calling"))
    assert _result_values(runner, "graphs_calling", {"x": 4}) == {"here": 8, "there": 10}
    run = runner.list_runs(top_level=True)[0]
    assert {child.workflow_name for child in runner.list_runs(parent_run_id=run.run_id)} == {"graphs_plain"}
    with pytest.raises(ConfigError, match="not recorded"):
        SyncRunner().run(Graph([here]), {"x": 1})
    assert graph.name == "graphs_calling"


def test_a_failing_item_fails_the_run_and_a_retry_runs_only_what_did_not_complete(runner: DefaultRunner) -> None:
    ran: list[int] = []
    broken = {3}

    @node(output_name="y")
    def fragile(x: int) -> int:
        ran.append(x)
        if x in broken:
            raise ValueError(f"{x} is broken")
        return x

    fragile_inner = Graph([fragile], name="fragile_inner")
    register_graph(Graph([fragile_inner.as_node(name="each").map_over("x"), total], name="graphs_fragile"))
    result = runner.execute("graphs_fragile", {"x": [1, 2, 3]})
    assert result.status == "Failed"
    assert "each[2]" in str(result.error_message)
    assert "3 is broken" in str(result.error_message)
    broken.clear()
    handle = runner.handle(result.run_id)
    handle.retry()
    assert handle.result(timeout=30).final_context["total"] == 6
    assert sorted(ran) == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("inputs", "error", "said"),
    [
        ({}, Exception, "x"),
        ({"x": object()}, Exception, "input 'x'"),
    ],
)
def test_bad_inputs_are_refused_at_the_door(
    runner: DefaultRunner, inputs: dict[str, Any], error: type[Exception], said: str
) -> None:
    register_graph(Graph([double], name="graphs_door"))
    with pytest.raises(error, match=said):
        runner.execute("graphs_door", inputs)
    assert runner.list_runs() == []


def test_a_graph_without_a_name_cannot_be_registered() -> None:
    with pytest.raises(WorkflowError, match="name"):
        register_graph(Graph([double]))
    assert issubclass(GraphConfigError, WorkflowError)
    assert issubclass(InputError, ValueError)


def test_outputs_that_cannot_be_stored_fail_their_node_by_name(runner: DefaultRunner) -> None:
    @node(output_name="thing")
    def odd(x: int) -> object:
        return object()

    register_graph(Graph([odd], name="graphs_odd"))
    result = runner.execute("graphs_odd", {"x": 1})
    assert result.status == "Failed"
    assert "output 'thing' of 'odd'" in str(result.error_message)


def test_turns_of_a_loop_are_iterations_and_no_attempts(runner: DefaultRunner) -> None:
    failures = iter([True, False, False])

    @node(output_name="n", retry=RetryPolicy(max_attempts=2, initial_delay=0.001))
    def grow(n: int) -> int:
        if n == 1 and next(failures):
            raise ConnectionError("once more")
        return n + 1

    @route(["grow", END])
    def enough(n: int) -> str:
        return END if n >= 3 else "grow"

    graph = Graph([grow, enough], name="growing")
    try:
        result = runner.execute(graph, {"n": 0})
        assert result.status == "Completed"
        tasks = {t.task_name: (t.iterations, t.attempt_count) for t in result.task_results}
        assert tasks["grow"] == (3, 1), "three turns; the last took one attempt"
        assert tasks["enough"][1] == 1
    finally:
        registry.unregister("growing")
