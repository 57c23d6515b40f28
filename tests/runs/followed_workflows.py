"""Workflows of every style whose events are followed, and processes that execute and follow them.

`python -m tests.runs.followed_workflows execute URL NAME RUN`: start the run, or go on with it, and wait for its end.
`python -m tests.runs.followed_workflows follow URL RUN SEQ PART`: print the events behind a position, one JSON a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, RetryPolicy, Step, WorkflowBuilder, task
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.steps import StepResult, Workflow

MARKER_DIRECTORY: Final = "HOLDWATER_TEST_MARKERS"


def die_once(place: str) -> None:
    """Kill this process, the first time it comes here."""
    directory = os.environ.get(MARKER_DIRECTORY)
    if directory is not None:
        marker = Path(directory, place)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


# -- tasks

with WorkflowBuilder("followed_tasks"):
    failures_left = [1]

    @task()
    def load(context: Context) -> None:
        context["rows"] = 3

    @task(dependencies=[load], retry_attempts=2, retry_delay_ms=1)
    def clean(context: Context) -> None:
        die_once("tasks")
        if failures_left[0]:
            failures_left[0] -= 1
            raise OSError("no route to host")

    @task(dependencies=[load])
    def broken(context: Context) -> None:
        raise ValueError("no such column")

    @task(dependencies=[clean, broken])
    def store(context: Context) -> None:
        raise AssertionError("never called")


# -- steps


def refuse(ctx: Any, config: Any) -> dict[str, Any]:
    raise OSError("refused")


def count(ctx: Any, config: Any) -> dict[str, Any]:
    die_once("steps")
    return {"n": 2}


followed_steps = Workflow(
    "followed_steps",
    [
        Step.lambda_("count", count),
        Step.choice("any", lambda ctx: True, then_step="after", else_step="never", join="after"),
        Step.lambda_("never", lambda ctx, config: {}),
        Step.lambda_("after", lambda ctx, config: StepResult.skip("nothing to do")),
        Step.lambda_(
            "try",
            refuse,
            on_error="retry",
            retry=RetryPolicy(max_attempts=2, initial_delay=0),
        ),
    ],
)


# -- graphs


@node(output_name="n")
def step(n: int) -> int:
    die_once("graphs")
    return n + 1


@route(["step", END])
def more(n: int) -> str:
    return END if n >= 3 else "step"


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def add_up(y: list[int], n: int) -> int:
    return sum(y) + n


@interrupt(answer_name="approved")
def ask(total: int) -> str:
    return f"spend {total}?"


@node(output_name="done")
def finish(approved: bool) -> bool:
    return approved


doubles = Graph([double], name="doubles").as_node().map_over("x")
followed_graph = Graph([step, more, doubles, add_up], name="followed_graph")
asking_graph = Graph([add_up, ask, finish], name="asking_graph")

GRAPH_INPUTS: Final = {"n": 0, "x": [1, 2]}
ASKING_INPUTS: Final = {"y": [1, 2], "n": 4}
WORKFLOWS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "tasks": ("followed_tasks", {}),
    "steps": (followed_steps, {}),
    "graphs": (followed_graph, GRAPH_INPUTS),
}


def main(command: str, url: str, *rest: str) -> None:
    # a database server cannot see that a process died, only that it does not renew its leases
    config = DefaultRunnerConfig(lease_seconds=1, recovery_interval_seconds=1)
    with DefaultRunner(url, config=config) as runner:
        if command == "execute":
            workflow, inputs = WORKFLOWS[rest[0]]
            runner.submit(workflow, inputs, idempotency_key=rest[1]).result()
        else:
            run_id, seq, part = rest
            for event in runner.events(run_id, after=(int(seq), int(part))):
                print(json.dumps(event.to_dict()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
