"""The code of a new package of steps."""

from __future__ import annotations

from typing import Final

STEPS_FLOWS: Final = '''\
"""Orders of a day, as steps: one after the other, each sees the outputs of those before it."""

from typing import Any

from holdwater import Step, WorkflowContext, register_workflow
from holdwater.steps import Workflow


def load_orders(context: WorkflowContext, config: Any) -> dict[str, Any]:
    """Fetch the orders of the day. The output of a step is recorded when it returns, and then never made again."""
    return {
        "orders": [
            {"item": "lamp", "pieces": 2, "price": 20.0},
            {"item": "desk", "pieces": 1, "price": 140.0},
        ]
    }


def price_orders(context: WorkflowContext, config: Any) -> dict[str, Any]:
    """Price each order."""
    orders = context.get_output("load_orders", "orders")
    return {"amounts": [order["pieces"] * order["price"] for order in orders]}


def is_large(context: WorkflowContext) -> bool:
    """Decide if the day goes through a check by hand."""
    return sum(context.get_output("price_orders", "amounts")) > 10_000


def check(context: WorkflowContext, config: Any) -> dict[str, Any]:
    """Look at a day that is larger than usual."""
    return {"checked": True}


def report(context: WorkflowContext, config: Any) -> dict[str, Any]:
    """Sum up."""
    total = sum(context.get_output("price_orders", "amounts"))
    print(f"{total:.2f}")
    return {"total": total}


register_workflow(
    Workflow(
        "@NAME@",
        [
            Step.lambda_("load_orders", load_orders),
            Step.lambda_("price_orders", price_orders),
            Step.choice("size", is_large, then_step="check", else_step="report", join="report"),
            Step.lambda_("check", check),
            Step.lambda_("report", report),
        ],
    )
)
'''

STEPS_TEST: Final = '''\
"""The workflow, in a store in memory."""

from holdwater import DefaultRunner

import @MODULE@.flows  # registers the workflow


def test_a_day() -> None:
    with DefaultRunner("memory://") as runner:
        result = runner.execute("@NAME@", {"day": "today"})
    assert result.status == "Completed"
    statuses = {step.task_name: step.status for step in result.task_results}
    assert statuses["report"] == "Completed"
    assert statuses["check"] == "Skipped"
'''
