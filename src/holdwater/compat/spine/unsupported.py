"""What the original has and Holdwater says otherwise: names that say how when they are used."""

from __future__ import annotations

from typing import Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import class_, function, value

# -- groups of pipelines

_GROUPS: Final = "write a Workflow of Step.pipeline steps, or tasks with dependencies: holdwater.WorkflowBuilder"

PipelineGroup = class_("PipelineGroup", _GROUPS)
PipelineStep = class_("PipelineStep", "use Step.pipeline(name, pipeline, params)")
ExecutionPolicy = class_("ExecutionPolicy", "independent tasks run at once: holdwater.WorkflowBuilder")
ExecutionMode = class_("ExecutionMode", "independent tasks run at once: holdwater.WorkflowBuilder")
FailurePolicy = class_("FailurePolicy", "give each step on_error=ErrorPolicy....")
ExecutionPlan = class_("ExecutionPlan", _GROUPS)
PlannedStep = class_("PlannedStep", _GROUPS)
GroupRunStatus = class_("GroupRunStatus", "use WorkflowStatus")
GroupExecutionResult = class_("GroupExecutionResult", "use WorkflowResult")
GroupExecutionStatus = class_("GroupExecutionStatus", "use WorkflowStatus")
GroupStepExecution = class_("GroupStepExecution", "use StepExecution")
GroupStepStatus = class_("GroupStepStatus", "use StepStatus")
PlanResolver = class_("PlanResolver", "a workflow is checked when it is made")
GroupRunner = class_("GroupRunner", "use WorkflowRunner().execute(workflow)")
get_group_runner = function("get_group_runner", "use get_workflow_runner()")
register_group = function("register_group", "use holdwater.steps.register_workflow(workflow)")
get_group = function("get_group", _GROUPS)
list_groups = function("list_groups", _GROUPS)
group_exists = function("group_exists", _GROUPS)
clear_group_registry = function("clear_group_registry", _GROUPS)
load_group_from_yaml = function("load_group_from_yaml", _GROUPS)
load_groups_from_directory = function("load_groups_from_directory", _GROUPS)
group_to_yaml = function("group_to_yaml", _GROUPS)

# -- workflows

load_workflow_from_yaml = function("load_workflow_from_yaml", "use Workflow.from_dict(yaml.safe_load(text))")
TrackedWorkflowRunner = class_(
    "TrackedWorkflowRunner", "use WorkflowRunner(db_engine=url).execute(workflow, partition=..., run_id=...)"
)
get_workflow_state = function("get_workflow_state", "use WorkflowRunner(db_engine=url).get_run(run_id)")
list_workflow_failures = function(
    "list_workflow_failures",
    'use DefaultRunner(url).list_runs(status="failed"), or `holdwater runs list --status failed`',
)

# -- execution

_RUNS: Final = "every run is recorded: DefaultRunner(url).list_runs() and get_run(run_id), or `holdwater runs`"
_LIMITS: Final = "limit what runs at once with max_concurrent_tasks, or the executors of a DefaultRunner"

ExecutionLedger = class_("ExecutionLedger", _RUNS)
ExecutionRepository = class_("ExecutionRepository", _RUNS)
tracked_execution = function("tracked_execution", _RUNS)
DLQManager = class_("DLQManager", "a failed run is kept and can be tried again: DefaultRunner(url).retry(run_id)")
ConcurrencyGuard = class_("ConcurrencyGuard", "start a run once with DefaultRunner.submit(..., idempotency_key=...)")
BatchExecutor = class_("BatchExecutor", "use Step.map(name, items=[...], iterator=workflow, max_concurrency=n)")
BatchBuilder = class_("BatchBuilder", "use Step.map(name, items=[...], iterator=workflow, max_concurrency=n)")
CircuitBreaker = class_("CircuitBreaker", "use RetryPolicy(max_delay=...), and a breaker of your own in the handler")
get_circuit_breaker = function("get_circuit_breaker", "keep a breaker of your own in the handler")
ExponentialBackoff = class_("ExponentialBackoff", 'use RetryPolicy(backoff="exponential")')
LinearBackoff = class_("LinearBackoff", 'use RetryPolicy(backoff="linear")')
ConstantBackoff = class_("ConstantBackoff", 'use RetryPolicy(backoff="constant")')
RetryContext = class_("RetryContext", "give the step retry=RetryPolicy(...)")
with_retry = function("with_retry", "give the step retry=RetryPolicy(...)")
TokenBucketLimiter = class_("TokenBucketLimiter", _LIMITS)
SlidingWindowLimiter = class_("SlidingWindowLimiter", _LIMITS)
KeyedRateLimiter = class_("KeyedRateLimiter", _LIMITS)
CompositeRateLimiter = class_("CompositeRateLimiter", _LIMITS)
NoRetry = class_("NoRetry", "use RetryPolicy(max_attempts=1)")
tracked_execution_async = function("tracked_execution_async", _RUNS)
BatchResult = class_("BatchResult", "a map step has results, failed and errors among its outputs")

