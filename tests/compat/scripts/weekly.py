# mypy: ignore-errors
"""A weekly load, written for "spine-core" with the modules below its name.  Prints a line per finding."""

import sys

from spine.core.errors import ErrorCategory as CoreCategory
from spine.core.errors import SpineError
from spine.core.schema import CORE_DDL
from spine.execution.dlq import DLQManager
from spine.framework.dispatcher import Lane, TriggerSource, get_dispatcher
from spine.framework.exceptions import BadParamsError
from spine.framework.params import ParamDef, PipelineSpec, date_format, enum_value
from spine.framework.pipelines import Pipeline, PipelineResult, PipelineStatus
from spine.framework.registry import list_pipelines, register_pipeline
from spine.orchestration import QualityThresholds
from spine.orchestration.exceptions import CycleDetectedError, GroupError
from spine.orchestration.step_result import ErrorCategory, QualityMetrics, StepResult
from spine.orchestration.step_types import ErrorPolicy, RetryPolicy, Step, StepType
from spine.orchestration.workflow import Workflow
from spine.orchestration.workflow_context import WorkflowContext
from spine.orchestration.workflow_runner import WorkflowRunner, WorkflowStatus


@register_pipeline("weekly.ingest")
class Ingest(Pipeline):
    name = "weekly.ingest"
    spec = PipelineSpec(
        required_params={"week": ParamDef("week", str, "its last day", validator=date_format)},
        optional_params={
            "tier": ParamDef("tier", str, "the tier", False, "OTC", validator=enum_value(["OTC", "NMS"])),
        },
    )

    def run(self) -> PipelineResult:
        return PipelineResult(PipelineStatus.COMPLETED, metrics={"rows": 10, "tier": self.params["tier"]})


class Validate:
    def __call__(self, ctx: WorkflowContext, config: dict) -> StepResult:
        rows = ctx.get_output("ingest", "rows", 0)
        quality = QualityMetrics(record_count=rows, valid_count=rows - 1)
        if QualityThresholds(min_valid_rate=config["min_rate"]).check(quality):
            return StepResult.fail("too bad", category=ErrorCategory.DATA_QUALITY, quality=quality)
        return StepResult.ok({"valid": quality.valid_count}, context_updates={"validated": True}, quality=quality)


tries = []


def load(ctx, config):
    tries.append(ctx.params["validated"])
    if len(tries) < 3:
        raise SpineError("the line is down", category=CoreCategory.NETWORK, retryable=True)
    return {"tries": len(tries)}


def audit(ctx, config):
    raise SpineError("there is no licence", category=CoreCategory.CONFIG)


retry = RetryPolicy(max_attempts=3, initial_delay_seconds=0.001)
workflow = Workflow(
    name="weekly",
    domain="finra",
    defaults={"week": "2026-01-02"},
    steps=[
        Step.pipeline("ingest", "weekly.ingest", params={"tier": "NMS"}),
        Step.lambda_("validate", Validate(), config={"min_rate": 0.8}),
        Step.choice("big", lambda ctx: ctx.get_output("validate", "valid") > 5, "load"),
        Step.lambda_("load", load, on_error=ErrorPolicy.RETRY, retry=retry),
        Step.lambda_("audit", audit, on_error=ErrorPolicy.CONTINUE, retry=retry),
    ],
)

dispatcher = get_dispatcher()
done = dispatcher.submit("weekly.ingest", {"week": "2026-01-02"}, Lane.BACKFILL, TriggerSource.MANUAL)
print(
    "submitted",
    done.status,
    done.result.metrics,
    done.lane,
    dispatcher.get_execution(done.id) is done,
    list_pipelines(),
)
try:
    dispatcher.submit("weekly.ingest", {"tier": "AMEX"})
except BadParamsError as error:
    print("refused", error.missing_params, error.invalid_params)

runner = WorkflowRunner(dispatcher=dispatcher)
seen = []


@runner.middleware
def watch(step, context, next_step):
    result = next_step(step, context)
    seen.append(f"{step.name} {result.success}")
    return result


result = runner.execute(workflow, partition={"week": "2026-01-02"})
print(
    "status", result.status is WorkflowStatus.COMPLETED, result.completed_steps, result.failed_steps, result.error_step
)
print("error", result.error, result.error_category)
print("middleware", *seen, sep="; ")
print(
    "steps", [(step.step_name, step.step_type == StepType.LAMBDA, step.status.value) for step in result.step_executions]
)
print("outputs", result.context.get_output("load"), result.context.get_output("ingest", "tier"), tries)
bad = WorkflowRunner().execute(Workflow("bad", [Step.pipeline("ingest", "weekly.ingest", params={"week": "soon"})]))
print("bad", bad.status.value, bad.error_category)
for attempt in (
    lambda: runner.execute(workflow, start_from="nope"),
    lambda: Workflow("twice", [Step.lambda_("a", load), Step.lambda_("a", load)]),
    lambda: DLQManager("connection"),
    lambda: list(CORE_DDL.items()),
):
    try:
        attempt()
    except CycleDetectedError:
        raise
    except (GroupError, NotImplementedError) as error:
        print("error", str(error).splitlines()[0])
sys.exit(3)
