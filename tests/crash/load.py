"""A runner process under load, for tests that trouble its database.

`python -m tests.crash.load URL LOG NAME OPTIONS` obeys lines on its input and answers each with one line of JSON:
`batch N` submits N runs and waits for their ends, `load` goes on submitting and waiting until `stop` comes.  It submits
as a client does who wants each run once: with an idempotency key, again and again until it is accepted.  When its
runner notices that the database cannot be used it says `{"refused": <ns>}` without being asked.

OPTIONS are those of the runner, and `silence_seconds`: after how long a connection without replies is given up.

`hold` (answered at once) makes the bodies that begin from now on wait until `go` comes, which is obeyed in the midst of
another order.  The first body that waits says `{"held": <pid>}`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TaskHandle, WorkflowBuilder, WorkflowHandle, task
from holdwater.errors import StoreUnavailable
from holdwater.storage.postgres import pipeline

TASKS = 4
MAX_UNFINISHED_RUNS = 40
"""runs that are unfinished at the same time, at most"""
RETRY_SECONDS = 0.02
RELEASED = threading.Event()
RELEASED.set()
_FIRST_WAITING = threading.Lock()
_PRINT_LOCK = threading.Lock()


def define_workflow(log: int) -> None:
    """Two pairs of tasks, side by side.  Each leaves a line when its body begins: its key, when, and where."""
    with WorkflowBuilder("load"):
        for k in range(TASKS):

            @task(id=f"t{k}", dependencies=[f"t{k - 1}"] if k % 2 else [])
            def body(context: Context, handle: TaskHandle) -> None:
                os.write(log, f"{handle.idempotency_key} {time.time_ns() // 1000} {os.getpid()}\n".encode())
                context[handle.task_id] = 1
                if not RELEASED.is_set():
                    if _FIRST_WAITING.acquire(blocking=False):
                        print_json(held=os.getpid())
                    RELEASED.wait()


class RunClient:
    def __init__(self, runner: DefaultRunner, name: str) -> None:
        self._runner, self._name = runner, name
        self.accepted = 0
        self.completed = 0
        self._unfinished: deque[WorkflowHandle] = deque()

    def submit(self) -> None:
        """Until it is accepted."""
        key = f"{self._name}-{self.accepted}"
        while True:
            try:
                self._unfinished.append(self._runner.submit("load", {"key": key}, idempotency_key=key))
                break
            except StoreUnavailable:
                threading.Event().wait(RETRY_SECONDS)
        self.accepted += 1

    def wait_until_unfinished(self, unfinished: int) -> None:
        """Wait until no more than so many are."""
        while len(self._unfinished) > unfinished:
            self.completed += self._unfinished.popleft().result().status == "Completed"

    def run_batch(self, size: int) -> float:
        """Seconds from the first submission to the last end."""
        begun = time.perf_counter()
        for _ in range(size):
            self.submit()
        self.wait_until_unfinished(0)
        return time.perf_counter() - begun


def print_json(**what: Any) -> None:
    with _PRINT_LOCK:
        print(json.dumps(what), flush=True)


class StoreFailureReporter(logging.Handler):
    """Says so when the runner logs that its database cannot be used; its clients may all be waiting for results."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("the store cannot be used"):
            print_json(refused=time.time_ns())


def read_commands(commands: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        match line.strip():
            case "hold":
                RELEASED.clear()
                print_json(holds=True)
            case "go":
                RELEASED.set()
            case _:
                commands.put(line)
    RELEASED.set()
    commands.put("")


def main(url: str, path: str, name: str, options: str) -> None:
    define_workflow(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    logging.getLogger("holdwater.runner").addHandler(StoreFailureReporter())
    lines: SimpleQueue[str] = SimpleQueue()
    given = json.loads(options)
    pipeline.RESPONSE_TIMEOUT_SECONDS = given.pop("silence_seconds", pipeline.RESPONSE_TIMEOUT_SECONDS)
    with DefaultRunner(url, config=DefaultRunnerConfig(**given)) as runner:
        client = RunClient(runner, name)
        threading.Thread(target=lambda: read_commands(lines), daemon=True).start()
        print_json(ready=True)
        while line := lines.get().split():
            if line[0] == "batch":
                seconds = client.run_batch(int(line[1]))
                print_json(seconds=seconds, accepted=client.accepted, completed=client.completed)
                continue
            while True:
                try:
                    lines.get_nowait()  # it can only be `stop`
                    break
                except Empty:
                    client.submit()
                    client.wait_until_unfinished(MAX_UNFINISHED_RUNS)
            client.wait_until_unfinished(0)
            print_json(accepted=client.accepted, completed=client.completed)


if __name__ == "__main__":
    main(*sys.argv[1:])
