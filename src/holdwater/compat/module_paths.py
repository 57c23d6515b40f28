"""Modules of the originals without a file here: path, module that has the names, and names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Final

MODULE_TABLE: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "hypergraph": {
        "nodes.base": ("nodes", "HyperNode"),
        "nodes.function": ("nodes", "FunctionNode node"),
        "nodes.gate": ("nodes", "END GateNode IfElseNode RouteNode TypeRouteNode branch ifelse route"),
        "nodes.graph_node": ("nodes", "GraphNode GraphNodeMapExecutionConfig"),
        "nodes.interrupt": ("nodes", "InterruptNode interrupt"),
        "graph.core": ("graph", "Graph"),
        "graph.input_spec": ("graph", "InputSpec"),
        "graph.validation": ("graph", "GraphConfigError validate_map_compatible validate_runner_compatibility"),
        "runners.base": ("runners", "BaseRunner RunnerCapabilities"),
        "runners.sync": ("runners", "SyncRunner"),
        "runners.sync.runner": ("runners", "SyncRunner"),
        "runners.async_": ("runners", "AsyncRunner"),
        "runners.async_.runner": ("runners", "AsyncRunner"),
        "runners.daft": ("runners", "DaftRunner"),
        "events.types": (
            "events",
            "BaseEvent CacheHitEvent Event InnerCacheEvent InterruptEvent NodeAttemptEndEvent NodeAttemptStartEvent "
            "NodeEndEvent NodeErrorEvent NodeStartEvent RouteDecisionEvent RunEndEvent RunStartEvent "
            "StopRequestedEvent StreamingChunkEvent SuperstepStartEvent",
        ),
        "events.processor": ("events", "AsyncEventProcessor EventProcessor TypedEventProcessor"),
        "events.dispatcher": ("events", "EventDispatcher"),
        "events.rich_progress": ("events", "RichProgressProcessor"),
        "events.otel": ("events", "OpenTelemetryProcessor"),
        "checkpointers.base": ("checkpointers", "CheckpointPolicy Checkpointer"),
        "checkpointers.types": ("checkpointers", "Checkpoint Run StepRecord StepStatus WorkflowStatus"),
        "checkpointers.serializers": ("checkpointers", "JsonSerializer PickleSerializer Serializer"),
        "checkpointers.sqlite": ("checkpointers", "SqliteCheckpointer SqliteRunInspector"),
        "checkpointers.memory": ("checkpointers", "MemoryCheckpointer"),
        "diagnostics": ("unsupported", ""),
    },
    "spine": {
        "orchestration.step_result": ("orchestration", "ErrorCategory QualityMetrics StepResult"),
        "orchestration.step_types": (
            "orchestration",
            "ChoiceStep ErrorPolicy LambdaStep MapStep RetryPolicy Step StepType WaitStep",
        ),
        "orchestration.workflow": ("orchestration", "Workflow"),
        "orchestration.workflow_context": ("orchestration", "ExecutionContext WorkflowContext"),
        "orchestration.workflow_runner": (
            "orchestration",
            "StepExecution WorkflowResult WorkflowRunner WorkflowRunnerConfig WorkflowStatus get_workflow_runner",
        ),
        "orchestration.tracked_runner": (
            "orchestration",
            "TrackedWorkflowRunner get_workflow_state list_workflow_failures",
        ),
        "orchestration.exceptions": (
            "exceptions",
            "CycleDetectedError DependencyError GroupError GroupNotFoundError InvalidGroupSpecError "
            "PlanResolutionError StepNotFoundError",
        ),
        "orchestration.models": (
            "orchestration",
            "ExecutionMode ExecutionPlan ExecutionPolicy FailurePolicy GroupRunStatus PipelineGroup PipelineStep "
            "PlannedStep",
        ),
        "orchestration.registry": (
            "orchestration",
            "clear_group_registry get_group group_exists list_groups register_group",
        ),
        "orchestration.planner": ("orchestration", "PlanResolver"),
        "orchestration.loader": (
            "orchestration",
            "group_to_yaml load_group_from_yaml load_groups_from_directory load_workflow_from_yaml",
        ),
        "orchestration.runner": (
            "orchestration",
            "GroupExecutionResult GroupExecutionStatus GroupRunner GroupStepExecution GroupStepStatus get_group_runner",
        ),
        "framework.pipelines": ("framework", "Pipeline PipelineResult PipelineStatus"),
        "framework.registry": ("framework", "clear_registry get_pipeline list_pipelines register_pipeline"),
        "framework.runner": ("framework", "PipelineRunner"),
        "framework.dispatcher": (
            "framework",
            "Dispatcher Execution Lane TriggerSource get_dispatcher reset_dispatcher",
        ),
        "framework.params": (
            "params",
            "ParamDef PipelineSpec ValidationResult date_format enum_value file_exists non_negative_int positive_int",
        ),
        "framework.exceptions": ("framework", "BadParamsError PipelineNotFoundError"),
        "execution.spec": ("execution", "WorkSpec pipeline_spec step_spec task_spec workflow_spec"),
        "execution.runs": ("execution", "RunEvent RunRecord RunStatus RunSummary"),
        "execution.dispatcher": ("execution", "Dispatcher"),
        "execution.registry": (
            "execution",
            "HandlerRegistry get_default_registry register_handler register_pipeline register_step register_task "
            "register_workflow reset_default_registry",
        ),
        "execution.executors": ("execution", "CeleryExecutor LocalExecutor MemoryExecutor StubExecutor"),
        "execution.models": (
            "execution",
            "ConcurrencyLock DeadLetter EventType Execution ExecutionEvent ExecutionStatus TriggerSource utcnow",
        ),
        "execution.ledger": ("execution", "ExecutionLedger"),
        "execution.repository": ("execution", "ExecutionRepository"),
        "execution.concurrency": ("execution", "ConcurrencyGuard"),
        "execution.context": ("execution", "ExecutionLockError tracked_execution tracked_execution_async"),
        "execution.batch": ("execution", "BatchBuilder BatchExecutor BatchResult"),
        "execution.dlq": ("execution", "DLQManager"),
        "execution.retry": (
            "execution",
            "ConstantBackoff ExponentialBackoff LinearBackoff NoRetry RetryContext with_retry",
        ),
        "execution.circuit_breaker": ("execution", "CircuitBreaker CircuitOpenError get_circuit_breaker"),
        "execution.rate_limit": (
            "execution",
            "CompositeRateLimiter KeyedRateLimiter SlidingWindowLimiter TokenBucketLimiter",
        ),
        "execution.health": ("execution", "ExecutionHealthChecker HealthReport"),
        "execution.fastapi": ("execution", "create_runs_router"),
        "core": ("errors", "ErrorCategory SpineError"),
        "core.errors": (
            "errors",
            "AuthError ConfigError DatabaseError ErrorCategory NetworkError OrchestrationError ParseError "
            "PipelineError SourceError SpineError StorageError ValidationError",
        ),
        "core.schema": ("execution", "CORE_DDL CORE_TABLES create_core_tables"),
    },
}
"""original -> path below its name -> (module of the shim, names)"""


_COMPAT_PACKAGE: Final = ("holdwater", "compat")


@cache
def build_modules(original: str) -> Mapping[str, ModuleType]:
    """Build the modules of an original's table, by full name; every call returns the same ones.

    Each is set as an attribute of its parent, unless the parent has another attribute of that name (a package that
    exports a function named like its module).
    """
    made: dict[str, ModuleType] = {}
    for path, (home, names) in MODULE_TABLE.get(original, {}).items():
        full = f"{original}.{path}"
        source = importlib.import_module(".".join([*_COMPAT_PACKAGE, original, home]))
        made[full] = module = ModuleType(full, source.__doc__)
        module.__spec__ = ModuleSpec(full, None)
        exported = {name: getattr(source, name) for name in names.split()}
        vars(module).update(exported, __all__=[*exported])
        if "__getattr__" in vars(source):
            vars(module)["__getattr__"] = vars(source)["__getattr__"]
        above, _, name = path.rpartition(".")
        parent = made.get(f"{original}.{above}")
        if parent is None:
            parent = importlib.import_module(".".join([*_COMPAT_PACKAGE, original, *above.split()]))
        vars(parent).setdefault(name, module)
    return MappingProxyType(made)
