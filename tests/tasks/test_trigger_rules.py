"""Trigger rules: their two forms, and when a task runs under them."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import WorkflowError
from holdwater.model.rules import FAILED, SKIPPED, SUCCEEDED, UPSTREAM_FAILED, After, AllOf, AnyOf, Not, ValuePredicate
from holdwater.tasks import (
    Context,
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task,
    task_failed,
    task_skipped,
    task_success,
)
from holdwater.tasks.trigger_rules import compile_rule, parse_rule
from tests.tasks.driver import KernelRun, get_definition, make_builder


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        *[(o, "equals") for o in ("==", "eq", "EQ", "equals", "Equals")],
        *[(o, "not_equals") for o in ("!=", "ne", "NotEquals", "not_equals", "NOT_EQUALS")],
        *[(o, "greater_than") for o in (">", "gt", "GreaterThan", "greater_than")],
        *[(o, "less_than") for o in ("<", "lt", "LessThan", "less_than")],
        *[(o, "contains") for o in ("contains", "Contains")],
        *[(o, "not_contains") for o in ("NotContains", "not_contains")],
        *[(o, "exists") for o in ("exists", "Exists")],
        *[(o, "not_exists") for o in ("NotExists", "not_exists")],
        (">=", "greater_or_equal"),
        ("<=", "less_or_equal"),
    ],
)
def test_operators(operator: str, name: str) -> None:
    assert compile_rule(context_value("k", operator, 1), str) == ValuePredicate("k", name, 1)


S, F = {"type": "TaskSuccess", "task_name": "a"}, {"type": "task_failed", "task": "b"}


@pytest.mark.parametrize(
    ("form", "call", "rule"),
    [
        ({"type": "Always"}, always(), AllOf(())),
        (S, task_success("a"), After("a", frozenset({SUCCEEDED}))),
        (F, task_failed("b"), After("b", frozenset({FAILED}))),
        (
            {"type": "TaskSkipped", "task_name": "a"},
            task_skipped("a"),
            After("a", frozenset({SKIPPED, UPSTREAM_FAILED})),
        ),
        (
            {"type": "All", "conditions": [S, F]},
            all_of(task_success("a"), task_failed("b")),
            AllOf((After("a", frozenset({SUCCEEDED})), After("b", frozenset({FAILED})))),
        ),
        ({"type": "Any", "conditions": [S]}, any_of([task_success("a")]), AnyOf((After("a", frozenset({SUCCEEDED})),))),
        (
            {"type": "None", "conditions": [S]},
            none_of(task_success("a")),
            Not(AnyOf((After("a", frozenset({SUCCEEDED})),))),
        ),
        (
            {"type": "ContextValue", "key": "k", "operator": "Equals", "value": [1]},
            context_value("k", "==", [1]),
            ValuePredicate("k", "equals", [1]),
        ),
    ],
)
def test_the_json_form_is_the_call(form: Any, call: Any, rule: Any) -> None:
    assert parse_rule(form) == parse_rule(call) == call
    assert compile_rule(call, str) == rule


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda: context_value("k", "equal_to", 1), "equal_to"),
        (lambda: context_value("k", "grater_than", 1), "did you mean 'greater_than'"),
        (lambda: context_value(1, "eq", 1), "key"),  # type: ignore[arg-type]
        (lambda: context_value("k", "eq", object()), "part of a workflow"),
        (lambda: context_value("k", "eq", (1, 2)), "part of a workflow"),
        (lambda: context_value("k", "eq", float("nan")), "part of a workflow"),
        (lambda: task_success(3), "3"),
        (lambda: task_failed(""), "id"),
        (lambda: parse_rule({"type": "Sometimes"}), "Sometimes"),
        (lambda: parse_rule({"type": "TaskSuccess"}), "lacks 'task'"),
        (lambda: parse_rule({"type": "All"}), "lacks 'conditions'"),
        (lambda: parse_rule({"type": "ContextValue", "key": "k"}), "lacks 'operator'"),
        (lambda: parse_rule("always"), "always"),
        (lambda: all_of("a"), "'a'"),
    ],
)
def test_mistakes(rule: Any, says: str) -> None:
    with pytest.raises(WorkflowError, match=says):
        rule()


def bad(c: Context) -> None:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("rule", "runs"),
    [
        (None, False),
        (always(), True),
        (task_failed("bad"), True),
        (task_success("bad"), False),
        (task_failed(bad), True),
        (task_failed("public::embedded::w::bad"), True),
        (task_skipped("cut"), True),
        (all_of(task_success("good"), task_failed("bad")), True),
        (all_of(task_success("good"), task_success("bad")), False),
        (any_of(task_success("good"), task_success("bad")), True),
        (none_of(task_success("bad"), task_success("cut")), True),
        (any_of(), False),
        (none_of(), True),
        (context_value("x", ">", 4), True),
        (context_value("x", ">", "4"), False),
        (context_value("missing", "!=", 1), True),
        (context_value("missing", "==", None), False),
        (context_value("none", "==", None), True),
        (context_value("none", "exists"), True),
        (context_value("missing", "not_exists"), True),
        (context_value("rows", "contains", 2), True),
        (context_value("good", "==", 1), True),
        (all_of(any_of(context_value("x", "lt", 0), task_failed("bad")), none_of(task_failed("good"))), True),
    ],
)
def test_when_a_task_runs(rule: Any, runs: bool) -> None:
    made, registry = make_builder()
    with made:
        task(id="bad")(bad)
        task(id="good")(lambda c: c.set("good", 1))
        task(id="cut", dependencies=["bad"])(lambda c: None)
        task(id="it", dependencies=["good", "bad"], trigger_rules=rule)(lambda c: None)
        task(id="after", dependencies=["it"])(lambda c: None)
    run = KernelRun(get_definition(registry), {"x": 5, "none": None, "rows": [1, 2]}).run_to_end()
    own = rule is not None
    assert run.states["it"] == ("succeeded" if runs else "skipped" if own else "upstream_failed")
    assert run.states["after"] == (
        "succeeded" if runs or own else "upstream_failed"
    )  # only its own rule lets dependents run
