# mypy: ignore-errors
"""A shop that takes orders when they come in, written for the library "cloaca".  Prints a line per finding."""

import sys
import threading

import cloaca
from cloaca import BackoffStrategy, Context, RetryCondition, RetryPolicy, TriggerResult, WorkflowBuilder, task, trigger

came_in, delivered = [{"customer": "ada"}], threading.Event()


@trigger(name="inbox", poll_interval="100ms")
def orders_that_came_in():
    return TriggerResult.fire(Context(came_in.pop())) if came_in else TriggerResult.skip()


@cloaca.trigger(on="order", cron="0 2 * * *", timezone="Europe/Berlin")
def every_night():
    raise AssertionError("by the clock, and not asked")


careful = (
    RetryPolicy.builder()
    .max_attempts(2)
    .initial_delay(0.001)
    .backoff_strategy(BackoffStrategy.exponential(2.0))
    .retry_condition(RetryCondition.transient_only())
    .with_jitter(False)
    .build()
)
failed = []

with WorkflowBuilder("order") as builder:
    builder.description("One order").tag("team", "shop")

    @task(id="receive")
    def receive(context):
        context.insert("total", 130)
        return context

    @task(
        id="reserve",
        dependencies=["receive"],
        retry=careful,
        on_failure=lambda task_id, error, _: failed.append(task_id),
    )
    def reserve(context):
        if len(failed) < 1:
            raise OSError("Connection lost")
        context.set("reserved", True)
        return context

    @task(dependencies=[receive], trigger_rules=cloaca.context_value("total", "greater_than", 100))
    def approve(context, handle):
        handle.defer_until(lambda: True, poll_interval_ms=10)
        context.set("approved_for", context.get("customer", "somebody"))
        return context

    @task(id="deliver", dependencies=["reserve", "approve"])
    def deliver(context):
        delivered.set()
        return context


order = builder.build()
print(
    "levels",
    [[name.rpartition("::")[2] for name in level] for level in order.get_execution_levels()],
    order.description,
)

with cloaca.DefaultRunner(sys.argv[1]) as runner:
    assert delivered.wait(60)
    (row,) = runner.list_trigger_schedules()
    print("trigger", row["trigger_name"], row["workflow_name"], row["poll_interval_ms"])
    (row,) = runner.list_cron_schedules()
    print("schedule", row["name"], row["workflow_name"], row["cron_expression"], row["timezone"])
    (fire,) = runner.get_trigger_execution_history("inbox")
    result = runner.handle(fire["pipeline_execution_id"]).result(60)
    final = result.final_context.to_dict()
    print("came in", result.status, {name: final[name] for name in ("customer", "total", "reserved", "approved_for")})
    result = runner.execute("order", Context({"customer": "eve"}))
    print("executed", result.status, result.error_message, result.final_context.get("approved_for"), failed)
    try:
        trigger(cron="@daily")
    except ValueError as error:
        print("refused", str(error).splitlines()[0])
sys.exit(3)
