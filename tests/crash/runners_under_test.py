"""The shapes, executed by the runners of their own styles: whoever calls again goes on with what was left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import holdwater.runners.steps.open_store
import holdwater.runners.steps.workflow_runner
from holdwater.errors import RunNotFound
from holdwater.runners.graphs.async_runner import AsyncRunner
from holdwater.runners.graphs.durable.checkpointers import Checkpointer
from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from tests.crash import graph_shapes, step_shapes

RUN = "the-run"

WrapStore = Callable[[Any], Any]
"""puts something around a store"""


def execute_steps(shape: str, storage: str, url: str, wrap_store: WrapStore) -> dict[str, Any]:
    """By a WorkflowRunner.  `storage`: "database", "file" or "redis"; `place`: of its runs."""
    opened = holdwater.runners.steps.open_store.open_run_store
    setattr(holdwater.runners.steps.workflow_runner, "open_run_store", lambda *given: wrap_store(opened(*given)))  # noqa: B010 - imported there
    workflow, given = step_shapes.make_workflow(shape)
    if storage == "database":
        runner = WorkflowRunner(url)
    elif storage == "file":
        runner = WorkflowRunner(config=WorkflowRunnerConfig(checkpoint_storage="file", checkpoint_path=url))
    else:
        runner = WorkflowRunner(config=WorkflowRunnerConfig(checkpoint_storage="redis", redis_url=url))
    with runner:
        try:
            result = runner.resume(RUN, workflow=workflow)
        except RunNotFound:
            result = runner.execute(workflow, run_id=RUN, params=given)
    return {"status": result.status, "outputs": result.context.outputs.to_dict()}


def execute_graph(shape: str, url: str) -> dict[str, Any]:
    """By an AsyncRunner with a checkpointer.  Every question gets the answer it wants."""
    graph, given = graph_shapes.SHAPES[shape]()

    async def run() -> dict[str, Any]:
        with Checkpointer(url) as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            result = await runner.run(graph, given, workflow_id=RUN)
            for _ in range(3):
                if not result.pauses:
                    break
                answers = {pause.pause_id: pause.value["reply"] for pause in result.pauses}
                result = await runner.run(graph, {**given, **answers}, workflow_id=RUN)
            store = checkpointer.engine.store
            assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
            return {"status": result.status.value, "outputs": dict(result)}

    return asyncio.run(run())
