"""A workflow as a document: plain data, with functions by their dotted paths."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from holdwater.errors import WorkflowError
from holdwater.model.error_report import describe
from holdwater.model.policies import RetryPolicy
from holdwater.steps.step import ChoiceStep, ErrorPolicy, LambdaStep, MapStep, PipelineStep_, Step, StepType, WaitStep
from holdwater.steps.step_config import own_dict
from holdwater.steps.workflow import Workflow

W = TypeVar("W", bound=Workflow)

_OPTIONAL: Final = ("domain", "description", "defaults", "tags")
_PLAIN: Final = {
    StepType.CHOICE: ("then_step", "else_step", "join"),
    StepType.MAP: ("items_path", "item_param", "max_concurrency"),
    StepType.WAIT: ("duration_seconds", "duration_path", "next_step"),
}


def to_data(workflow: Workflow) -> dict[str, Any]:
    """The document.  Raises WorkflowError for functions without a path."""
    data: dict[str, Any] = {"name": workflow.name, "version": workflow.version}
    data.update({name: value for name in _OPTIONAL if (value := getattr(workflow, name))})
    data["steps"] = [_step_data(step) for step in workflow.steps]
    return data


def from_data(cls: type[W], data: Mapping[str, Any]) -> W:
    """The workflow of a document.  Imports the modules its functions are in.  Raises WorkflowError."""
    try:
        steps = [_step(row) for row in data["steps"]]
        given = {name: data[name] for name in (*_OPTIONAL, "version") if name in data}
        return cls(data.get("name", ""), steps, **given)
    except (KeyError, TypeError) as error:
        raise WorkflowError(f"this is no workflow of steps: {describe(error)}") from error


def _step_data(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {"name": step.name, "type": str(step.step_type)}
    if step.config:
        data["config"] = own_dict(step.config)
    if step.on_error is not ErrorPolicy.STOP:
        data["on_error"] = str(step.on_error)
    if step.retry_policy is not None:
        data["retry"] = _retry_data(step)
    data.update({name: value for name in ("timeout", "description", "checkpoint") if (value := getattr(step, name))})
    for name in _PLAIN.get(step.step_type, ()):
        if (value := getattr(step, name)) is not None:
            data[name] = value
    match step:
        case LambdaStep():
            data["handler"] = _path(step, "handler", step.handler)
            if step.quality_thresholds is not None:
                data["quality_thresholds"] = step.quality_thresholds.to_dict()
        case PipelineStep_():
            named = isinstance(step.source, str)
            data["pipeline"] = step.source if named else _path(step, "pipeline", step.source)
            data["params"] = dict(step.params)
        case ChoiceStep():
            data["condition"] = _path(step, "condition", step.condition)
        case MapStep():
            data["iterator"] = to_data(step.iterator_workflow)
            if step.items is not None:
                data["items"] = _path(step, "items", step.items) if callable(step.items) else list(step.items)
        case WaitStep() if step.until is not None:
            until = step.until
            data["until"] = until.isoformat() if isinstance(until, dt.datetime) else _path(step, "until", until)
    return data


def _retry_data(step: Step) -> dict[str, Any]:
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


def _step(row: Mapping[str, Any]) -> Step:
    name = row["name"]
    try:
        kind = StepType(row.get("type", "pipeline"))
    except ValueError:
        raise WorkflowError(f"step {name!r} has the unknown type {row['type']!r}", hint=f"{[*StepType]}") from None
    common: dict[str, Any] = {
        key: row[key] for key in ("on_error", "timeout", "description", "checkpoint") if key in row
    }
    if "retry" in row:
        common["retry"] = RetryPolicy(**row["retry"])
    config = row.get("config")
    plain = {key: row[key] for key in _PLAIN.get(kind, ()) if key in row}
    match kind:
        case StepType.LAMBDA:
            handler = _function(name, row["handler"])
            return Step.lambda_(name, handler, config, quality_thresholds=row.get("quality_thresholds"), **common)
        case StepType.PIPELINE:
            if "params" not in row:  # a document may call the params so
                return Step.pipeline(name, _pipeline(name, row), config, **common)
            return Step.pipeline(name, _pipeline(name, row), row["params"], config=config, **common)
        case StepType.CHOICE:
            return Step.choice(name, _function(name, row["condition"]), config=config, **plain, **common)
        case StepType.MAP:
            items = row.get("items")
            items = _function(name, items) if isinstance(items, str) else items
            iterator = from_data(Workflow, row["iterator"])
            return Step.map(name, items, iterator=iterator, config=config, **plain, **common)
        case StepType.WAIT:
            return Step.wait(name, until=_until(name, row.get("until")), config=config, **plain, **common)


def _pipeline(name: str, row: Mapping[str, Any]) -> Any:
    return _function(name, row["pipeline"]) if ":" in row["pipeline"] else row["pipeline"]


def _until(name: str, given: str | None) -> Any:
    if given is None or ":" not in given:
        return None
    try:
        return dt.datetime.fromisoformat(given)
    except ValueError:
        return _function(name, given)


def _path(step: Step, role: str, function: Any) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module and name and _found(sys.modules.get(module), name) is function:
        return f"{module}:{name}"
    raise WorkflowError(
        f"step {step.name!r}: its {role} {function!r} has no dotted path, and cannot be written down",
        hint="define it with def at the top level of a module",
    )


def _function(step: str, path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if not name:
        module, _, name = path.rpartition(".")
    try:
        found = _found(importlib.import_module(module), name)
    except (ImportError, ValueError) as error:
        raise WorkflowError(
            f"step {step!r}: {path!r} cannot be imported: {error}", hint="'package.module:name'"
        ) from error
    if not callable(found):
        raise WorkflowError(f"step {step!r}: {path!r} is no function of that module", hint="'package.module:name'")
    return found  # type: ignore[no-any-return]


def _found(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
