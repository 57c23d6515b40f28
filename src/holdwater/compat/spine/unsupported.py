"""Names of the original with another form in Holdwater; they raise NotInThisVersion with that form as a hint."""

from __future__ import annotations

from typing import Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import stub_class, stub_function, stub_value

# -- groups of pipelines

_GROUPS_HINT: Final = "write a Workflow of Step.pipeline steps, or tasks with dependencies: holdwater.WorkflowBuilder"

PipelineGroup = stub_class("PipelineGroup", _GROUPS_HINT)
PipelineStep = stub_class("PipelineStep", "use Step.pipeline(name, pipeline, params)")
ExecutionPolicy = stub_class("ExecutionPolicy", "independent tasks run at once: holdwater.WorkflowBuilder")
ExecutionMode = stub_class("ExecutionMode", "independent tasks run at once: holdwater.WorkflowBuilder")
FailurePolicy = stub_class("FailurePolicy", "give each step on_error=ErrorPolicy....")
ExecutionPlan = stub_class("ExecutionPlan", _GROUPS_HINT)
PlannedStep = stub_class("PlannedStep", _GROUPS_HINT)
GroupRunStatus = stub_class("GroupRunStatus", "use WorkflowStatus")
GroupExecutionResult = stub_class("GroupExecutionResult", "use WorkflowResult")
GroupExecutionStatus = stub_class("GroupExecutionStatus", "use WorkflowStatus")
GroupStepExecution = stub_class("GroupStepExecution", "use StepExecution")
GroupStepStatus = stub_class("GroupStepStatus", "use StepStatus")
PlanResolver = stub_class("PlanResolver", "a workflow is checked when it is made")
GroupRunner = stub_class("GroupRunner", "use WorkflowRunner().execute(workflow)")
get_group_runner = stub_function("get_group_runner", "use get_workflow_runner()")
register_group = stub_function("register_group", "use holdwater.steps.register_workflow(workflow)")
get_group = stub_function("get_group", _GROUPS_HINT)
list_groups = stub_function("list_groups", _GROUPS_HINT)
group_exists = stub_function("group_exists", _GROUPS_HINT)
clear_group_registry = stub_function("clear_group_registry", _GROUPS_HINT)
load_group_from_yaml = stub_function("load_group_from_yaml", _GROUPS_HINT)
load_groups_from_directory = stub_function("load_groups_from_directory", _GROUPS_HINT)
group_to_yaml = stub_function("group_to_yaml", _GROUPS_HINT)

# -- workflows

load_workflow_from_yaml = stub_function("load_workflow_from_yaml", "use Workflow.from_dict(yaml.safe_load(text))")
TrackedWorkflowRunner = stub_class(
    "TrackedWorkflowRunner", "use WorkflowRunner(db_engine=url).execute(workflow, partition=..., run_id=...)"
)
get_workflow_state = stub_function("get_workflow_state", "use WorkflowRunner(db_engine=url).get_run(run_id)")
list_workflow_failures = stub_function(
    "list_workflow_failures",
    'use DefaultRunner(url).list_runs(status="failed"), or `holdwater runs list --status failed`',
)

# -- execution

_RUNS_HINT: Final = "every run is recorded: DefaultRunner(url).list_runs() and get_run(run_id), or `holdwater runs`"
_LIMITS_HINT: Final = "limit what runs at once with max_concurrent_tasks, or the executors of a DefaultRunner"

ExecutionLedger = stub_class("ExecutionLedger", _RUNS_HINT)
ExecutionRepository = stub_class("ExecutionRepository", _RUNS_HINT)
tracked_execution = stub_function("tracked_execution", _RUNS_HINT)
DLQManager = stub_class("DLQManager", "a failed run is kept and can be tried again: DefaultRunner(url).retry(run_id)")
ConcurrencyGuard = stub_class(
    "ConcurrencyGuard", "start a run once with DefaultRunner.submit(..., idempotency_key=...)"
)
BatchExecutor = stub_class("BatchExecutor", "use Step.map(name, items=[...], iterator=workflow, max_concurrency=n)")
BatchBuilder = stub_class("BatchBuilder", "use Step.map(name, items=[...], iterator=workflow, max_concurrency=n)")
CircuitBreaker = stub_class(
    "CircuitBreaker", "use RetryPolicy(max_delay=...), and a breaker of your own in the handler"
)
get_circuit_breaker = stub_function("get_circuit_breaker", "keep a breaker of your own in the handler")
ExponentialBackoff = stub_class("ExponentialBackoff", 'use RetryPolicy(backoff="exponential")')
LinearBackoff = stub_class("LinearBackoff", 'use RetryPolicy(backoff="linear")')
ConstantBackoff = stub_class("ConstantBackoff", 'use RetryPolicy(backoff="constant")')
RetryContext = stub_class("RetryContext", "give the step retry=RetryPolicy(...)")
with_retry = stub_function("with_retry", "give the step retry=RetryPolicy(...)")
TokenBucketLimiter = stub_class("TokenBucketLimiter", _LIMITS_HINT)
SlidingWindowLimiter = stub_class("SlidingWindowLimiter", _LIMITS_HINT)
KeyedRateLimiter = stub_class("KeyedRateLimiter", _LIMITS_HINT)
CompositeRateLimiter = stub_class("CompositeRateLimiter", _LIMITS_HINT)
NoRetry = stub_class("NoRetry", "use RetryPolicy(max_attempts=1)")
tracked_execution_async = stub_function("tracked_execution_async", _RUNS_HINT)
BatchResult = stub_class("BatchResult", "a map step has results, failed and errors among its outputs")

