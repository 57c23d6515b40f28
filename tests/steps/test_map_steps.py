"""Map steps: a workflow for each item."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.steps import QualityMetrics, RetryPolicy, Step, StepResult, StepSettings, Workflow, WorkflowContext
from tests.steps.driver import handler_returning, make_definition, run_steps

Config = dict[str, Any]


def square(ctx: WorkflowContext, config: Config) -> Config:
    if ctx.params["item"] == "bad":
        raise ValueError("it is bad")
    return {"square": ctx.params["item"] ** 2}


per_item = Workflow(steps=[Step.lambda_("square", square)])


@pytest.mark.parametrize("restart", [False, True])
def test_results_are_in_the_order_of_the_items(restart: bool) -> None:
    done = run_steps(Step.map("m", [1, 2, 3], iterator=per_item), restart=restart)
    assert done.status == "completed"
    assert done.output("m") == {
        "results": [{"square": 1}, {"square": 4}, {"square": 9}],
        "item_count": 3,
        "completed": 3,
        "failed": 0,
        "errors": [],
    }
    assert [child.run_id for child in done.children] == ["r/m.1.0", "r/m.1.1", "r/m.1.2"]


@pytest.mark.parametrize(
    "source",
    [
        {"items": (1, 2)},
        {"items": lambda ctx: iter([1, ctx.params["n"]])},
        {"items_from": lambda ctx: [1, 2]},
        {"items_path": "list"},
        {"items_path": "deep.list"},
        {"items_path": "before.rows"},
    ],
)
@pytest.mark.parametrize("restart", [False, True])
def test_where_items_come_from(source: dict[str, Any], restart: bool) -> None:
    done = run_steps(
        Step.lambda_("before", handler_returning(rows=[1, 2])),
        Step.map("m", **source, iterator_workflow=per_item),
        params={"n": 2, "list": [1, 2], "deep": {"list": [1, 2]}},
        restart=restart,
    )
    assert done.output("m")["results"] == [{"square": 1}, {"square": 4}]


def test_params_come_before_outputs() -> None:
    done = run_steps(
        Step.lambda_("rows", handler_returning(x=[9])),
        Step.map("m", items_path="rows.x", iterator=per_item),
        params={"rows": {"x": [3]}},
    )
    assert done.output("m")["results"] == [{"square": 9}]


def test_what_a_child_sees() -> None:
    seen: list[WorkflowContext] = []
    inner = Workflow("inner", [Step.lambda_("a", lambda ctx, config: seen.append(ctx))], defaults={"d": 1, "x": 0})
    from holdwater.steps import StepsInput

    given = StepsInput({"x": 1, "list": ["p", "q"]}, {"day": "mon"})
    done = run_steps(
        Step.lambda_("set", lambda ctx, config: StepResult.ok({"n": 1}, {"y": 2})),
        Step.map("m", items_path="list", item_param="name", iterator=inner),
        params=given,
    )
    assert done.status == "completed"
    assert [ctx.params.to_dict() for ctx in seen] == [
        {"d": 1, "x": 1, "y": 2, "name": name, "__map_index__": i} for i, name in enumerate("pq")
    ]
    first = seen[0]
    assert first.partition == {"day": "mon"}
    assert first.outputs == {}
    assert (first.run_id, first.workflow_name) == ("r/m.1.0", "w/m")
    assert first.execution.parent_execution_id == "r"


def test_one_step_for_each_item() -> None:
    assert run_steps(Step.map("m", [2], step=Step.lambda_("s", square))).output("m")["results"] == [{"square": 4}]


def test_the_last_step_that_completed_is_the_result() -> None:
    inner = Workflow(
        steps=[
            Step.lambda_("a", handler_returning(a=1)),
            Step.lambda_("b", handler_returning(b=1)),
            Step.choice("?", lambda ctx: False, "c"),
            Step.lambda_("c", handler_returning(c=1)),
        ]
    )
    done = run_steps(Step.map("m", [1], iterator=inner))
    assert done.output("m")["results"] == [{"condition_result": False, "branch": "else"}]


@pytest.mark.parametrize("restart", [False, True])
def test_a_failed_item_stops_the_others(restart: bool) -> None:
    step = Step.map("m", [1, "bad", 3, 4], iterator=per_item, max_concurrency=1)
    done = run_steps(step, Step.lambda_("after", handler_returning()), restart=restart)
    assert done.status == "failed"
    assert len(done.children) == 2
    assert done.error_kinds == {"m": "DEPENDENCY"}
    assert done.error == "item 1 of map step 'm' failed: square: ValueError: it is bad"
    assert done.states["after"] == "waiting"


def test_what_ran_beside_it_is_finished() -> None:
    done = run_steps(Step.map("m", ["bad", 2, 3, 4], iterator=per_item, max_concurrency=3))
    assert [child.status for child in done.children] == ["failed", "completed", "completed"]


def test_under_continue_all_run() -> None:
    done = run_steps(Step.map("m", ["bad", 2, "bad"], iterator=per_item, on_error="continue", max_concurrency=1))
    assert done.status == "completed"
    assert done.output("m") == {
        "results": [None, {"square": 4}, None],
        "item_count": 3,
        "completed": 1,
        "failed": 2,
        "errors": [
            {"index": 0, "error": "square: ValueError: it is bad"},
            {"index": 2, "error": "square: ValueError: it is bad"},
        ],
    }


def test_a_retry_runs_what_has_not_completed() -> None:
    calls: list[int] = []

    def twice(ctx: WorkflowContext, config: Config) -> Config:
        calls.append(ctx.params["item"])
        if ctx.params["item"] == 2 and calls.count(2) == 1:
            raise OSError("not yet")
        return {"item": ctx.params["item"]}

    retry = RetryPolicy(max_attempts=2, initial_delay=0)
    done = run_steps(Step.map("m", [1, 2], step=Step.lambda_("s", twice), max_concurrency=1, retry=retry))
    assert done.output("m")["results"] == [{"item": 1}, {"item": 2}]
    assert calls == [1, 2, 2]


@pytest.mark.parametrize(("limit", "width"), [(None, 4), (2, 2), (9, 4)])
def test_how_many_run_at_once(limit: int | None, width: int) -> None:
    step = Step.map("m", list(range(6)), iterator=per_item, max_concurrency=4)
    assert max(run_steps(step, settings=StepSettings(max_concurrent_steps=limit)).running_counts) == width


def test_no_items() -> None:
    done = run_steps(Step.map("m", [], iterator=per_item))
    assert done.output("m") == {"results": [], "item_count": 0, "completed": 0, "failed": 0, "errors": []}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"items_path": "none"}, "neither among the params nor among the outputs"),
        ({"items_path": "x"}, "leads to int"),
        ({"items_path": "text"}, "leads to str"),
        ({"items": lambda ctx: {"a": 1}}, "gave dict"),
        ({"items": lambda ctx: None}, "gave NoneType"),
    ],
)
def test_items_that_are_no_list(source: dict[str, Any], why: str) -> None:
    done = run_steps(Step.map("m", **source, iterator=per_item), params={"x": 1, "text": "abc"})
    assert done.error_kinds == {"m": "CONFIGURATION"}
    assert why in done.error


def test_an_item_that_cannot_be_stored() -> None:
    done = run_steps(Step.map("m", lambda ctx: [1, {"f": open}], iterator=per_item))
    assert "item 1 of map step 'm'" in done.error


def test_maps_in_maps() -> None:
    inner = Workflow(steps=[Step.map("inner", items_path="item", item_param="cell", step=Step.lambda_("s", cell))])
    done = run_steps(Step.map("outer", [[1, 2], [3]], iterator=inner))
    assert [r["results"] for r in done.output("outer")["results"]] == [[{"cell": 1}, {"cell": 2}], [{"cell": 3}]]
    names = [make_definition(Step.map("outer", [1], iterator=inner))]
    while names[-1].child_definitions():
        names += names[-1].child_definitions().values()  # type: ignore[arg-type]
    assert [p.plan.name for p in names] == ["w", "w/outer", "w/outer/inner"]


def cell(ctx: WorkflowContext, config: Config) -> Config:
    return {"cell": ctx.params["cell"]}


def test_children_have_the_settings_of_their_parent() -> None:
    seen: list[str] = []

    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        seen.append(step.name)
        result: StepResult = work(step, context)
        return result

    settings = StepSettings(dry_run=True, wrapper=conduct, default_timeout_seconds=3)
    inner = Workflow(steps=[Step.lambda_("a", lambda ctx, config: {"dry": ctx.is_dry_run}), Step.pipeline("p", "none")])
    done = run_steps(Step.map("m", [1], iterator=inner), settings=settings)
    assert seen == ["m", "a", "p"]
    assert done.output("m")["results"] == [{"dry_run": True, "pipeline": "none"}]
    assert done.program.child_definitions()[0].policy(0).timeout_seconds == 3


def test_steps_cannot_be_changed_so_that_iterators_make_a_cycle() -> None:
    step = Step.map("m", [1], iterator=per_item)
    with pytest.raises(AttributeError):
        step.iterator_workflow = Workflow(steps=[step])  # type: ignore[misc]
    with pytest.raises(TypeError):
        per_item.steps[0] = step  # type: ignore[index]


def test_quality_of_children_stays_with_them() -> None:
    measured = Step.lambda_("s", lambda ctx, config: StepResult.ok(quality=QualityMetrics(1, 1)))
    done = run_steps(Step.map("m", [1], step=measured))
    assert done.context.get_quality("m") is None
    assert done.children[0].context.get_quality("s") is not None
