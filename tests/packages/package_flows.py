"""Workflows of a package that use all of what a workflow can have.  Every function leaves a line in the effects log."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import dataclass
from typing import Any

from holdwater import Context, TaskHandle, TriggerResult, WorkflowBuilder, task, trigger
from holdwater.errors import WorkerCrashed
from holdwater.graphs import Graph, interrupt, node, register_graph
from holdwater.model.policies import RetryPolicy
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.crash.shapes import append_effect


class Flaky(Exception):
    """An exception that only the package knows."""


@dataclass
class Order:
    id: int
    day: dt.date


@dataclass
class Verdict:
    ok: bool
    by: str


def on_success(task_id: str, context: Context) -> None:
    append_effect(f"success:{task_id}:{context['n']}")


def on_failure(task_id: str, error: str, context: Context) -> None:
    append_effect(f"failure:{task_id}:{error.partition(':')[0]}")
    raise LookupError("the observer fails, too")


def define_tasks() -> None:
    with WorkflowBuilder("typed").description("Typed inputs.").tag("team", "data").inputs(order=Order, day=dt.date):

        @task()
        def read(context: Context) -> None:
            append_effect("read")
            order = context["order"]
            context["seen"] = f"{type(order).__name__} {order.id} {order.day.year} {type(context['day']).__name__}"

    with WorkflowBuilder("observed"):

        @task(
            on_success=on_success,
            on_failure=on_failure,
            retry=RetryPolicy(max_attempts=3, initial_delay=0, backoff="fixed", retry_on=[Flaky]),
        )
        def flaky(context: Context) -> None:
            if append_effect("flaky") == 1:
                raise Flaky("once")
            context["n"] = 1

        @task(dependencies=[flaky], on_failure=on_failure, retry=RetryPolicy(max_attempts=3, retry_on=[Flaky]))
        def other(context: Context) -> None:
            append_effect("other")
            raise ValueError("not covered")

    with WorkflowBuilder("crashing"):

        @task(retry=RetryPolicy(max_attempts=3, initial_delay=0, backoff="fixed", retry_on=[WorkerCrashed]))
        def dies(context: Context) -> None:
            if append_effect("dies") < 3:
                os._exit(3)

        @task(dependencies=[dies], retry=RetryPolicy(max_attempts=3, retry_on=[Flaky]), on_failure=on_failure)
        def dies_once(context: Context) -> None:
            append_effect("dies_once")
            os._exit(4)

    with WorkflowBuilder("slow"):

        @task(timeout_seconds=0.3, retry_attempts=2, retry_delay_ms=1)
        def sleeps(context: Context) -> None:
            if append_effect("sleeps") == 1:
                time.sleep(60)
            context["slept"] = True

    with WorkflowBuilder("mapped_tasks"):

        @task()
        def items(context: Context) -> None:
            append_effect("items")
            context["xs"] = [1, 2, 3]

        @task(dependencies=[items], map_over="xs", map_result="ys", map_error_handling="continue")
        def square(item: int) -> int:
            append_effect("square")
            if item == 2:
                raise ValueError("two")
            return item * item

        @task(dependencies=[square])
        def total(context: Context) -> None:
            append_effect("total")
            context["total"] = sum(y for y in context["ys"] if y is not None)

    with WorkflowBuilder("leaf"):

        @task()
        def leaf(context: Context) -> None:
            append_effect("leaf")
            context["leaf"] = context.get("n", 0) + 1

    with WorkflowBuilder("calls"):

        @task()
        def call(context: Context, handle: TaskHandle) -> None:
            append_effect("call")
            child = handle.execute("call_steps", {"n": 3})
            context["child"] = child.final_context["end"]["n"]
            context["status"] = child.status

        @task(dependencies=[call], invokes="doubles")
        def invoke(context: Context) -> None:
            append_effect("invoke")
            context["x"] = 4

    with WorkflowBuilder("triggered"):

        @task()
        def fired(context: Context) -> None:
            append_effect("fired")
            context["day_after"] = context["day"] + dt.timedelta(1)


def define_trigger() -> None:
    @trigger("triggered", name="poll", poll_interval="100ms")
    def poll() -> TriggerResult:
        return TriggerResult.fire({"day": dt.date(2026, 1, 1)}) if append_effect("poll") == 2 else TriggerResult.skip()


def define_steps() -> None:
    def end(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        append_effect("end")
        return StepResult.ok({"n": context.params["n"]})

    register_workflow(Workflow("call_steps", [Step.pipeline("leaf", "leaf"), Step.lambda_("end", end)]))
    register_workflow(Workflow("selfish", [Step.pipeline("again", "selfish_too")]))
    register_workflow(Workflow("selfish_too", [Step.pipeline("and_again", "selfish")]))


def define_graphs() -> None:
    @node(output_name="doubled")
    def double(x: int) -> int:
        append_effect("double")
        return 2 * x

    register_graph(Graph([double], name="doubles"), "doubles")

    @interrupt(answer_name="verdict", response_type=Verdict)
    def ask(order: Order) -> str:
        append_effect("ask")
        return f"order {order.id}?"

    @node(output_name="text")
    def use(verdict: Verdict, order: Order) -> str:
        append_effect("use")
        return f"{verdict.ok} by {verdict.by} on {order.day:%d}"

    register_graph(Graph([ask, use], name="asked"), "asked")


def define_all() -> None:
    define_tasks()
    define_steps()
    define_graphs()
