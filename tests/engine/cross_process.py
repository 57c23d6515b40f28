"""A program for processes that are killed: a task runs a workflow of steps, which runs a graph, whose last node waits.

python -m tests.engine.cross_process URL FOLDER [RUN]: starts the run, or waits for the end of this one.  Bodies write
their names into FOLDER/effects; the last one waits for FOLDER/go; FOLDER/end gets the result.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.graphs import Graph, node
from holdwater.steps import Step, Workflow, WorkflowContext

FOLDER = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()


def append_effect(name: str) -> None:
    with (FOLDER / "effects").open("a") as log:
        log.write(f"{name}\n")


@node(output_name="doubled")
def double(x: int) -> int:
    append_effect("double")
    return 2 * x


@node(output_name="squared")
def square(doubled: int) -> int:
    append_effect("square")
    while not (FOLDER / "go").exists():
        time.sleep(0.005)
    return doubled * doubled


def prepare(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
    append_effect("prepare")
    return {"n": ctx.get_param("x")}


def conclude(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
    append_effect("conclude")
    return {"answer": ctx.get_output("compute", "squared")}


inner = Graph([double, square], name="across-graph")
middle = Workflow(
    "across.steps",
    [Step.lambda_("prepare", prepare), Step.pipeline("compute", inner), Step.lambda_("conclude", conclude)],
)

with WorkflowBuilder("across.tasks"):

    @task()
    def first(context: Context) -> None:
        append_effect("first")
        context["x"] = 3

    @task(dependencies=[first], invokes=middle)
    def call(context: Context) -> None:
        append_effect("call")

    @task(dependencies=[call])
    def last(context: Context) -> None:
        append_effect("last")


def main(url: str, run_id: str | None = None) -> None:
    with DefaultRunner.with_config(url, DefaultRunnerConfig(lease_seconds=1.0)) as runner:
        handle = runner.submit("across.tasks") if run_id is None else runner.handle(run_id)
        result = handle.result()
        runs = sorted(run.workflow_name for run in runner.list_runs())
    end = {"status": result.status, "error": result.error_message, "runs": runs}
    (FOLDER / "end").write_text(json.dumps({**end, "context": result.final_context.to_dict()}))


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[3:])
