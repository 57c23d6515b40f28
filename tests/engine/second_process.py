"""A busy process: its one slot is held by a body until a line comes on its input, and it submits work all the same.

python -m tests.engine.second_process URL COUNT FAST: says the ids of COUNT runs in a line of JSON, once the body holds
the slot; FAST of the same kind ran before, so that it knows them as fast.  Ends when the body has.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

STARTED = threading.Event()


def define_workflows() -> None:
    with WorkflowBuilder("beside.hold"):

        @task()
        def hold(context: Context) -> None:
            STARTED.set()
            sys.stdin.readline()

    with WorkflowBuilder("beside.trivial"):

        @task()
        def trivial(context: Context) -> None:
            context["pid"] = os.getpid()


def main(url: str, queued_count: int, fast_count: int) -> None:
    define_workflows()
    config = DefaultRunnerConfig(max_concurrent_tasks=1, recovery_interval_seconds=600)
    with DefaultRunner.with_config(url, config) as runner:
        for _ in range(fast_count):
            runner.execute("beside.trivial")
        held = runner.submit("beside.hold")
        STARTED.wait()
        print(json.dumps([runner.submit("beside.trivial").run_id for _ in range(queued_count)]), flush=True)
        held.result()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
