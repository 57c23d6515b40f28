"""A shop in three styles: orders as tasks, a catalog import as steps, refunds as a graph with a person in it.

holdwater worker examples/shop.py      executes what is submitted
holdwater ui                           shows it
holdwater submit orders --input order=A-1
"""

import random
import time
from typing import Any

from holdwater import Context, Graph, Step, StepResult, WorkflowBuilder, node, task
from holdwater.graphs import interrupt
from holdwater.steps import Workflow, WorkflowContext


class CardDeclined(Exception):
    """The bank refuses the card."""


def work(seconds: float) -> None:
    """Stands for a service that takes its time."""
    time.sleep(seconds * random.uniform(0.7, 1.3))


with WorkflowBuilder("orders") as orders:
    orders.description("Charge an order, reserve what was ordered, and ship it")

    @task()
    def load(context: Context) -> None:
        """Read the order."""
        work(0.2)
        context["lines"] = [{"sku": "tea-earl-grey", "count": 2, "eur": 7.5}, {"sku": "pot", "count": 1, "eur": 39.0}]
        print(f"order {context.get('order', 'A-1')}: {len(context['lines'])} lines")

    @task(dependencies=[load])
    def price(context: Context) -> None:
        """Add the prices of all lines."""
        work(0.3)
        context["total_eur"] = sum(line["count"] * line["eur"] for line in context["lines"])

    @task(dependencies=[load])
    def reserve(context: Context) -> None:
        """Reserve the articles in the warehouse."""
        work(0.8)
        context["reserved"] = [line["sku"] for line in context["lines"]]

    @task(dependencies=[load])
    def check_address(context: Context) -> None:
        """Check that the address can be delivered to."""
        work(0.4)
        context["deliverable"] = True

    @task(dependencies=[price, reserve], retry_attempts=3, retry_delay_ms=400)
    def charge(context: Context) -> None:
        """Charge the card."""
        work(0.4)
        if context.get("card") == "declined":
            raise CardDeclined(f"the bank refused {context['total_eur']:.2f} EUR: card expired in 08/26")
        context["receipt"] = "R-20261130-17"

    @task(dependencies=[charge, check_address])
    def ship(context: Context) -> None:
        """Hand the parcel over."""
        work(0.3)
        context["parcel"] = "JD0146000123"

    @task(dependencies=[ship])
    def notify(context: Context) -> None:
        """Tell the customer."""
        work(0.1)
        context["told"] = True


def fetch_pages(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
    """Find the pages of the catalog."""
    work(0.4)
    return StepResult.ok(output={"pages": [1, 2, 3, 4]})


def read_page(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
    """Read the articles of one page."""
    work(0.5)
    return StepResult.ok(output={"articles": 25})


def write_index(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
    """Write the search index."""
    work(0.4)
    return StepResult.ok(output={"articles": 100})


import_catalog = Workflow(
    "import_catalog",
    [
        Step.lambda_("fetch_pages", fetch_pages),
        Step.map("pages", [1, 2, 3, 4], step=Step.lambda_("read_page", read_page)),
        Step.lambda_("write_index", write_index),
    ],
)


@node(output_name="assessment")
def assess(order: str, amount_eur: float) -> dict[str, Any]:
    """Decide how much of an order may be paid back."""
    work(0.4)
    return {"order": order, "amount_eur": amount_eur, "reason": "arrived broken", "earlier refunds": 0}


@interrupt(answer_name="approved", response_type=bool)
def approve(assessment: dict[str, Any]) -> dict[str, Any]:
    """Ask a person of the support team."""
    return {"question": "Pay this back?", **assessment}


@node(output_name="outcome")
def pay_back(assessment: dict[str, Any], approved: bool) -> str:
    """Pay it back, if a person has approved it."""
    work(0.3)
    return f"paid {assessment['amount_eur']:.2f} EUR" if approved else "refused"


refund = Graph([assess, approve, pay_back], name="refund")
