"""Trigger rules: conditions on other tasks and on context values that decide if a task runs.

Conditions refer to tasks by id, function or full name, which are resolved when the workflow is built.  A rule is
evaluated once, when every dependency of its task and every task it mentions has settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.errors import EncodingError, WorkflowError
from holdwater.model import codec
from holdwater.model.rules import (
    FAILED,
    OPERATORS,
    SKIPPED,
    SUCCEEDED,
    UPSTREAM_FAILED,
    After,
    AllOf,
    AnyOf,
    Not,
    Rule,
    ValuePredicate,
)
from holdwater.model.suggestions import did_you_mean

TaskOutcomeKind = Literal["success", "failed", "skipped"]

_OUTCOME_STATES: Final[dict[TaskOutcomeKind, frozenset[str]]] = {
    "success": frozenset({SUCCEEDED}),
    "failed": frozenset({FAILED}),
    "skipped": frozenset({SKIPPED, UPSTREAM_FAILED}),
}

_OPERATOR_ALIASES: Final = {
    "==": "equals", "eq": "equals", "equal": "equals", "!=": "not_equals", "ne": "not_equals", "notequal": "not_equals",
    ">": "greater_than", "gt": "greater_than", "<": "less_than", "lt": "less_than",
    ">=": "greater_or_equal", "ge": "greater_or_equal", "gte": "greater_or_equal",
    "<=": "less_or_equal", "le": "less_or_equal", "lte": "less_or_equal",
}  # fmt: skip
_OPERATORS_BY_SPELLING: Final = {**_OPERATOR_ALIASES, **{name.replace("_", ""): name for name in OPERATORS}}


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """The condition that a task settled with this outcome.  `task`: id, full name or function."""

    task: Any
    outcome: TaskOutcomeKind


@dataclass(frozen=True, slots=True)
class ContextValue:
    """A predicate on one key of the context as the task sees it."""

    key: str
    operator: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class ConditionGroup:
    """All, any or none of several conditions."""

    kind: Literal["all", "any", "none"]
    conditions: tuple[Condition, ...]


Condition = TaskOutcome | ContextValue | ConditionGroup


def task_success(task: Any) -> Condition:
    """Require that the task has succeeded."""
    return TaskOutcome(_check_task_reference(task), "success")


def task_failed(task: Any) -> Condition:
    """Require that the task has failed, after all its attempts."""
    return TaskOutcome(_check_task_reference(task), "failed")


def task_skipped(task: Any) -> Condition:
    """Require that the task did not run: its own rule was false, or a task before it failed."""
    return TaskOutcome(_check_task_reference(task), "skipped")


def context_value(key: str, operator: str, value: Any = None) -> Condition:
    """Compare the value of `key` in the context as the task sees it.

    Operators: equals (==, eq), not_equals (!=, ne), greater_than (>, gt), less_than (<, lt), greater_or_equal (>=),
    less_or_equal (<=), contains, not_contains, exists, not_exists; in upper or lower case.  Comparisons of order hold
    between numbers only.  A missing key equals no value.  Raises WorkflowError.
    """
    if not isinstance(key, str):
        raise WorkflowError(f"context_value: the key is a string, not {key!r}")
    name = _OPERATORS_BY_SPELLING.get(str(operator).replace("_", "").lower())
    if name is None:
        raise WorkflowError(
            f"context_value: unknown operator {operator!r}",
            hint=did_you_mean(operator, [*OPERATORS, *_OPERATOR_ALIASES]) or f"one of {', '.join(OPERATORS)}",
        )
    try:
        text = codec.encode(value)
    except EncodingError as error:
        raise WorkflowError(f"context_value: {value!r} cannot be part of a workflow: {error}") from error
    if not codec.is_plain(text):
        raise WorkflowError(
            f"context_value: {value!r} cannot be part of a workflow",
            hint="compare with plain data: str, int, float, bool, None, list, dict",
        )
    return ContextValue(key, name, codec.decode(text))


def all_of(*conditions: Any) -> Condition:
    """Require that every condition holds; true without conditions."""
    return _make_group("all", conditions)


def any_of(*conditions: Any) -> Condition:
    """Require that at least one condition holds."""
    return _make_group("any", conditions)


def none_of(*conditions: Any) -> Condition:
    """Require that no condition holds."""
    return _make_group("none", conditions)


def always() -> Condition:
    """Run whatever the outcomes of earlier tasks."""
    return ConditionGroup("all", ())


def parse_rule(rule: Any) -> Condition:
    """Return a condition unchanged, or parse its JSON form.  Raises WorkflowError.

    `{"type": "Always"}`, `{"type": "All" | "Any" | "None", "conditions": [...]}`,
    `{"type": "TaskSuccess" | "TaskFailed" | "TaskSkipped", "task_name": ...}`,
    `{"type": "ContextValue", "key": ..., "operator": ..., "value": ...}`.
    """
    if isinstance(rule, (TaskOutcome, ContextValue, ConditionGroup)):
        return rule
    if not isinstance(rule, Mapping):
        raise WorkflowError(
            f"a trigger rule is made by all_of, any_of, none_of, always or a condition, not {rule!r}",
            hint="for example trigger_rules=all_of(task_success('extract'))",
        )
    kind = str(rule.get("type", "")).replace("_", "").lower()
    try:
        match kind:
            case "always":
                return always()
            case "all" | "any" | "none":
                return _make_group(kind, rule["conditions"])
            case "tasksuccess" | "taskfailed" | "taskskipped":
                made = {"tasksuccess": task_success, "taskfailed": task_failed, "taskskipped": task_skipped}[kind]
                return made(rule["task_name"] if "task_name" in rule else rule["task"])
            case "contextvalue":
                return context_value(rule["key"], rule["operator"], rule.get("value"))
    except KeyError as error:
        raise WorkflowError(f"trigger rule {dict(rule)!r} lacks {error.args[0]!r}") from None
    raise WorkflowError(
        f"trigger rule has the unknown type {rule.get('type')!r}",
        hint="one of Always, All, Any, None, TaskSuccess, TaskFailed, TaskSkipped, ContextValue",
    )


def compile_rule(condition: Condition, resolve: Callable[[Any], str]) -> Rule:
    """Compile to a rule of the engine.  `resolve`: returns the id of a referenced task."""
    match condition:
        case TaskOutcome(task, outcome):
            return After(resolve(task), _OUTCOME_STATES[outcome])
        case ContextValue(key, operator, value):
            return ValuePredicate(key, operator, value)
        case ConditionGroup(kind, conditions):
            inner = tuple([compile_rule(c, resolve) for c in conditions])
            return AllOf(inner) if kind == "all" else AnyOf(inner) if kind == "any" else Not(AnyOf(inner))


def _make_group(kind: Any, conditions: Iterable[Any]) -> Condition:
    given = tuple(conditions)
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        given = tuple(given[0])
    return ConditionGroup(kind, tuple([parse_rule(c) for c in given]))


def _check_task_reference(task: Any) -> Any:
    if not callable(task) and not (isinstance(task, str) and task):
        raise WorkflowError(f"a rule names a task by its id or its function, not by {task!r}")
    return task