_SUBMIT: Final = "register a workflow, and use DefaultRunner(url).submit(name, context)"
_HANDLERS: Final = "write the work as steps or tasks of a workflow, or register it with holdwater.steps.pipeline(name)"

Dispatcher = class_("Dispatcher", _SUBMIT)
WorkSpec = class_("WorkSpec", _SUBMIT)
task_spec = function("task_spec", _SUBMIT)
pipeline_spec = function("pipeline_spec", _SUBMIT)
workflow_spec = function("workflow_spec", _SUBMIT)
step_spec = function("step_spec", _SUBMIT)
RunStatus = class_("RunStatus", "use WorkflowStatus, or the status of DefaultRunner(url).get_run(run_id)")
RunRecord = class_("RunRecord", _RUNS)
RunSummary = class_("RunSummary", _RUNS)
RunEvent = class_("RunEvent", "read the table core_workflow_events, or `holdwater runs show`")
HandlerRegistry = class_("HandlerRegistry", _HANDLERS)
get_default_registry = function("get_default_registry", _HANDLERS)
reset_default_registry = function("reset_default_registry", _HANDLERS)
register_handler = function("register_handler", _HANDLERS)
register_task = function("register_task", "use holdwater.task in a WorkflowBuilder")
register_pipeline = function("register_pipeline", "use spine.framework.register_pipeline, or holdwater.steps.pipeline")
register_workflow = function("register_workflow", "use holdwater.steps.register_workflow(workflow)")
register_step = function("register_step", "use Step.lambda_(name, handler)")
MemoryExecutor = class_("MemoryExecutor", "use WorkflowRunner(), which runs in this process")
LocalExecutor = class_("LocalExecutor", "use holdwater.ThreadExecutor with DefaultRunner")
StubExecutor = class_("StubExecutor", "use WorkflowRunner(dry_run=True)")
CeleryExecutor = class_("CeleryExecutor", "start a DefaultRunner in each process: they share the work of a database")
create_runs_router = function("create_runs_router", _RUNS)

# -- records of executions, and their tables

Execution = class_("Execution", _RUNS)
ExecutionEvent = class_("ExecutionEvent", _RUNS)
ExecutionStatus = class_("ExecutionStatus", _RUNS)
EventType = class_("EventType", _RUNS)
TriggerSource = class_("TriggerSource", _RUNS)
DeadLetter = class_("DeadLetter", "a failed run is kept and can be tried again: DefaultRunner(url).retry(run_id)")
ConcurrencyLock = class_("ConcurrencyLock", "start a run once with DefaultRunner.submit(..., idempotency_key=...)")
utcnow = function("utcnow", "use datetime.now(UTC)")
ExecutionHealthChecker = class_("ExecutionHealthChecker", "use `holdwater runs list` and runner.internal_errors()")
HealthReport = class_("HealthReport", "use `holdwater runs list` and runner.internal_errors()")

_TABLES: Final = "leave it out: a runner makes its tables when it opens a database"

CORE_TABLES = value("CORE_TABLES", _TABLES)
CORE_DDL = value("CORE_DDL", _TABLES)
create_core_tables = function("create_core_tables", _TABLES)
