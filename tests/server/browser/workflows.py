"""Workflows of all three styles, whose functions wait for gates: files of the working directory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from holdwater import Context, Graph, Step, WorkflowBuilder, node, task
from holdwater.graphs import interrupt
from holdwater.steps import Workflow


def wait_for_gate(name: str) -> None:
    """Wait until the file `NAME.gate` exists: another process says that this one may go on."""
    while not Path(f"{name}.gate").exists():
        time.sleep(0.01)


with WorkflowBuilder("orders"):

    @task()
    def load(context: Context) -> None:
        context["amount"] = context.get("amount", 950)
        print("loaded", context["amount"])

    @task(dependencies=[load])
    def price(context: Context) -> None:
        if context.get("waits", False):
            wait_for_gate("price")
        context["price"] = context["amount"] * 2

    @task(dependencies=[load])
    def stock(context: Context) -> None:
        context["stock"] = 7

    @task(dependencies=[price, stock], retry_attempts=2, retry_delay_ms=1)
    def charge(context: Context) -> None:
        if context.get("fails", False):
            raise OSError("502 Bad Gateway\nof the payment service")
        context["charged"] = context["price"]

    @task(dependencies=[charge])
    def notify(context: Context) -> None:
        context["told"] = True


@node(output_name="text")
def draft(topic: str) -> str:
    """Write a draft."""
    return f"about {topic}"


@interrupt(answer_name="approved", response_type=bool)
def review(text: str) -> str:
    return f"publish {text!r}?"


@node(output_name="published")
def publish(text: str, approved: bool) -> str:
    """Publish it, or withdraw it."""
    return text if approved else "withdrawn"


articles = Graph([draft, review, publish], name="articles")


def import_rows(context: Any, config: Any) -> dict[str, int]:
    """Import rows."""
    return {"rows": 3}


def import_one(context: Any, config: Any) -> dict[str, int]:
    return {"item": 1}


imports = Workflow(
    "imports",
    [Step.lambda_("extract", import_rows), Step.map("each", [1, 2, 3], step=Step.lambda_("one", import_one))],
)


with WorkflowBuilder("large"):
    for number in range(320):
        task(id=f"part {number}", dependencies=[f"part {number - 20}"] if number >= 20 else [])(lambda context: None)
