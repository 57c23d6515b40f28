"""Workflows as documents: plain data, with functions by their dotted paths."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from holdwater.errors import WorkflowError
from holdwater.model.error_report import describe_error
from holdwater.model.policies import RetryPolicy
from holdwater.steps.base_step import ErrorPolicy, StepType
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.step_config import copy_config

W = TypeVar("W", bound=BaseWorkflow[Step])

_OPTIONAL_FIELDS: Final = ("domain", "description", "defaults", "tags")
_PLAIN_FIELDS: Final = {
    StepType.CHOICE: ("then_step", "else_step", "join"),
    StepType.MAP: ("items_path", "item_param", "max_concurrency"),
    StepType.WAIT: ("duration_seconds", "duration_path", "next_step"),
}


def workflow_to_dict(workflow: BaseWorkflow[Step]) -> dict[str, Any]:
    """Convert a workflow to a document.  Raises WorkflowError for functions without a path."""
    data: dict[str, Any] = {"name": workflow.name, "version": workflow.version}
    data.update({name: value for name in _OPTIONAL_FIELDS if (value := getattr(workflow, name))})
    data["steps"] = [_step_to_dict(step) for step in workflow.steps]
    return data


def workflow_from_dict(cls: type[W], data: Mapping[str, Any]) -> W:
    """Create a workflow from a document, importing the modules of its functions.  Raises WorkflowError."""
    try:
        steps = [_step_from_dict(cls, row) for row in data["steps"]]
        given = {name: data[name] for name in (*_OPTIONAL_FIELDS, "version") if name in data}
        return cls(data.get("name", ""), steps, **given)
    except (KeyError, TypeError) as error:
        raise WorkflowError(f"this is no workflow of steps: {describe_error(error)}") from error


def _step_to_dict(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {"name": step.name, "type": str(step.step_type)}
    if step.config:
        data["config"] = copy_config(step.config)
    if step.on_error is not ErrorPolicy.STOP:
        data["on_error"] = str(step.on_error)
    if step.retry_policy is not None:
        data["retry"] = _retry_to_dict(step)
    data.update(
        {name: value for name in ("timeout", "limit", "description", "checkpoint") if (value := getattr(step, name))}
    )
    for name in _PLAIN_FIELDS.get(step.step_type, ()):
        if (value := getattr(step, name)) is not None:
            data[name] = value
    match step:
        case LambdaStep():
            data["handler"] = _dotted_path(step, "handler", step.handler)
            if step.quality_thresholds is not None:
                data["quality_thresholds"] = step.quality_thresholds.to_dict()
        case RunPipelineStep():
            named = isinstance(step.source, str)
            data["pipeline"] = step.source if named else _dotted_path(step, "pipeline", step.source)
            data["params"] = dict(step.params)
        case ChoiceStep():
            data["condition"] = _dotted_path(step, "condition", step.condition)
        case MapStep():
            data["iterator"] = workflow_to_dict(step.iterator_workflow)
            if step.items is not None:
                data["items"] = _dotted_path(step, "items", step.items) if callable(step.items) else list(step.items)
        case WaitStep() if step.until is not None:
            until = step.until
            data["until"] = until.isoformat() if isinstance(until, dt.datetime) else _dotted_path(step, "until", until)
    return data


def _retry_to_dict(step: Step) -> dict[str, Any]:
    policy, default = step.retry_policy, RetryPolicy()
    assert policy is not None
    if policy.retry_on:
        raise WorkflowError(
            f"step {step.name!r}: retry_on= holds classes, which are no data", hint="use retryable_errors=[...]"
        )
    changed = {f.name: getattr(policy, f.name) for f in fields(policy)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in changed.items()
        if value != getattr(default, name)
    }


def _step_from_dict(workflow_class: type[BaseWorkflow[Step]], row: Mapping[str, Any]) -> Step:
    name = row["name"]
    try:
        kind = StepType(row.get("type", "pipeline"))
    except ValueError:
        raise WorkflowError(f"step {name!r} has the unknown type {row['type']!r}", hint=f"{[*StepType]}") from None
    common: dict[str, Any] = {
        key: row[key] for key in ("on_error", "timeout", "limit", "description", "checkpoint") if key in row
    }
    if "retry" in row:
        common["retry"] = RetryPolicy(**row["retry"])
    config = row.get("config")
    plain = {key: row[key] for key in _PLAIN_FIELDS.get(kind, ()) if key in row}
    match kind:
        case StepType.LAMBDA:
            handler = _import_function(name, row["handler"])
            return Step.lambda_(name, handler, config, quality_thresholds=row.get("quality_thresholds"), **common)
        case StepType.PIPELINE:
            if "params" not in row:  # a document may use this other name of the params
                return Step.pipeline(name, _resolve_pipeline(name, row), config, **common)
            return Step.pipeline(name, _resolve_pipeline(name, row), row["params"], config=config, **common)
        case StepType.CHOICE:
            return Step.choice(name, _import_function(name, row["condition"]), config=config, **plain, **common)
        case StepType.MAP:
            items = row.get("items")
            items = _import_function(name, items) if isinstance(items, str) else items
            iterator = workflow_from_dict(workflow_class, row["iterator"])
            return Step.map(name, items, iterator=iterator, config=config, **plain, **common)
        case StepType.WAIT:
            return Step.wait(name, until=_resolve_until(name, row.get("until")), config=config, **plain, **common)


def _resolve_pipeline(name: str, row: Mapping[str, Any]) -> Any:
    return _import_function(name, row["pipeline"]) if ":" in row["pipeline"] else row["pipeline"]


def _resolve_until(name: str, text: str | None) -> Any:
    if text is None or ":" not in text:
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return _import_function(name, text)


def _dotted_path(step: Step, role: str, function: Any) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module and name and _resolve_attribute(sys.modules.get(module), name) is function:
        return f"{module}:{name}"
    raise WorkflowError(
        f"step {step.name!r}: its {role} {function!r} has no dotted path, and cannot be written down",
        hint="define it with def at the top level of a module",
    )


def _import_function(step: str, path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if not name:
        module, _, name = path.rpartition(".")
    try:
        found = _resolve_attribute(importlib.import_module(module), name)
    except (ImportError, ValueError) as error:
        raise WorkflowError(
            f"step {step!r}: {path!r} cannot be imported: {error}", hint="'package.module:name'"
        ) from error
    if not callable(found):
        raise WorkflowError(f"step {step!r}: {path!r} is no function of that module", hint="'package.module:name'")
    return found  # type: ignore[no-any-return]


def _resolve_attribute(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
