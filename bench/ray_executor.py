"""Cost of a task on a Ray cluster, beside a plain Ray task: what the executor and the recording of results add.

usage: ray_executor.py [--database memory://|sqlite|URL] [--rounds 5] [--tasks 200]

Starts a cluster of two processors.  Prints for each case the time per task of plain Ray, of the executor and of the
same workflow in threads, medians of alternating rounds, and the ratio of the executor to plain Ray.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import RayExecutor, Router

LARGE_CHARS = 1_000_000


def add_one(context: dict[str, Any]) -> dict[str, Any]:
    return {"n": context["n"] + 1}


def measure_length(context: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(context["text"])}


def define_workflows(tasks: int) -> None:
    with WorkflowBuilder("one"):

        @task(id="a")
        def one(context: Context) -> None:
            context["n"] = context["n"] + 1

    with WorkflowBuilder("fan"):
        for k in range(tasks):

            @task(id=f"t{k}")
            def fan(context: Context) -> None:
                context["n"] = context["n"] + 1

    with WorkflowBuilder("large"):
        for k in range(tasks):

            @task(id=f"t{k}")
            def large(context: Context) -> None:
                context["length"] = len(context["text"])


def cases(ray: Any, tasks: int) -> dict[str, tuple[str, dict[str, Any], Callable[[], Any]]]:
    """Case -> workflow, its inputs, and the same work in plain Ray."""
    remote_add, remote_length = ray.remote(max_retries=0)(add_one), ray.remote(max_retries=0)(measure_length)
    small, big = {"n": 1}, {"text": "x" * LARGE_CHARS}

    def plain_large() -> Any:
        value = ray.put(big)
        return ray.get([remote_length.remote(value) for _ in range(tasks)])

    return {
        "one": ("one", small, lambda: ray.get(remote_add.remote(small))),
        "fan": ("fan", small, lambda: ray.get([remote_add.remote(small) for _ in range(tasks)])),
        "large": ("large", big, plain_large),
    }


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="memory://")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=200)
    options = parser.parse_args()
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    import ray

    ray.init("local", num_cpus=2, object_store_memory=200 << 20, include_dashboard=False, logging_level="ERROR")
    define_workflows(options.tasks)
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/bench.db" if options.database == "sqlite" else options.database
        executor = RayExecutor(64, address=ray.get_runtime_context().gcs_address)
        on_ray = DefaultRunnerConfig(executors={"ray": executor}, routing=Router(default="ray"))
        threads_url = f"sqlite:///{directory}/threads.db" if options.database == "sqlite" else "memory://"
        with DefaultRunner(url, config=on_ray) as runner, DefaultRunner(threads_url) as threads:
            run_cases(ray, options, runner, threads)
    ray.shutdown()


def run_cases(ray: Any, options: argparse.Namespace, runner: DefaultRunner, threads: DefaultRunner) -> None:
    print(f"{'case':8}{'plain Ray ms':>14}{'executor ms':>14}{'threads ms':>14}{'ratio':>8}")
    for name, (workflow, inputs, plain) in cases(ray, options.tasks).items():
        repeats, per_round = (50, 50) if name == "one" else (1, options.tasks)

        def on(chosen: DefaultRunner, workflow: str = workflow, inputs: dict[str, Any] = inputs) -> None:
            result = chosen.execute(workflow, inputs)
            assert result.status == "Completed", result.error_message

        def repeat(work: Callable[[], Any], count: int = repeats) -> Callable[[], None]:
            return lambda: [work() for _ in range(count)] and None

        ways = {"plain": repeat(plain), "ray": repeat(lambda: on(runner)), "threads": repeat(lambda: on(threads))}
        for work in ways.values():
            work()
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, work in ways.items():
                took[way].append(timed(work) / per_round * 1000)
        ms = {way: statistics.median(times) for way, times in took.items()}
        ratio = statistics.median([a / b for a, b in zip(took["ray"], took["plain"], strict=True)])
        print(f"{name:8}{ms['plain']:14.2f}{ms['ray']:14.2f}{ms['threads']:14.2f}{ratio:8.2f}", flush=True)


if __name__ == "__main__":
    main()