_SUBMIT_HINT: Final = "register a workflow, and use DefaultRunner(url).submit(name, context)"
_HANDLERS_HINT: Final = (
    "write the work as steps or tasks of a workflow, or register it with holdwater.steps.pipeline(name)"
)

Dispatcher = stub_class("Dispatcher", _SUBMIT_HINT)
WorkSpec = stub_class("WorkSpec", _SUBMIT_HINT)
task_spec = stub_function("task_spec", _SUBMIT_HINT)
pipeline_spec = stub_function("pipeline_spec", _SUBMIT_HINT)
workflow_spec = stub_function("workflow_spec", _SUBMIT_HINT)
step_spec = stub_function("step_spec", _SUBMIT_HINT)
RunStatus = stub_class("RunStatus", "use WorkflowStatus, or the status of DefaultRunner(url).get_run(run_id)")
RunRecord = stub_class("RunRecord", _RUNS_HINT)
RunSummary = stub_class("RunSummary", _RUNS_HINT)
RunEvent = stub_class("RunEvent", "read the table core_workflow_events, or `holdwater runs show`")
HandlerRegistry = stub_class("HandlerRegistry", _HANDLERS_HINT)
get_default_registry = stub_function("get_default_registry", _HANDLERS_HINT)
reset_default_registry = stub_function("reset_default_registry", _HANDLERS_HINT)
register_handler = stub_function("register_handler", _HANDLERS_HINT)
register_task = stub_function("register_task", "use holdwater.task in a WorkflowBuilder")
register_pipeline = stub_function(
    "register_pipeline", "use spine.framework.register_pipeline, or holdwater.steps.pipeline"
)
register_workflow = stub_function("register_workflow", "use holdwater.steps.register_workflow(workflow)")
register_step = stub_function("register_step", "use Step.lambda_(name, handler)")
MemoryExecutor = stub_class("MemoryExecutor", "use WorkflowRunner(), which runs in this process")
LocalExecutor = stub_class("LocalExecutor", "use holdwater.executors.ThreadExecutor with DefaultRunner")
StubExecutor = stub_class("StubExecutor", "use WorkflowRunner(dry_run=True)")
CeleryExecutor = stub_class(
    "CeleryExecutor", "start a DefaultRunner in each process: they share the work of a database"
)
create_runs_router = stub_function("create_runs_router", _RUNS_HINT)

# -- records of executions, and their tables

Execution = stub_class("Execution", _RUNS_HINT)
ExecutionEvent = stub_class("ExecutionEvent", _RUNS_HINT)
ExecutionStatus = stub_class("ExecutionStatus", _RUNS_HINT)
EventType = stub_class("EventType", _RUNS_HINT)
TriggerSource = stub_class("TriggerSource", _RUNS_HINT)
DeadLetter = stub_class("DeadLetter", "a failed run is kept and can be tried again: DefaultRunner(url).retry(run_id)")
ConcurrencyLock = stub_class("ConcurrencyLock", "start a run once with DefaultRunner.submit(..., idempotency_key=...)")
utcnow = stub_function("utcnow", "use datetime.now(UTC)")
ExecutionHealthChecker = stub_class("ExecutionHealthChecker", "use `holdwater runs list` and runner.internal_errors()")
HealthReport = stub_class("HealthReport", "use `holdwater runs list` and runner.internal_errors()")

_TABLES_HINT: Final = "leave it out: a runner makes its tables when it opens a database"

CORE_TABLES = stub_value("CORE_TABLES", _TABLES_HINT)
CORE_DDL = stub_value("CORE_DDL", _TABLES_HINT)
create_core_tables = stub_function("create_core_tables", _TABLES_HINT)
