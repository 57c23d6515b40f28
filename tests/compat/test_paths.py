"""Every module that code of an original imports from is there under the original's name, with every name in it."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater.compat import SHIMS, install
from holdwater.compat.module_paths import MODULE_TABLE, build_modules
from holdwater.compat.stubs import NotInThisVersion, stub_class, stub_value

NAMES = {
    "hypergraph": """
        node route ifelse interrupt END FunctionNode GraphNode GateNode IfElseNode RouteNode InterruptNode HyperNode
        GraphNodeMapExecutionConfig Graph InputSpec GraphConfigError RenameError SyncRunner AsyncRunner DaftRunner
        BaseRunner SyncHandle AsyncHandle RunResult MapResult RunStatus PauseInfo FailureEvidence RunLog MapLog
        NodeRecord NodeStats InspectionDisplay ErrorHandling CacheBackend InMemoryCache DiskCache Checkpointer
        CheckpointPolicy SqliteCheckpointer RetryPolicy RetryAfterError ProcessLocalLimiter NodeContext NodeSpanRef
        current_node_span DiagnosticSink HostClient RunHome serve HyperTable set_display_mode
        get_display_mode validate_map_compatible
        validate_runner_compatibility get_execution_strategy ExecutionStrategy Cache RunHandle PauseReason
    """,
    "hypergraph.nodes": """
        HyperNode FunctionNode GateNode RouteNode IfElseNode GraphNode InterruptNode node route ifelse interrupt END
    """,
    "hypergraph.nodes.base": "HyperNode",
    "hypergraph.nodes.function": "FunctionNode node",
    "hypergraph.nodes.gate": "END GateNode RouteNode IfElseNode TypeRouteNode route ifelse branch",
    "hypergraph.nodes.graph_node": "GraphNode GraphNodeMapExecutionConfig",
    "hypergraph.nodes.interrupt": "InterruptNode interrupt",
    "hypergraph.graph": "Graph InputSpec GraphConfigError",
    "hypergraph.graph.validation": "GraphConfigError validate_map_compatible",
    "hypergraph.runners": """
        SyncRunner AsyncRunner DaftRunner BaseRunner RunnerCapabilities RunResult MapResult RunStatus PauseInfo
        ExecutionStrategy get_execution_strategy
    """,
    "hypergraph.runners.sync": "SyncRunner",
    "hypergraph.runners.sync.runner": "SyncRunner",
    "hypergraph.runners.async_": "AsyncRunner",
    "hypergraph.runners.async_.runner": "AsyncRunner",
    "hypergraph.events": """
        BaseEvent RunStartEvent RunEndEvent NodeStartEvent NodeEndEvent NodeErrorEvent StreamingChunkEvent
        CacheHitEvent RouteDecisionEvent InterruptEvent SuperstepStartEvent StopRequestedEvent EventProcessor
        AsyncEventProcessor TypedEventProcessor EventDispatcher RichProgressProcessor OpenTelemetryProcessor
    """,
    "hypergraph.events.types": """
        BaseEvent Event RunStartEvent RunEndEvent NodeStartEvent NodeEndEvent NodeErrorEvent StreamingChunkEvent
        CacheHitEvent RouteDecisionEvent InterruptEvent SuperstepStartEvent StopRequestedEvent InnerCacheEvent
        NodeAttemptStartEvent NodeAttemptEndEvent
    """,
    "hypergraph.events.processor": "EventProcessor AsyncEventProcessor TypedEventProcessor",
    "hypergraph.events.rich_progress": "RichProgressProcessor",
    "hypergraph.events.otel": "OpenTelemetryProcessor",
    "hypergraph.checkpointers": """
        Checkpointer CheckpointPolicy SqliteCheckpointer MemoryCheckpointer SqliteRunInspector JsonSerializer
        PickleSerializer StepRecord StepStatus Run WorkflowStatus Checkpoint AttemptRecord AttemptStatus
    """,
    "hypergraph.checkpointers.base": "Checkpointer CheckpointPolicy",
    "hypergraph.checkpointers.types": "StepRecord StepStatus Run WorkflowStatus Checkpoint AttemptRecord",
    "hypergraph.checkpointers.serializers": "JsonSerializer PickleSerializer Serializer",
    "hypergraph.checkpointers.sqlite": "SqliteCheckpointer SqliteRunInspector",
    "hypergraph.exceptions": """
        GraphConfigError RenameError MissingInputError InfiniteLoopError IncompatibleRunnerError ExecutionError
        WorkflowAlreadyCompletedError WorkflowAlreadyRunningError WorkflowStoppedError WorkflowForkError
        InputOverrideRequiresForkError GraphChangedError RetryPolicyChangedError CompactedRetentionError
        AttemptTimeoutError RetryWindowExpiredError AttemptOutcomeUnknownError ConflictError MapOverError
        VersionMismatchError
    """,
    "hypergraph.cache": "CacheBackend InMemoryCache DiskCache Cache compute_cache_key",
    "hypergraph.diagnostics": "Diagnostic DiagnosticCode",
    "hypergraph.integrations.daft": "DaftRunner node stateful Options",
    "spine.orchestration": """
        PipelineGroup PipelineStep ExecutionPolicy ExecutionMode FailurePolicy ExecutionPlan PlannedStep GroupRunStatus
        GroupError GroupNotFoundError CycleDetectedError PlanResolutionError StepNotFoundError InvalidGroupSpecError
        register_group get_group list_groups clear_group_registry group_exists PlanResolver load_group_from_yaml
        load_groups_from_directory group_to_yaml GroupRunner GroupExecutionResult GroupExecutionStatus
        GroupStepExecution GroupStepStatus StepStatus get_group_runner WorkflowContext StepResult QualityMetrics
        ErrorCategory Step StepType ErrorPolicy RetryPolicy Workflow WorkflowRunner WorkflowResult WorkflowStatus
        StepExecution get_workflow_runner TrackedWorkflowRunner get_workflow_state list_workflow_failures
        WorkflowRunnerConfig LambdaStep ChoiceStep MapStep WaitStep QualityThresholds load_workflow_from_yaml
        LambdaStepResult StepMetrics Checkpoint WorkflowEvent
    """,
    "spine.orchestration.exceptions": """
        GroupError GroupNotFoundError CycleDetectedError PlanResolutionError StepNotFoundError InvalidGroupSpecError
        DependencyError
    """,
    "spine.orchestration.step_result": "StepResult QualityMetrics ErrorCategory",
    "spine.orchestration.step_types": "Step StepType ErrorPolicy RetryPolicy LambdaStep",
    "spine.orchestration.workflow": "Workflow",
    "spine.orchestration.workflow_context": "WorkflowContext",
    "spine.orchestration.workflow_runner": "WorkflowRunner WorkflowResult WorkflowStatus StepExecution",
    "spine.orchestration.tracked_runner": "TrackedWorkflowRunner get_workflow_state list_workflow_failures",
    "spine.framework": """
        Pipeline PipelineResult PipelineStatus PipelineSpec ParamDef register_pipeline get_pipeline list_pipelines
        clear_registry PipelineRunner Dispatcher get_dispatcher reset_dispatcher BadParamsError PipelineNotFoundError
    """,
    "spine.framework.dispatcher": "Dispatcher Execution Lane TriggerSource get_dispatcher reset_dispatcher",
    "spine.framework.params": """
        ParamDef PipelineSpec ValidationResult file_exists enum_value date_format positive_int non_negative_int
    """,
    "spine.execution": """
        WorkSpec task_spec pipeline_spec workflow_spec step_spec Dispatcher RunStatus RunRecord RunSummary RunEvent
        HandlerRegistry register_handler register_task register_pipeline register_workflow register_step
        get_default_registry reset_default_registry MemoryExecutor LocalExecutor StubExecutor CeleryExecutor
        create_runs_router ExecutionLedger Execution ExecutionEvent DeadLetter ConcurrencyLock ExecutionStatus
        EventType TriggerSource utcnow ExecutionRepository ConcurrencyGuard tracked_execution ExecutionLockError
        BatchExecutor BatchBuilder BatchResult DLQManager ExponentialBackoff LinearBackoff ConstantBackoff NoRetry
        RetryContext with_retry CircuitBreaker CircuitOpenError get_circuit_breaker TokenBucketLimiter
        SlidingWindowLimiter KeyedRateLimiter CompositeRateLimiter ExecutionHealthChecker HealthReport
    """,
    "spine.core.errors": "SpineError ErrorCategory",
    "spine.core.schema": "CORE_TABLES CORE_DDL create_core_tables",
    "cloaca": """
        hello_world HelloClass Context DefaultRunnerConfig DefaultRunner PipelineResult task trigger TriggerResult
        WorkflowBuilder Workflow register_workflow_constructor TaskNamespace WorkflowContext RetryPolicy
        RetryPolicyBuilder BackoffStrategy RetryCondition DatabaseAdmin TenantConfig TenantCredentials
    """,
}
"""What users of the originals import, by the module they import it from."""
EACH = [(module, name) for module, names in NAMES.items() for name in names.split()]


@pytest.fixture
def installed() -> Iterator[None]:
    """The originals' names lead to the rooms, for one test."""

    def forget() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in SHIMS}

    before = forget()
    assert install() == tuple(SHIMS)
    yield
    forget()
    sys.modules.update(before)


