"""The room has every name of the original, and Holdwater's own wherever there is one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import holdwater
from holdwater import tasks, tenants
from holdwater.compat import cloaca
from holdwater.compat.cloaca import unsupported
from holdwater.errors import HoldwaterError

V0_3 = """
hello_world HelloClass Context DefaultRunnerConfig DefaultRunner PipelineResult task trigger TriggerResult
WorkflowBuilder Workflow register_workflow_constructor TaskNamespace WorkflowContext RetryPolicy RetryPolicyBuilder
BackoffStrategy RetryCondition DatabaseAdmin TenantConfig TenantCredentials
""".split()  # noqa: SIM905
LATER = """
TaskHandle WorkflowResult context_value task_success task_failed task_skipped all_of any_of none_of always
ComputationGraphBuilder node reactor passthrough_accumulator stream_accumulator polling_accumulator batch_accumulator
state_accumulator boundary_schema workflow_params workflow_secrets constructor var var_or
""".split()  # noqa: SIM905
TRANSLATED = {"DefaultRunner", "RetryPolicy", "task", "trigger"}
STUBS = [
    name
    for name in cloaca.__all__
    if name != "NotInThisVersion" and getattr(cloaca, name) is vars(unsupported).get(name)
]
HOMONYMS = {"node"}
"""Holdwater has these too, and means something else"""
HOMES = (tasks, tenants, holdwater)
RENAMED = {
    "Workflow": tasks.TaskWorkflow,
    "WorkflowContext": tasks.WorkflowNamespace,
    "WorkflowResult": holdwater.PipelineResult,
}
"""Holdwater calls these otherwise: its `Workflow`, `WorkflowContext` and `WorkflowResult` are those of steps"""
METHODS = [name for name in vars(unsupported.UnsupportedRunnerMethods) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*V0_3, *LATER])
def test_every_name_is_there(name: str) -> None:
    assert name in cloaca.__all__
    assert getattr(cloaca, name) is not None
    if name in RENAMED:
        assert getattr(cloaca, name) is RENAMED[name]
    elif name not in TRANSLATED | HOMONYMS:
        for home in HOMES:
            assert getattr(cloaca, name) is getattr(home, name, getattr(cloaca, name))


def test_nothing_else_is_promised() -> None:
    assert set(cloaca.__all__) == {*V0_3, *LATER, "NotInThisVersion"}


def test_both_spellings_of_a_result() -> None:
    assert cloaca.PipelineResult is cloaca.WorkflowResult


@pytest.mark.parametrize("name", STUBS)
def test_what_is_absent_says_so_when_it_is_used(name: str) -> None:
    with pytest.raises(cloaca.NotInThisVersion, match=name) as caught:
        getattr(cloaca, name)("anything", at="all")
    assert isinstance(caught.value, NotImplementedError)
    assert isinstance(caught.value, HoldwaterError)
    assert caught.value.hint


def test_what_is_absent() -> None:
    assert {"ComputationGraphBuilder", "workflow_secrets"} < {*STUBS}
    with pytest.raises(cloaca.NotInThisVersion, match=r"ComputationGraphBuilder\.add"):
        cloaca.ComputationGraphBuilder.add(cloaca.Context())
    assert not isinstance(1, cloaca.ComputationGraphBuilder)
    assert not hasattr(cloaca.ComputationGraphBuilder, "__wrapped__")
    assert "register_cron_workflow" in str(inspect.getdoc(cloaca.DefaultRunner.register_workflow_instance))


@pytest.mark.parametrize("name", METHODS)
def test_absent_methods_of_the_runner(name: str, url: str) -> None:
    with cloaca.DefaultRunner(url) as runner, pytest.raises(cloaca.NotInThisVersion, match=name):
        getattr(runner, name)("anything", at="all")


def test_a_stand_in_goes_when_holdwater_has_the_thing() -> None:
    assert not {name for name in STUBS if hasattr(holdwater, name)} - HOMONYMS, (
        "delete these from holdwater.compat.cloaca.unsupported"
    )
    assert not {name for name in METHODS if hasattr(holdwater.DefaultRunner, name)}, (
        "delete these from UnsupportedRunnerMethods"
    )


def test_signs_of_life() -> None:
    assert "Hello" in cloaca.hello_world()
    assert "Hello" in cloaca.HelloClass().get_message()
    assert "HelloClass" in repr(cloaca.HelloClass())


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACINA_VAR_region", "eu")
    monkeypatch.delenv("CLOACINA_VAR_zone", raising=False)
    assert cloaca.var("region") == cloaca.var_or("region", "us") == "eu"
    assert cloaca.var_or("zone", "b") == "b"
    with pytest.raises(KeyError, match="CLOACINA_VAR_zone"):
        cloaca.var("zone")


def test_the_context_of_the_original() -> None:
    context = cloaca.Context({"a": 1, "none": None})
    context.set("rows", [1])
    context.insert("b", 2)
    context.update("a", 3)
    for mistake, error in (
        (lambda: context.insert("a", 1), ValueError),
        (lambda: context.update("missing", 1), KeyError),
        (lambda: context["missing"], KeyError),
        (lambda: context.__delitem__("missing"), KeyError),
        (lambda: context.set("x", object()), ValueError),
        (lambda: cloaca.Context({1: 2}), TypeError),  # type: ignore[dict-item]
        (lambda: cloaca.Context.from_json("[]"), ValueError),
    ):
        with pytest.raises(error):
            mistake()
    assert (context.get("none", "default"), context.remove("b"), context.remove("b")) == (None, 2, None)
    assert cloaca.Context.from_json(context.to_json()).to_dict() == {"a": 3, "none": None, "rows": [1]}
    assert len(context) == 3
    assert "a" in context


def test_names_of_tasks() -> None:
    name = cloaca.TaskNamespace("t", "p", "w", "x")
    assert cloaca.TaskNamespace.from_string(str(name)) == name
    assert str(name) == "t::p::w::x"
    assert name.is_child_of(name.parent())
    assert name.is_sibling_of(cloaca.TaskNamespace("t", "p", "w", "y"))
    assert not name.is_sibling_of(cloaca.TaskNamespace("t", "p", "v", "y"))
    assert len({name, cloaca.TaskNamespace("t", "p", "w", "x")}) == 1
    with pytest.raises(ValueError):
        cloaca.TaskNamespace.from_string("a::b")
    where = cloaca.WorkflowContext("t", "p", "w")
    assert where.task_namespace("x") == where.resolve_dependency("x") == name
    assert where.contains_namespace(name)
    assert where.workflow_namespace() == str(where) == "t::p::w"


def policy_of(**options: Any) -> holdwater.RetryPolicy:
    builder = cloaca.WorkflowBuilder("policy")
    with builder:
        cloaca.task(id="x", **options)(lambda context: None)
    return builder.build().tasks[0].policy.retry


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({}, holdwater.RetryPolicy(max_attempts=3, jitter=True)),
        ({"retry_attempts": None, "retry_jitter": None}, holdwater.RetryPolicy(max_attempts=3, jitter=True)),
        ({"retry_attempts": 0}, holdwater.RetryPolicy(max_attempts=1, jitter=True)),
        (
            {"retry_backoff": "fixed", "retry_delay_ms": 5, "retry_jitter": False},
            holdwater.RetryPolicy(max_attempts=3, backoff="fixed", initial_delay=0.005),
        ),
        ({"retry": holdwater.RetryPolicy(max_attempts=7)}, holdwater.RetryPolicy(max_attempts=7)),
        ({"retry": cloaca.RetryPolicy.default()}, cloaca.RetryPolicy()),
    ],
)
def test_a_task_is_tried_three_times_unless_it_says_otherwise(
    options: dict[str, Any], policy: holdwater.RetryPolicy
) -> None:
    assert policy_of(**options) == policy


def test_arguments_of_a_task_that_make_no_sense() -> None:
    for options, says in (
        ({"retry": cloaca.RetryPolicy.default(), "retry_delay_ms": 5}, "retry_delay_ms, not both"),
        ({"retry_backoff": "random"}, "random"),
        ({"invokes": object()}, "invokes"),
    ):
        with pytest.raises(ValueError, match=says):
            policy_of(**options)
    with pytest.raises(TypeError):
        policy_of(retries=3)
    with pytest.raises(ValueError, match="No workflow context"):
        cloaca.task(id="stray")(print)
