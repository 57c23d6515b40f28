"""A service under a supervisor that starts it again whenever it dies, with bodies that kill it.

python -m tests.crash.poison JOB: a JSON object of `url`, `folder`, `poisons` (kinds of death, each in a shape),
`innocents`, `runners` (processes at a time), `options` of the runner.  The supervisor forks each process and replaces
it when it is gone, until one has seen all runs end; then it says {"deaths": n, "runs": {key: status}, "errors": ...}.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.graphs import Graph, node, register_graph
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow

DEATHS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(3),
    "exit as if well": lambda: os._exit(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "segmentation fault": lambda: ctypes.string_at(0),
    "abort": os.abort,
}
SHAPES = ("task", "async task", "step", "graph", "late task")


class CrashingService:
    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.folder = job, Path(job["folder"])

    def append_line(self, name: str) -> None:
        with (self.folder / "begun").open("a") as log:
            log.write(f"{name}\n")

    def has_line(self, name: str) -> bool:
        return f"{name}\n" in (self.folder / "begun").read_text()

    def crash(self, kind: str) -> None:
        """Not before an innocent body has begun, in this process or an earlier one."""
        self.append_line(f"poison {kind}")
        while not self.has_line("innocent"):
            time.sleep(0.001)
        DEATHS[kind]()
        time.sleep(60)  # a signal may take a moment

    def define_workflows(self) -> list[tuple[str, str]]:
        """Workflows, and the keys of their runs."""
        names = [
            (self.define_crashing_workflow(k, kind, shape), f"poison {k}")
            for k, (kind, shape) in enumerate(self.job["poisons"])
        ]

        with WorkflowBuilder("innocent"):

            @task(id="a")
            def quick(context: Context) -> None:
                self.append_line("innocent")

            @task(id="b", dependencies=["a"])
            def slow(context: Context) -> None:
                time.sleep(0.05)

            @task(id="c", dependencies=["b"])
            async def waits(context: Context) -> None:
                await asyncio.sleep(0.05)

        # the innocent first, or those that wait for one to begin have all the slots
        return [*[("innocent", f"innocent {k}") for k in range(self.job["innocents"])], *names]

    def define_crashing_workflow(self, number: int, death: str, shape: str) -> str:
        name = f"poison-{number}"
        if shape == "step":

            def step(ctx: WorkflowContext, config: dict[str, Any]) -> None:
                self.crash(death)

            register_workflow(Workflow(name, [Step.lambda_("a", step)]))
        elif shape == "graph":

            @node(output_name="y")
            def body(x: int = 0) -> int:
                self.crash(death)
                return x

            register_graph(Graph([body], name=name))
        else:
            with WorkflowBuilder(name):

                @task(id="first")
                def first(context: Context) -> None:
                    pass

                dependencies = ["first"] if shape == "late task" else []
                if shape == "async task":

                    @task(id="bad")
                    async def bad_async(context: Context) -> None:
                        self.crash(death)
                else:

                    @task(id="bad", dependencies=dependencies)
                    def bad(context: Context) -> None:
                        self.crash(death)

        return name

    def execute_all(self) -> None:
        """Submit what is not there yet, and wait for the ends of all."""
        runs = self.define_workflows()
        with DefaultRunner.with_config(self.job["url"], DefaultRunnerConfig(**self.job["options"])) as runner:
            handles = {key: runner.submit(name, idempotency_key=key) for name, key in runs}
            results = {key: handle.result() for key, handle in handles.items()}
            told = {
                "runs": {key: result.status for key, result in results.items()},
                "errors": {key: result.error_message for key, result in results.items() if result.error_message},
            }
        (self.folder / "told.new").write_text(json.dumps(told))
        (self.folder / "told.new").rename(self.folder / "told")


def fork_service(service: CrashingService) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        service.execute_all()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def supervise(job: dict[str, Any]) -> None:
    service = CrashingService(job)
    (service.folder / "begun").touch()
    living = {fork_service(service) for _ in range(job["runners"])}
    deaths = 0
    try:
        while not (service.folder / "told").exists():
            pid, _ = os.waitpid(-1, 0)
            living.discard(pid)
            if (service.folder / "told").exists():
                break
            deaths += 1
            living.add(fork_service(service))
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
    told = json.loads((service.folder / "told").read_text())
    print(json.dumps({"deaths": deaths, **told}))


if __name__ == "__main__":
    supervise(json.loads(sys.argv[1]))
