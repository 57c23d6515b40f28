"""A program for processes that are killed during an upgrade: runs of two releases that call each other.

python -m tests.crash.releases_under_load URL LOG COUNT RELEASE...: has these releases, the last of them active, and
starts the runs `RELEASE-0` to `RELEASE-(COUNT - 1)` of the last one, each once.  Bodies write a line into LOG: the
release of the run, and that of the code.  Says when all its runs have ended, and ends when a line comes on its input.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TaskHandle
from holdwater.graphs import Graph, node
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry
from tests.suite.released_workflows import add_release, tasks


def define_release(release: str, log: Path, find_release: Callable[[str], str | None]) -> list[WorkflowDefinition]:
    """The workflows of a release.  `find_release`: the release of a run, by its id."""

    def note(run_id: str, body: str) -> None:
        with log.open("a") as file:
            file.write(f"{find_release(run_id)} {release} {body} {run_id}\n")

    def first(context: Context, handle: TaskHandle) -> None:
        note(handle.run_id, "first")
        context["by"] = [release]

    def call(context: Context, handle: TaskHandle) -> None:
        note(handle.run_id, "call")
        context["by"] = [*context["by"], handle.execute("part", {"n": 1}).final_context["by"]]

    def last(context: Context, handle: TaskHandle) -> None:
        note(handle.run_id, "last")
        context["by"] = [*context["by"], release]

    def part(context: Context, handle: TaskHandle) -> None:
        note(handle.run_id, "part")
        context["by"] = release

    @node(output_name="doubled")
    def double(x: int) -> str:
        return f"{release} {2 * x}"

    @node(output_name="done")
    def conclude(doubled: str) -> list[str]:
        return [doubled, release]

    graph = Graph([Graph([double], name="inner").as_node(), conclude], name="graph")
    return [tasks("orders", first, call, last), tasks("part", part), graph.program("graph")]


def main(url: str, log: str, count: int, *releases: str) -> None:
    registry = Registry()
    config = DefaultRunnerConfig(
        max_concurrent_tasks=2, lease_seconds=1, recovery_interval_seconds=1, max_crashes_per_task=1000
    )
    runner = DefaultRunner(url, config=config, registry=registry)
    with runner:
        for release in releases:
            add_release(registry, release, *define_release(release, Path(log), lambda run: runner.get_run(run).release))
        started: list[Any] = []
        for number in range(count):
            key = f"{releases[-1]}-{number}"
            started.append(runner.submit("orders", {}, idempotency_key=key))
            started.append(runner.submit("graph", {"x": 1}, idempotency_key=key))
        print("started", flush=True)
        told = threading.Thread(target=sys.stdin.readline, daemon=True)
        told.start()
        for handle in started:
            handle.result()
        print("ended", flush=True)
        told.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
