"""Runs of every style that make values in one process and look at them in another.

python -m tests.engine.pruning_cases URL die      makes the values, and is killed in the step behind
python -m tests.engine.pruning_cases URL look     goes on, and prints what has come back as something else
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import Any

from holdwater import Context, DefaultRunner, Graph, Step, SyncRunner, WorkflowBuilder, WorkflowRunner, node, task
from holdwater.errors import RunNotFound
from holdwater.runners.graphs.durable.checkpointers import Checkpointer
from holdwater.steps import Workflow
from tests.model import sample_values

MakeValues = Callable[[], Any]
CheckValues = Callable[[Any], None]

MEMORY = "memory://"
STYLES = ("tasks", "steps", "graphs")


def round_trip_tasks(
    url: str, make_values: MakeValues, check_values: CheckValues, key: str, retry_failed: bool = False
) -> str:
    """Start a run, or go on with it; returns its error, empty if there is none.  In memory it goes on at once."""
    with WorkflowBuilder("keeping.tasks"):

        @task()
        def put(context: Context) -> None:
            context["v"] = make_values()

        @task(dependencies=[put])
        def get(context: Context) -> None:
            check_values(context["v"])

    with DefaultRunner(url) as runner:
        handle = runner.submit("keeping.tasks", idempotency_key=key)
        result = handle.result(60)
        if result.status == "Failed" and (retry_failed or url == MEMORY) and "'get'" in (result.error_message or ""):
            runner.retry(handle.run_id)
            result = handle.result(60)
        return result.error_message or ""


def round_trip_steps(
    url: str, make_values: MakeValues, check_values: CheckValues, key: str, retry_failed: bool = False
) -> str:
    """The same for steps."""

    def get(context: Any, config: Any) -> dict[str, Any]:
        check_values(context.get_output("put", "v"))
        return {}

    workflow = Workflow(
        "keeping.steps", [Step.lambda_("put", lambda c, g: {"v": make_values()}), Step.lambda_("get", get)]
    )
    with WorkflowRunner(url) as runner:
        try:
            result = runner.resume(key, workflow=workflow)
        except RunNotFound:
            result = runner.execute(workflow, run_id=key)
        if url == MEMORY and result.error_step == "get":
            result = runner.resume(key, workflow=workflow)
        return "" if result.status == "completed" else f"{result.error_step!r}: {result.error}"


def round_trip_graphs(
    url: str, make_values: MakeValues, check_values: CheckValues, key: str, retry_failed: bool = False
) -> str:
    """The same for graphs."""

    @node(output_name="v")
    def put(x: int) -> Any:
        return make_values()

    @node(output_name="z")
    def get(v: Any) -> int:
        check_values(v)
        return 1

    graph = Graph([put, get], name="keeping")
    with Checkpointer(url) as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer)
        for _ in range(2 if url == MEMORY else 1):
            result = runner.run(graph, {"x": 1}, workflow_id=key, error_handling="continue")
            if result.error is None:
                return ""
        return f"{type(result.error).__name__}: {result.error}"


ROUND_TRIPS: dict[str, Callable[..., str]] = {
    "tasks": round_trip_tasks,
    "steps": round_trip_steps,
    "graphs": round_trip_graphs,
}


def all_values() -> list[Any]:
    """Values of every family, made anew."""
    leaves = [
        *sample_values.LEAVES,
        *sample_values.HASHED,
        *sample_values.nested((1, dt.datetime(2026, 7, 1, tzinfo=sample_values.BERLIN))),
    ]
    if find_spec("pydantic"):
        from tests.model import models

        leaves += models.nested(sample_values.Frozen(1))
    if find_spec("pandas"):
        from tests.model import sample_classes

        leaves += sample_classes.KEPT
    return leaves


def main(url: str, mode: str) -> None:
    """Print `STYLE ok`, or what differs, for each style."""
    all_values()  # imports all the modules, as a program does whose runs go on
    all_there = threading.Barrier(len(STYLES))

    def look(style: str, given: Any) -> None:
        if mode == "die":
            all_there.wait(60)
            os.kill(os.getpid(), signal.SIGKILL)
        wanted = all_values()
        differ = [k for k, (a, b) in enumerate(zip(given, wanted, strict=True)) if not sample_values.is_same(a, b)]
        said.append(f"{style} " + ("ok" if not differ else str([(wanted[k], given[k]) for k in differ])))

    def make() -> Any:
        assert mode == "die"  # what has succeeded is not done again
        return all_values()

    def through(style: str) -> str:
        return ROUND_TRIPS[style](url, make, partial(look, style), f"{style}-run")

    said: list[str] = []
    with ThreadPoolExecutor(len(STYLES)) as threads:
        errors = [error for error in threads.map(through, STYLES) if error]
    print("\n".join([*sorted(said), *errors]))


if __name__ == "__main__":
    main(*sys.argv[1:])