def is_stub(found: Any) -> bool:
    return "Not in this version" in str(getattr(found, "__doc__", "")) or type(found).__name__ == "Refusing"


@pytest.mark.parametrize(("module", "name"), EACH)
def test_a_name_is_the_thing_itself_or_says_what_to_use(module: str, name: str, installed: None) -> None:
    scope: dict[str, Any] = {}
    exec(f"from {module} import {name}", scope)
    found = scope[name]
    room = vars(importlib.import_module(f"holdwater.compat.{module.partition('.')[0]}")).get(name)
    if is_stub(found):
        with pytest.raises(NotInThisVersion, match=name) as caught:
            found("anything", at="all") if callable(found) else found["anything"]
        assert caught.value.hint
    elif room is not None and (module, name) != ("hypergraph.integrations.daft", "node"):  # which has further options
        assert found is room


@pytest.mark.parametrize("original", MODULE_TABLE)
def test_modules_of_the_table(original: str, installed: None) -> None:
    for path, (_, names) in MODULE_TABLE[original].items():
        full = f"{original}.{path}"
        module = importlib.import_module(full)
        assert module is build_modules(original)[full]
        assert module.__name__ == full
        assert [*module.__all__] == names.split()
        assert importlib.util.find_spec(full) is not None
        scope: dict[str, Any] = {}
        exec(f"import {full}\nfrom {full} import *", scope)
        assert {*names.split()} <= scope.keys()
        above, _, name = full.rpartition(".")
        package = importlib.import_module(above)
        assert getattr(package, name) is module or name in package.__all__


