"""The code of a new package of tasks."""

from __future__ import annotations

from typing import Final

TASKS_FLOWS: Final = '''\
"""Orders of a day, as tasks: a DAG whose tasks share one context."""

from holdwater import Context, TaskHandle, WorkflowBuilder, task, task_failed

with WorkflowBuilder("@NAME@") as builder:
    builder.description("Adds up the orders of a day.")

    @task()
    def load_orders(context: Context) -> None:
        """Fetch the orders of the day. What a task writes is recorded when it returns, and then never made again."""
        context["orders"] = [
            {"item": "lamp", "pieces": 2, "price": 20.0},
            {"item": "desk", "pieces": 1, "price": 140.0},
        ]

    @task(dependencies=[load_orders], retry_attempts=3, retry_delay_ms=500)
    def price_orders(context: Context) -> None:
        """Price each order. It is tried three times: a service it asks may be away for a moment."""
        context["amounts"] = [order["pieces"] * order["price"] for order in context["orders"]]

    @task(dependencies=[load_orders])
    def count_pieces(context: Context) -> None:
        """Count what has to be packed. It runs beside `price_orders`, which it does not depend on."""
        context["pieces"] = sum(order["pieces"] for order in context["orders"])

    @task(dependencies=[price_orders, count_pieces])
    def report(context: Context, handle: TaskHandle) -> None:
        """Sum up. After a crash a task may begin twice: give services the handle's idempotency key."""
        context["total"] = sum(context["amounts"])
        print(f"{context['pieces']} pieces, {context['total']:.2f} ({handle.idempotency_key})")

    @task(dependencies=[price_orders], trigger_rules=task_failed(price_orders))
    def alarm(context: Context) -> None:
        """Run only if no price was to be had, after the last attempt."""
        context["alarm"] = "no prices"
'''

TASKS_TEST: Final = '''\
"""The workflow, in a store in memory."""

from holdwater import DefaultRunner

import @MODULE@.flows as flows


def test_a_day() -> None:
    with DefaultRunner("memory://") as runner:
        result = runner.execute("@NAME@", {"day": "today"})
    assert result.status == "Completed"
    assert result.final_context["total"] == 180.0
    assert result.final_context["pieces"] == 3


def test_one_task() -> None:
    context = {"orders": [{"item": "lamp", "pieces": 2, "price": 20.0}]}
    flows.price_orders(context)
    assert context["amounts"] == [40.0]
'''
