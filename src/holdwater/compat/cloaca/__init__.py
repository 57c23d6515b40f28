"""The names of the library "cloaca", 0.3 and later, on Holdwater.

Most are Holdwater's own.  Translated here: `task` retries as the original does (three attempts, exponential, jitter),
`RetryPolicy.builder()` makes Holdwater's policies, `DefaultRunner` reads SQLite URLs as the original does, `trigger`
needs no workflow and takes a cron expression.  Names in `unsupported` raise NotInThisVersion at their first use.
Behaviour is Holdwater's: docs/migrating/cloaca.md lists the differences.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from holdwater.compat.cloaca.params import workflow_params
from holdwater.compat.cloaca.retries import BackoffStrategy, RetryCondition, RetryPolicy, RetryPolicyBuilder
from holdwater.compat.cloaca.runner import DefaultRunner
from holdwater.compat.cloaca.triggers import trigger
from holdwater.compat.cloaca.unsupported import (
    ComputationGraphBuilder,
    NotInThisVersion,
    batch_accumulator,
    boundary_schema,
    constructor,
    node,
    passthrough_accumulator,
    polling_accumulator,
    reactor,
    state_accumulator,
    stream_accumulator,
    workflow_secrets,
)
from holdwater.errors import HoldwaterError
from holdwater.model.triggers import TriggerResult
from holdwater.operations.tenants import DatabaseAdmin, TenantConfig, TenantCredentials
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.results import PipelineResult
from holdwater.runtime.handle import TaskHandle
from holdwater.tasks import (
    Context,
    TaskNamespace,
    WorkflowBuilder,
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    register_workflow_constructor,
    task_failed,
    task_skipped,
    task_success,
)
from holdwater.tasks import TaskWorkflow as Workflow
from holdwater.tasks import WorkflowNamespace as WorkflowContext
from holdwater.tasks import task as _task

WorkflowResult = PipelineResult

_F = TypeVar("_F", bound=Callable[..., Any])

_VARIABLE_PREFIX: Final = "CLOACINA_VAR_"


def task(**options: Any) -> Callable[[_F], _F]:
    """Declare a task as `holdwater.task` does, by default with three attempts, exponential back-off and jitter."""
    if options.get("retry") is None:
        for name, value in (("retry_attempts", 3), ("retry_jitter", True)):
            if options.get(name) is None:
                options[name] = value
    return _task(**options)


class VariableMissing(HoldwaterError, KeyError):
    """Raised by `var` for an environment variable that is not set."""


def var(name: str) -> str:
    """Read the environment variable CLOACINA_VAR_name.  Raises VariableMissing (a KeyError)."""
    try:
        return os.environ[_VARIABLE_PREFIX + name]
    except KeyError:
        raise VariableMissing(
            f"the variable {name!r} is not set", hint=f"set {_VARIABLE_PREFIX}{name} in the environment"
        ) from None


def var_or(name: str, default: str) -> str:
    """Read the environment variable CLOACINA_VAR_name; `default` if it is not set."""
    return os.environ.get(_VARIABLE_PREFIX + name, default)


def hello_world() -> str:
    """Return the original's greeting."""
    return "Hello from Cloaca backend!"


class HelloClass:
    """The original's greeting as an object."""

    def get_message(self) -> str:
        return "Hello from HelloClass!"


__all__ = [
    "BackoffStrategy",
    "ComputationGraphBuilder",
    "Context",
    "DatabaseAdmin",
    "DefaultRunner",
    "DefaultRunnerConfig",
    "HelloClass",
    "NotInThisVersion",
    "PipelineResult",
    "RetryCondition",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "TaskHandle",
    "TaskNamespace",
    "TenantConfig",
    "TenantCredentials",
    "TriggerResult",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "WorkflowResult",
    "all_of",
    "always",
    "any_of",
    "batch_accumulator",
    "boundary_schema",
    "constructor",
    "context_value",
    "hello_world",
    "node",
    "none_of",
    "passthrough_accumulator",
    "polling_accumulator",
    "reactor",
    "register_workflow_constructor",
    "state_accumulator",
    "stream_accumulator",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
    "var",
    "var_or",
    "workflow_params",
    "workflow_secrets",
]
