"""What the original has and Penstock says otherwise: names that say how when they are used."""

from __future__ import annotations

from typing import Final

from penstock.compat.standins import NotInThisVersion as NotInThisVersion
from penstock.compat.standins import class_, function

# -- groups of pipelines

_GROUPS: Final = "write a Workflow of Step.pipeline steps, or tasks with dependencies: penstock.WorkflowBuilder"

PipelineGroup = class_("PipelineGroup", _GROUPS)
PipelineStep = class_("PipelineStep", "use Step.pipeline(name, pipeline, params)")
ExecutionPolicy = class_("ExecutionPolicy", "independent tasks run at once: penstock.WorkflowBuilder")
PlanResolver = class_("PlanResolver", "a workflow is checked when it is made")
GroupRunner = class_("GroupRunner", "use WorkflowRunner().execute(workflow)")
get_group_runner = function("get_group_runner", "use get_workflow_runner()")
register_group = function("register_group", "use penstock.steps.register_workflow(workflow)")
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
    'use DefaultRunner(url).list_runs(status="failed"), or `penstock runs list --status failed`',
)

# -- execution

_RUNS: Final = "every run is recorded: DefaultRunner(url).list_runs() and get_run(run_id), or `penstock runs`"
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