def test_a_function_that_is_called_like_its_module(installed: None) -> None:
    from_package = importlib.import_module("hypergraph.nodes").interrupt
    assert from_package is importlib.import_module("hypergraph.nodes.interrupt").interrupt


def test_installed_again_they_are_the_same(installed: None) -> None:
    before = importlib.import_module("hypergraph.nodes.gate")
    install("hypergraph")
    assert importlib.import_module("hypergraph.nodes.gate") is before


@pytest.mark.parametrize("missing", ["hypergraph.viz", "hypergraph.nodes.no_such", "spine.domain.sec", "cloaca.inner"])
def test_modules_that_are_not_there(missing: str, installed: None) -> None:
    with pytest.raises(ModuleNotFoundError, match=missing.rpartition(".")[0]):
        importlib.import_module(missing)


def test_names_that_are_not_there(installed: None) -> None:
    for module in ("hypergraph.nodes.gate", "hypergraph.checkpointers.types", "spine.core.errors"):
        with pytest.raises(ImportError, match="NoSuchThing"):
            exec(f"from {module} import NoSuchThing", {})


@pytest.mark.parametrize(
    ("module", "name"), [each for each in EACH if each[1].endswith("Error") and each[1] != "RetryAfterError"]
)
def test_errors_can_be_caught(module: str, name: str, installed: None) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert issubclass(kind, Exception)
    caught = False
    try:
        raise LookupError("of another kind")
    except kind:
        pass
    except LookupError:
        caught = True
    assert caught is not issubclass(LookupError, kind)


def test_values_that_are_absent_say_so_when_they_are_looked_into() -> None:
    absent = stub_value("TABLE", "leave it out")
    looks: list[Callable[[], Any]] = [
        lambda: absent["a"],
        lambda: [*absent],
        lambda: absent.items(),
        lambda: len(absent),
        lambda: "a" in absent,
        lambda: absent(),
    ]
    for look in looks:
        with pytest.raises(NotInThisVersion, match="TABLE"):
            look()
    assert not hasattr(absent, "__wrapped__")


def test_members_of_absent_enums_say_so_when_they_are_named() -> None:
    absent = stub_class("GroupStatus", "use WorkflowStatus")
    with pytest.raises(NotInThisVersion, match=r"GroupStatus\.COMPLETED") as caught:
        absent.COMPLETED  # compared with anything, it would just be something else
    assert caught.value.hint == "use WorkflowStatus"
    with pytest.raises(NotInThisVersion, match=r"GroupStatus\.of"):
        absent.of("completed")


def test_a_script_imports_them(tmp_path: Path) -> None:
    imports = [f"from {module} import {', '.join(names.split())}" for module, names in NAMES.items()]
    whole = [f"import {module}" for module in NAMES]
    (tmp_path / "script.py").write_text("\n".join([*whole, *imports, "print(spine.core.errors.SpineError('x'), END)"]))
    done = subprocess.run(
        [sys.executable, "-m", "holdwater.compat", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("x END\n", "", 0)
