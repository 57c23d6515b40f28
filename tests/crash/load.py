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
WINDOW = 40
"""runs that are unfinished at the same time, at most"""
AGAIN_SECONDS = 0.02
GO = threading.Event()
GO.set()
_HELD = threading.Lock()
_SAYING = threading.Lock()


def define(log: int) -> None:
    """Two pairs of tasks, side by side.  Each leaves a line when its body begins: its key, when, and where."""
    with WorkflowBuilder("load"):
        for k in range(TASKS):

            @task(id=f"t{k}", dependencies=[f"t{k - 1}"] if k % 2 else [])
            def body(context: Context, handle: TaskHandle) -> None:
                os.write(log, f"{handle.idempotency_key} {time.time_ns() // 1000} {os.getpid()}\n".encode())
                context[handle.task_id] = 1
                if not GO.is_set():
                    if _HELD.acquire(blocking=False):
                        say(held=os.getpid())
                    GO.wait()


class Client:
    def __init__(self, runner: DefaultRunner, name: str) -> None:
        self._runner, self._name = runner, name
        self.accepted = 0
        self.completed = 0
        self._open: deque[WorkflowHandle] = deque()

    def submit(self) -> None:
        """Until it is accepted."""
        key = f"{self._name}-{self.accepted}"
        while True:
            try:
                self._open.append(self._runner.submit("load", {"key": key}, idempotency_key=key))
                break
            except StoreUnavailable:
                threading.Event().wait(AGAIN_SECONDS)
        self.accepted += 1

    def finish(self, unfinished: int) -> None:
        """Wait until no more than so many are."""
        while len(self._open) > unfinished:
            self.completed += self._open.popleft().result().status == "Completed"

    def batch(self, size: int) -> float:
        """Seconds from the first submission to the last end."""
        begun = time.perf_counter()
        for _ in range(size):
            self.submit()
        self.finish(0)
        return time.perf_counter() - begun


def say(**what: Any) -> None:
    with _SAYING:
        print(json.dumps(what), flush=True)


class Noticed(logging.Handler):
    """Says so when the runner logs that its database cannot be used; its clients may all be waiting for results."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("the store cannot be used"):
            say(refused=time.time_ns())


def read(lines: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        match line.strip():
            case "hold":
                GO.clear()
                say(holds=True)
            case "go":
                GO.set()
            case _:
                lines.put(line)
    GO.set()
    lines.put("")


def main(url: str, path: str, name: str, options: str) -> None:
    define(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    logging.getLogger("holdwater.runner").addHandler(Noticed())
    lines: SimpleQueue[str] = SimpleQueue()
    given = json.loads(options)
    pipeline.RESPONSE_TIMEOUT_SECONDS = given.pop("silence_seconds", pipeline.RESPONSE_TIMEOUT_SECONDS)
    with DefaultRunner(url, config=DefaultRunnerConfig(**given)) as runner:
        client = Client(runner, name)
        threading.Thread(target=lambda: read(lines), daemon=True).start()
        say(ready=True)
        while line := lines.get().split():
            if line[0] == "batch":
                seconds = client.batch(int(line[1]))
                say(seconds=seconds, accepted=client.accepted, completed=client.completed)
                continue
            while True:
                try:
                    lines.get_nowait()  # it can only be `stop`
                    break
                except Empty:
                    client.submit()
                    client.finish(WINDOW)
            client.finish(0)
            say(accepted=client.accepted, completed=client.completed)


if __name__ == "__main__":
    main(*sys.argv[1:])
