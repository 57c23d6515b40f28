"""A program for processes that are stopped, hang or lose the network: a runner whose bodies wait to be let go.

python -m tests.engine.stopped_processes URL [OPTIONS as JSON]: obeys lines on stdin and says lines on stdout.

    start NAME [KEY]   starts a run of a workflow; with a key again and again until it is accepted
    go WHAT            lets the bodies go that wait for it
    rest               says "at rest" when no body runs or waits here
    block              blocks the driver's loop until `go driver`, and says "blocked" then
    hold, free         keeps the driver from renewing leases (and says "held"), or lets it
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import threading
import time
from collections import defaultdict

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TaskHandle, WorkflowBuilder, task
from holdwater.errors import StoreUnavailable
from holdwater.model.time import Micros
from holdwater.storage.postgres import pipeline

gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
_print_lock = threading.Lock()


def print_line(*words: object) -> None:
    with _print_lock:
        print(*words, flush=True)


def wait_for_cancel(handle: TaskHandle) -> None:
    """Wait to be told to stop."""
    while not handle.cancelled:
        gates["never"].wait(0.01)
    print_line("told", handle.task_id)


def append_effect(handle: TaskHandle, actor: str) -> None:
    """A line in the file $EFFECTS: task, when by the machine's monotonic clock, and whose it is."""
    line = f"{handle.idempotency_key} {time.monotonic_ns()} {actor}\n"
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(line)


def hold_interpreter() -> None:
    """Wait for a byte from the pipe $HOG with the interpreter's lock held, as C code does that does not release it."""
    pipe = os.open(os.environ["HOG"], os.O_RDONLY)
    ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)


with WorkflowBuilder("pair"):

    @task()
    def first(context: Context, handle: TaskHandle) -> None:
        print_line("begun first")
        wait_for_cancel(handle)
        gates["first"].wait()

    @task()
    def second(context: Context) -> None:
        print_line("begun second")


with WorkflowBuilder("queue"):

    @task(id="one")
    def one(context: Context) -> None:
        print_line("begun one")
        gates["one"].wait()

    @task(id="two")
    def two(context: Context) -> None:
        print_line("begun two")


with WorkflowBuilder("hog"):

    @task(id="body")
    def hog(context: Context) -> None:
        gates["started"].wait()  # whoever started it can say so no more after this
        print_line("begun body")
        hold_interpreter()
        context["by"] = "the first"


with WorkflowBuilder("loop"):

    @task(id="body")
    async def block(context: Context) -> None:
        print_line("begun body")
        gates["loop"].wait()  # blocks the event loop
        await asyncio.sleep(0)
        context["by"] = "the first"


with WorkflowBuilder("heeds"):

    @task(id="body")
    def heeds(context: Context, handle: TaskHandle) -> None:
        print_line("begun body", handle.attempt)
        while not gates["heeds"].wait(0.01):
            if handle.cancelled:
                print_line("told body")
                handle.raise_if_cancelled()
        context["by"] = "the first"


with WorkflowBuilder("effects"):
    for name in ("one", "two"):

        @task(id=name)
        def acts(context: Context, handle: TaskHandle) -> None:
            print_line("begun", handle.task_id)
            while not gates["effects"].wait(0.005):
                if handle.cancelled:
                    print_line("told", handle.task_id)
                    handle.raise_if_cancelled()
                append_effect(handle, "the first")
            context[handle.task_id] = "the first"


with WorkflowBuilder("next"):

    @task(id="quick")
    def quick(context: Context) -> None:
        print_line("begun quick")


def submit_until_accepted(runner: DefaultRunner, name: str, key: str | None) -> str:
    while True:
        try:
            return runner.submit(name, idempotency_key=key).run_id
        except StoreUnavailable:
            if key is None:
                raise
            gates["never"].wait(0.02)


def block_loop() -> None:
    print_line("blocked")
    gates["driver"].wait()


def obey_commands(runner: DefaultRunner) -> None:
    renew, free = runner._engine.store.renew_leases, threading.Event()
    free.set()

    def held(owner: str, lease_until: int) -> None:
        free.wait()
        renew(owner, Micros(lease_until))

    runner._engine.store.renew_leases = held  # type: ignore[method-assign]
    print_line("ready")
    for line in sys.stdin:
        match line.split():
            case ["start", name, *key]:
                print_line("started", submit_until_accepted(runner, name, key[0] if key else None))
                gates["started"].set()
            case ["go", what]:
                gates[what].set()
            case ["block"]:
                runner._engine.driver.loop.call_soon(block_loop)
            case ["hold"]:
                free.clear()
                print_line("held")
            case ["free"]:
                free.set()
            case ["rest"]:
                while (m := runner.executor_metrics()["default"]).active_tasks or m.waiting_tasks:
                    gates["never"].wait(0.005)
                print_line("at rest")


def main(url: str, options: str = "{}") -> None:
    given = {"lease_seconds": 1.0, "max_concurrent_tasks": 1, "shutdown_timeout_seconds": 0, **json.loads(options)}
    pipeline.RESPONSE_TIMEOUT_SECONDS = given.pop("silence_seconds", pipeline.RESPONSE_TIMEOUT_SECONDS)
    with DefaultRunner.with_config(url, DefaultRunnerConfig(**given)) as runner:
        obey_commands(runner)


if __name__ == "__main__":
    main(*sys.argv[1:])
