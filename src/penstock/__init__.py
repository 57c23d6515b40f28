"""Workflows that must not get lost: tasks, steps and graphs on one durable engine.

Everything here is imported when it is first used (PEP 562), so that `import penstock` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from penstock.model.errors import (
        CapacityExhausted,
        ConfigError,
        ContextTooLarge,
        DatabaseURLError,
        DecodingError,
        EncodingError,
        ExecutorNotFound,
        IdempotencyConflict,
        InvalidTransition,
        KeyExists,
        KeyMissing,
        PenstockError,
        RunnerClosed,
        RunNotFinished,
        RunNotFound,
        ScheduleError,
        ScheduleNotFound,
        SchemaTooNew,
        StoreError,
        StoreReadOnly,
        StoreUnavailable,
        StoreUnreachable,
        StructureChanged,
        TaskCancelled,
        TaskNotFound,
        TaskNotPortable,
        TaskReturnError,
        TenantError,
        TenantInUse,
        TenantNotFound,
        WorkerCrashed,
        WorkflowError,
        WorkflowNotFound,
    )
    from penstock.model.retry import (
        RetryPolicy,
    )
    from penstock.model.triggers import (
        TriggerResult,
    )
    from penstock.runners.config import (
        DefaultRunnerConfig,
    )
    from penstock.runners.default import (
        DefaultRunner,
        RunHandle,
    )
    from penstock.runners.results import (
        PipelineResult,
        RunSummary,
        TaskResult,
        WorkflowResult,
    )
    from penstock.runners.tenants import (
        DatabaseAdmin,
        Tenant,
        TenantConfig,
        TenantCredentials,
    )
    from penstock.runtime.handle import (
        TaskHandle,
    )
    from penstock.runtime.places import (
        ExecutorKind,
        ExecutorMetrics,
        Job,
        Place,
        ThreadExecutor,
    )
    from penstock.runtime.processes import (
        ProcessExecutor,
    )
    from penstock.runtime.remote import (
        perform_job,
    )
    from penstock.runtime.routing import (
        Router,
        RoutingRule,
    )
    from penstock.tasks import (
        Context,
        TaskNamespace,
        Workflow,
        WorkflowBuilder,
        WorkflowContext,
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
    "CapacityExhausted",
    "ConfigError",
    "Context",
    "ContextTooLarge",
    "DatabaseAdmin",
    "DatabaseURLError",
    "DecodingError",
    "DefaultRunner",
    "DefaultRunnerConfig",
    "EncodingError",
    "ExecutorKind",
    "ExecutorMetrics",
    "ExecutorNotFound",
    "IdempotencyConflict",
    "InvalidTransition",
    "Job",
    "KeyExists",
    "KeyMissing",
    "PenstockError",
    "PipelineResult",
    "Place",
    "ProcessExecutor",
    "RetryPolicy",
    "Router",
    "RoutingRule",
    "RunHandle",
    "RunNotFinished",
    "RunNotFound",
    "RunSummary",
    "RunnerClosed",
    "ScheduleError",
    "ScheduleNotFound",
    "SchemaTooNew",
    "StoreError",
    "StoreReadOnly",
    "StoreUnavailable",
    "StoreUnreachable",
    "StructureChanged",
    "TaskCancelled",
    "TaskHandle",
    "TaskNamespace",
    "TaskNotFound",
    "TaskNotPortable",
    "TaskResult",
    "TaskReturnError",
    "Tenant",
    "TenantConfig",
    "TenantCredentials",
    "TenantError",
    "TenantInUse",
    "TenantNotFound",
    "ThreadExecutor",
    "TriggerResult",
    "WorkerCrashed",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "WorkflowError",
    "WorkflowNotFound",
    "WorkflowResult",
    "__version__",
    "all_of",
    "always",
    "any_of",
    "context_value",
    "none_of",
    "perform_job",
    "register_workflow_constructor",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
]

_HOMES = {
    "penstock.model.retry": ("RetryPolicy",),
    "penstock.model.triggers": ("TriggerResult",),
    "penstock.runners.config": ("DefaultRunnerConfig",),
    "penstock.runners.default": ("DefaultRunner", "RunHandle"),
    "penstock.runners.results": ("PipelineResult", "RunSummary", "TaskResult", "WorkflowResult"),
    "penstock.runners.tenants": ("DatabaseAdmin", "Tenant", "TenantConfig", "TenantCredentials"),
    "penstock.runtime.handle": ("TaskHandle",),
    "penstock.runtime.places": ("ExecutorKind", "ExecutorMetrics", "Job", "Place", "ThreadExecutor"),
    "penstock.runtime.processes": ("ProcessExecutor",),
    "penstock.runtime.remote": ("perform_job",),
    "penstock.runtime.routing": ("Router", "RoutingRule"),
    "penstock.tasks": (
        "Context",
        "TaskNamespace",
        "Workflow",
        "WorkflowBuilder",
        "WorkflowContext",
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
    "penstock.model.errors": (
        "CapacityExhausted",
        "ConfigError",
        "ContextTooLarge",
        "DatabaseURLError",
        "DecodingError",
        "EncodingError",
        "ExecutorNotFound",
        "IdempotencyConflict",
        "InvalidTransition",
        "KeyExists",
        "KeyMissing",
        "PenstockError",
        "RunNotFinished",
        "RunNotFound",
        "RunnerClosed",
        "ScheduleError",
        "ScheduleNotFound",
        "SchemaTooNew",
        "StoreError",
        "StoreReadOnly",
        "StoreUnavailable",
        "StoreUnreachable",
        "StructureChanged",
        "TaskCancelled",
        "TaskNotFound",
        "TaskNotPortable",
        "TaskReturnError",
        "TenantError",
        "TenantInUse",
        "TenantNotFound",
        "WorkerCrashed",
        "WorkflowError",
        "WorkflowNotFound",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
