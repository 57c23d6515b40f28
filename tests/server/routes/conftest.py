"""Runs of every kind on the database of a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner, Graph, WorkflowBuilder, node, task
from holdwater.graphs import interrupt
from holdwater.model.registry import registry
from tests.server.live import Live
from tests.suite.runners import Gate

API = "/v1/tenants/public"


@pytest.fixture(scope="module")
def api(live: Live) -> Iterator[httpx.Client]:
    """A program that calls the API of the module's database."""
    with live.client() as client:
        client.base_url = httpx.URL(f"{live.origin}{API}")
        yield client


@dataclass(frozen=True)
class Runs:
    """Ids of runs: one of each kind."""

    completed: str
    failed: str
    asking: str


@node(output_name="text")
def draft(topic: str) -> str:
    return f"about {topic}"


@interrupt(answer_name="approved", response_type=bool)
def review(text: str) -> str:
    return text


@node(output_name="done")
def publish(approved: bool) -> str:
    return f"published: {approved}"


GATE = Gate()


@pytest.fixture(scope="module")
def runs(runner: DefaultRunner) -> Iterator[Runs]:
    GATE.open.clear()

    with WorkflowBuilder("sums"):

        @task()
        def load(context: Any) -> None:
            context["amount"] = context.get("amount", 1)

        @task(dependencies=[load])
        def double(context: Any) -> None:
            context["doubled"] = context["amount"] * 2

    with WorkflowBuilder("fails"):

        @task(retry_attempts=1)
        def broken(context: Any) -> None:
            raise OSError("502 Bad Gateway \ud800")

        @task(dependencies=[broken])
        def never(context: Any) -> None:
            pass

    with WorkflowBuilder("held"):

        @task()
        def hold(context: Any) -> None:
            GATE()

    articles = Graph([draft, review, publish], name="articles")
    registry.register(articles.program())
    completed = runner.submit("sums", {"amount": 20})
    failed = runner.submit("fails")
    asking = runner.submit("articles", {"topic": "tests"})
    for handle in (completed, failed, asking):
        handle.result()
    yield Runs(completed.run_id, failed.run_id, asking.run_id)
    GATE.open.set()
    for name in ("sums", "fails", "held", "articles"):
        registry.unregister(name)
