# mypy: ignore-errors
"""An evening's orders, written for the library "cloaca" and nothing else.  Usage: orders.py DATABASE_URL

Prints one line per finding; exits with 3 if the broken workflow has failed, as it should.
"""

import sys
import threading
from datetime import datetime

import cloaca

shipped = threading.Event()
calls = []


def noted(task_id, context):
    calls.append(f"{task_id} ok with {len(context)} keys")
    context.set("from_callback", True)  # a copy: nobody sees this


def warned(task_id, error, context):
    calls.append(f"{task_id} failed: {error}")
    raise RuntimeError("callbacks may break")


quick = (
    cloaca.RetryPolicy.builder()
    .max_attempts(4)
    .initial_delay(0.001)
    .max_delay(0.01)
    .backoff_strategy(cloaca.BackoffStrategy.linear(2.0))
    .retry_condition(cloaca.RetryCondition.error_pattern(["LOCKED", "busy"]))
    .with_jitter(False)
    .build()
)
attempts = {"reserve": 0, "price": 0, "charge": 0}

with cloaca.WorkflowBuilder("orders") as builder:
    builder.description("Takes orders apart and puts them together again")
    builder.tag("team", "shop")

    @cloaca.task(id="receive")
    def receive(context):
        context.set("log", ["receive"])
        context.set("total", {"net": 100})
        return context

    @cloaca.task(id="reserve", dependencies=["receive"], retry=quick, on_failure=warned)
    def reserve(context):
        attempts["reserve"] += 1
        if attempts["reserve"] < 3:
            raise OSError("the stock table is Locked")
        context.set("log", [*context.get("log"), "reserve"])
        return context

    @cloaca.task(
        id="price",
        dependencies=[receive],
        retry_attempts=2,
        retry_backoff="fixed",
        retry_delay_ms=1,
        retry_jitter=False,
        on_success=noted,
    )
    def price(context):
        attempts["price"] += 1
        if attempts["price"] == 1:
            raise ValueError("no exchange rate")
        context.set("log", [*context.get("log"), "price"])
        context.set("total", {**context.get("total"), "tax": 19})
        return context

    @cloaca.task(id="confirm", dependencies=["receive"])
    def confirm(context, handle):
        assert handle.is_slot_held()
        handle.defer_until(shipped.is_set, poll_interval_ms=5)
        context.set("confirmed", True)
        return context

    @cloaca.task(id="ship", dependencies=[reserve, price])
    def ship(context):
        context.update("log", [*context.get("log"), "ship"])
        shipped.set()
        return context

    @cloaca.task(
        id="gift",
        dependencies=["ship"],
        trigger_rules=cloaca.all_of(
            cloaca.task_success("public::embedded::orders::ship"), cloaca.context_value("customer", "==", "nobody")
        ),
    )
    def gift(context):
        context.set("gift", True)
        return context

    @cloaca.task(id="close", dependencies=["ship", "gift", "confirm"])
    def close(context):
        return context


with cloaca.WorkflowBuilder("broken"):

    @cloaca.task(id="charge", retry_attempts=3, retry_delay_ms=1, retry_condition="never")
    def charge(context):
        attempts["charge"] += 1
        raise RuntimeError("card refused")

    @cloaca.task(id="receipt", dependencies=["charge"])
    def receipt(context):
        return context

    @cloaca.task(id="refund", dependencies=["charge"], trigger_rules=cloaca.task_failed("charge"))
    def refund(context):
        context.set("refunded", True)
        return context


def build_report():
    report = cloaca.WorkflowBuilder("report")
    with report:

        @cloaca.task(id="count")
        def count(context):
            context.set("count", context.get("count", 0) + 1)
            return context

    report.add_task("count")
    return report.build()


cloaca.register_workflow_constructor("nightly_report", build_report)


def expect(kind, action):
    try:
        action()
    except kind as error:
        print("caught", kind.__name__, bool(str(error)))


def main():
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=1, enable_cron_scheduling=False)
    config.pipeline_timeout_seconds = 60
    config.cron_poll_interval_seconds = 5
    runner = cloaca.DefaultRunner.with_config(sys.argv[1], config)
    try:
        start = cloaca.Context({"customer": "ada"})
        result = runner.execute("orders", start)
        print("status", result.status, result.error_message)
        print("final", result.final_context.to_json())
        print("start", start.to_dict())
        print("in order", datetime.fromisoformat(result.start_time) <= datetime.fromisoformat(result.end_time))
        print("calls", sorted(calls))
        print("attempts", attempts["reserve"], attempts["price"])

        print("report", runner.execute("nightly_report", cloaca.Context({"count": 41})).final_context.get("count"))

        broken = runner.execute("broken", cloaca.Context())
        print("broken", broken.status, "card refused" in broken.error_message, broken.final_context.get("refunded"))
        print("charged", attempts["charge"])

        context = cloaca.Context({"a": 1, "none": None})
        expect(ValueError, lambda: context.insert("a", 2))
        expect(KeyError, lambda: context.update("b", 2))
        expect(KeyError, lambda: context["b"])
        expect(TypeError, lambda: context.set("b", object()))
        expect(ValueError, lambda: cloaca.Context.from_json("[1, 2"))
        expect(ValueError, lambda: runner.execute("unknown", context))
        expect(ValueError, lambda: cloaca.task(id="stray")(print))
        print("context", context.get("none", "default"), context.remove("a"), context.remove("a"), len(context))

        name = cloaca.TaskNamespace.from_string("public::embedded::orders::ship")
        print("name", name.task_id, name.is_sibling_of(cloaca.TaskNamespace("public", "embedded", "orders", "gift")))
        print("policy", quick.max_attempts, quick.calculate_delay(2), quick.should_retry(3, "x"), quick.with_jitter)
    finally:
        runner.shutdown()
    return 3 if broken.status == "Failed" else 0


if __name__ == "__main__":
    sys.exit(main())
