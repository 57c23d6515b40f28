# mypy: ignore-errors
"""A night's filings, written for the library "spine-core" and nothing else.

Usage: filings.py DATABASE_URL            a dry run, and a run that fails at its last step
       filings.py DATABASE_URL RUN_ID     goes on with it, in another process

Prints one line per finding; exits with 3 if the run has failed.
"""

import concurrent.futures
import os
import sys
import time

from spine.framework import Pipeline, PipelineResult, PipelineStatus, get_dispatcher, list_pipelines, register_pipeline
from spine.orchestration import (
    ErrorCategory,
    ErrorPolicy,
    LambdaStep,
    QualityMetrics,
    RetryPolicy,
    Step,
    StepResult,
    Workflow,
    WorkflowContext,
    WorkflowRunner,
    WorkflowRunnerConfig,
    WorkflowStatus,
    get_workflow_runner,
)

calls = []


@register_pipeline("filings.ingest")
class Ingest(Pipeline):
    name = "filings.ingest"

    def run(self) -> PipelineResult:
        calls.append("ingest")
        return PipelineResult(PipelineStatus.COMPLETED, metrics={"record_count": 3, "week": self.params["week"]})


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self, ctx: WorkflowContext, config: dict) -> StepResult:
        calls.append("fetch")
        if self.failures:
            self.failures -= 1
            return StepResult.fail("the line is busy", category=ErrorCategory.TRANSIENT)
        return StepResult.ok(output={"url": config["url"]}, context_updates={"fetched": True})


def validate(ctx, config):
    rows = ctx.get_output("ingest", "record_count", 0)
    metrics = QualityMetrics(record_count=rows, valid_count=rows)
    return StepResult.ok(output={"rows": rows, "tier": ctx.partition.get("tier")}, quality=metrics)


def one(ctx, config):
    return StepResult.ok(output={"item": ctx.params["current_item"], "index": ctx.params["__map_index__"]})


def publish(ctx, config):
    if ctx.params.get("__dry_run__"):
        return StepResult.ok(output={"dry_run": True, "would_do": "publish"})
    if not os.path.exists("licence"):
        raise PermissionError("there is no licence")
    return StepResult.ok(
        output={"published": ctx.get_output("each", "completed"), "resumed": ctx.params["__resumed__"]}
    )


def small(ctx):
    return ctx.get_output("validate", "rows") < 10


filings = Workflow(
    name="filings.weekly",
    domain="filings",
    steps=[
        Step.pipeline("ingest", "filings.ingest"),
        Step.lambda_(
            "fetch",
            Flaky(2),
            config={"url": "https://example.org"},
            on_error=ErrorPolicy.RETRY,
            retry=RetryPolicy(max_attempts=3, backoff="constant", initial_delay=0.001, retryable_errors=["TRANSIENT"]),
        ),
        Step.lambda_("validate", validate),
        Step.choice("size", small, "fast", "slow", join="each"),
        Step.lambda_("fast", lambda ctx, config: StepResult.ok(output={"way": "fast"})),
        Step.lambda_("slow", lambda ctx, config: StepResult.ok(output={"way": "slow"})),
        Step.map(
            "each",
            items=["a", "b", "c"],
            item_param="current_item",
            iterator=Workflow(name="filings.item", steps=[Step.lambda_("one", one)]),
            max_concurrency=2,
        ),
        Step.lambda_(
            "optional",
            lambda ctx, config: StepResult.fail("nobody needs it", "DEPENDENCY"),
            on_error=ErrorPolicy.CONTINUE,
        ),
        Step.wait("pause", 0),
        Step.lambda_("publish", publish),
    ],
    defaults={"week": "2026-01-09"},
)


class CountingRunner(WorkflowRunner):
    counted = 0

    def _execute_lambda(self, step: LambdaStep, context: WorkflowContext) -> StepResult:
        CountingRunner.counted += 1
        return super()._execute_lambda(step, context)


def show(result):
    print("status", result.status, result.error_step, result.error)
    print("steps", ",".join(result.completed_steps), "of", result.total_steps)


def dry():
    runner = get_workflow_runner(dry_run=True)
    result = runner.execute(filings, {"key": "value"})
    print("dry", result.status == "completed", result.context.get_output("publish"), calls)
    print("would run", result.context.get_output("ingest", "pipeline"))


def first(url):
    runner = CountingRunner(db_engine=url, config=WorkflowRunnerConfig(default_step_timeout=60, max_concurrent_steps=4))
    order = []

    @runner.middleware
    def logging_middleware(step, context, next_fn):
        start = time.time()
        result = next_fn(step, context)
        order.append((step.name, result.success, time.time() >= start))
        return result

    @runner.middleware
    def timeout_middleware(step, context, next_fn):
        with concurrent.futures.ThreadPoolExecutor() as executor:
            return executor.submit(next_fn, step, context).result(timeout=step.config.get("timeout", 300))

    result = runner.execute(filings, params={"key": "value"}, partition={"tier": "NMS"})
    show(result)
    print("run", result.run_id)
    print("calls", ",".join(calls), CountingRunner.counted)
    print("skipped", ",".join(result.skipped_steps), "failed", ",".join(result.failed_steps))
    print("results", [each["item"] for each in result.context.get_output("each", "results")])
    print("quality", result.context.get_quality("validate").valid_rate, result.context.get_output("validate"))
    print("middleware", [name for name, _, _ in order].count("fetch"), ("publish", False, True) in order)
    print("attempts", {step.name: step.attempts for step in result.step_metrics}["fetch"])
    return 3 if result.status == WorkflowStatus.FAILED else 0


def second(url, run_id):
    runner = WorkflowRunner(db_engine=url)
    result = runner.execute(filings, run_id=run_id)
    show(result)
    print("again", runner.resume(run_id).status == WorkflowStatus.COMPLETED)
    print("output", result.context.get_output("publish"), calls)
    print("checkpoints", ",".join(checkpoint.step_name for checkpoint in runner.list_checkpoints(run_id)))
    return 0 if result.status == "completed" else 3


def main():
    if len(sys.argv) > 2:
        return second(*sys.argv[1:])
    dry()
    done = get_dispatcher().submit("filings.ingest", {"week": "now"})
    print("dispatched", done.status, done.result.metrics, "filings.ingest" in list_pipelines())
    calls.clear()
    filings.get_step("fetch").handler.failures = 2
    return first(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
