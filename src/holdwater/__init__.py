"""Workflows that must not get lost: tasks, steps and graphs on one durable engine.

Everything here is imported when it is first used (PEP 562), so that `import holdwater` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

__version__ = "0.1.0"

if TYPE_CHECKING:
    from holdwater.client import Client
    from holdwater.graphs import END, Graph, ifelse, interrupt, node, register_graph, route
    from holdwater.model.policies import RetryPolicy
    from holdwater.model.statuses import RunStatus
    from holdwater.model.triggers import TriggerResult
    from holdwater.model.value_types.custom_types import register_type
    from holdwater.runners.graphs import AsyncRunner, DaftRunner, MapResult, PauseInfo, RunResult, SyncRunner
    from holdwater.runners.steps import WorkflowResult, WorkflowRunner, WorkflowRunnerConfig
    from holdwater.runners.tasks.config import DefaultRunnerConfig
    from holdwater.runners.tasks.default_runner import DefaultRunner
    from holdwater.runners.tasks.results import PipelineResult, RunSummary, TaskResult
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle
    from holdwater.runs.open_pauses import Pause
    from holdwater.runtime.handle import TaskHandle
    from holdwater.steps import (
        ErrorCategory,
        ErrorPolicy,
        QualityMetrics,
        Step,
        StepResult,
        Workflow,
        WorkflowContext,
        register_workflow,
    )
    from holdwater.tasks import (
        Context,
        WorkflowBuilder,
        all_of,
        always,
        any_of,
        context_value,
        none_of,
        register_workflow_constructor,
        task,
        task_failed,
        task_skipped,
        task_success,
        trigger,
    )

__all__ = [
    "END",
    "AsyncRunner",
    "Client",
    "Context",
    "DaftRunner",
    "DefaultRunner",
    "DefaultRunnerConfig",
    "ErrorCategory",
    "ErrorPolicy",
    "Graph",
    "MapResult",
    "Pause",
    "PauseInfo",
    "PipelineResult",
    "QualityMetrics",
    "RetryPolicy",
    "RunResult",
    "RunStatus",
    "RunSummary",
    "Step",
    "StepResult",
    "SyncRunner",
    "TaskHandle",
    "TaskResult",
    "TriggerResult",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "WorkflowHandle",
    "WorkflowResult",
    "WorkflowRunner",
    "WorkflowRunnerConfig",
    "__version__",
    "all_of",
    "always",
    "any_of",
    "context_value",
    "ifelse",
    "interrupt",
    "node",
    "none_of",
    "register_graph",
    "register_type",
    "register_workflow",
    "register_workflow_constructor",
    "route",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
]

_EXPORTS = {
    "holdwater.client": ("Client",),
    "holdwater.graphs": (
        "END",
        "Graph",
        "ifelse",
        "interrupt",
        "node",
        "register_graph",
        "route",
    ),
    "holdwater.model.policies": ("RetryPolicy",),
    "holdwater.model.statuses": ("RunStatus",),
    "holdwater.model.triggers": ("TriggerResult",),
    "holdwater.model.value_types.custom_types": ("register_type",),
    "holdwater.runners.graphs": (
        "AsyncRunner",
        "DaftRunner",
        "MapResult",
        "PauseInfo",
        "RunResult",
        "SyncRunner",
    ),
    "holdwater.runners.steps": (
        "WorkflowResult",
        "WorkflowRunner",
        "WorkflowRunnerConfig",
    ),
    "holdwater.runners.tasks.config": ("DefaultRunnerConfig",),
    "holdwater.runners.tasks.default_runner": ("DefaultRunner",),
    "holdwater.runners.tasks.results": (
        "PipelineResult",
        "RunSummary",
        "TaskResult",
    ),
    "holdwater.runners.tasks.workflow_handle": ("WorkflowHandle",),
    "holdwater.runs.open_pauses": ("Pause",),
    "holdwater.runtime.handle": ("TaskHandle",),
    "holdwater.steps": (
        "ErrorCategory",
        "ErrorPolicy",
        "QualityMetrics",
        "Step",
        "StepResult",
        "Workflow",
        "WorkflowContext",
        "register_workflow",
    ),
    "holdwater.tasks": (
        "Context",
        "WorkflowBuilder",
        "all_of",
        "always",
        "any_of",
        "context_value",
        "none_of",
        "register_workflow_constructor",
        "task",
        "task_failed",
        "task_skipped",
        "task_success",
        "trigger",
    ),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
