"""A process that forks a fresh one for each job it reads: every job is a real process, and starting it costs little.

A job is a line of JSON {url, log, shape, crash_at, when, out}: run the shape on the database and kill this process with
SIGKILL before or after the n-th transaction that writes.  With `answers` it answers the questions of the run that is
there instead, without the code of the shape; with a `face` the runner of the shape's own style executes it.  Answers a
line with the exit status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import holdwater.engine.engine
from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.ports.store import Store
from holdwater.model.schedules import ScheduleRow
from holdwater.model.time import Micros
from holdwater.storage import open_store
from tests.crash import graph_shapes, runners_under_test, shapes, step_shapes

FIRST_TICK_US = 1_700_000_000_000_000
WRITE_METHODS = (
    "commit",
    "claim_work",
    "release_work",
    "reclaim_expired",
    "commit_firings",
    "put_schedule",
    "announce_workflows",
    "expire_fires",
)
assert all([hasattr(Store, name) for name in WRITE_METHODS])


class KillingStore:
    """A store whose process dies at a transaction."""

    def __init__(self, store: Any, crash_at: int, when: str) -> None:
        self._store, self._calls_left, self._when = store, crash_at, when
        self.transactions = 0

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Whoever asks what kind of store it is learns what it is around."""
        return type(self._store)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._wrap(call) if name in WRITE_METHODS else call

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kw: Any) -> Any:
            self.transactions += 1
            self._calls_left -= 1
            if self._calls_left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = call(*args, **kw)
            if self._calls_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return counted


def run_job(job: dict[str, Any]) -> None:
    shapes.LOG = Path(job["log"])
    opened: list[KillingStore] = []

    def wrap(store: Any) -> Any:
        opened.append(KillingStore(store, job["crash_at"], job["when"]))
        return opened[0]

    def killing(url: str, options: Any = None) -> Any:
        return wrap(open_store(url, options))

    if job["shape"] == "ticks":
        told = run_schedule(job, killing)
        Path(job["out"]).write_text(json.dumps({**told, "transactions": opened[0].transactions}, default=str))
        return
    patch_open_store(killing)
    if job.get("face"):
        told = execute_by_style_runner(job, wrap)
        Path(job["out"]).write_text(json.dumps({**told, "transactions": opened[0].transactions}, default=str))
        return
    given = {} if job.get("answers") else define_shape(job["shape"])
    # a server cannot see that a process died: only that it does not renew its leases
    config = DefaultRunnerConfig(max_concurrent_tasks=3, lease_seconds=1, recovery_interval_seconds=1)
    with DefaultRunner.with_config(job["url"], config) as runner:
        if job.get("answers"):
            answer_pauses(runner)
            Path(job["out"]).write_text(json.dumps({"transactions": opened[0].transactions}))
            return
        result = runner.execute(job["shape"], given, idempotency_key="once")
        if job.get("steer"):  # what somebody does who wants it to succeed, and then something else of it
            while result.status == "Failed":
                runner.retry(result.run_id)
                result = runner.handle(result.run_id).result()
            fork = runner.fork(result.run_id, "last", context={"mark": "-fork"}, idempotency_key="fork")
            result = fork.result()
        told = {
            "status": result.status,
            "context": result.final_context.to_dict(),
            "states": {t.task_name: t.status for t in result.task_results},
            "asks": [pause.pause_id for pause in runner.pauses(result.run_id)],
        }
    Path(job["out"]).write_text(json.dumps({**told, "transactions": opened[0].transactions}, default=str))


def define_shape(shape: str) -> dict[str, Any]:
    """Define the shape here; returns what it is given."""
    if shape in step_shapes.SHAPES:
        return step_shapes.define_shape(shape)
    if shape in graph_shapes.SHAPES:
        return graph_shapes.define_shape(shape)
    shapes.define_shape(shape)
    return {"given": 1}


def execute_by_style_runner(job: dict[str, Any], wrap_store: runners_under_test.WrapStore) -> dict[str, Any]:
    if job["face"] == "graphs":
        return runners_under_test.execute_graph(job["shape"], job["url"])
    return runners_under_test.execute_steps(job["shape"], job["storage"], job["url"], wrap_store)


def answer_pauses(runner: DefaultRunner) -> None:
    """Give every open question the answer it wants."""
    (run,) = runner.list_runs(top_level=True)
    for pause in runner.pauses(run.run_id):
        runner.answer(run.run_id, pause.pause_id, pause.value["reply"])


def patch_open_store(open_store_function: Callable[..., Any]) -> None:
    setattr(holdwater.engine.engine, "open_store", open_store_function)  # noqa: B010 - the engine imports it, and does not export it


def run_schedule(job: dict[str, Any], open_store_function: Callable[..., Any]) -> dict[str, Any]:
    """A schedule of four instants, whose runs wait for each other."""
    patch_open_store(open_store_function)
    shapes.define_shape("ticks")
    row = ScheduleRow(
        "5c4ed01e-0000-4000-8000-000000000000", "cron", "ticks", "ticks", "* * * * * *", catchup="run_all",
        overlap="queue", settled_at=Micros(FIRST_TICK_US), start_at=Micros(FIRST_TICK_US + 1),
        end_at=Micros(FIRST_TICK_US + 4_500_000), next_at=Micros(FIRST_TICK_US),
    )  # fmt: skip
    config = DefaultRunnerConfig(cron_max_recovery_age_seconds=3 * 10**9)
    with DefaultRunner.with_config(f"sqlite:///{job['db']}?_synchronous=OFF", config) as runner:
        runner._engine.store.put_schedule(row)  # or it is there already
        runner._engine.driver.check_for_work()
        done: list[str] = []
        while len(done) < 4:  # bounded by the test's time-out
            rows = runner.get_cron_execution_history(row.id)
            done = [f["scheduled_time"] for f in rows if f["status"] == "Completed"]
    return {"instants": done, "fires": len(rows)}


def serve_jobs() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run_job(json.loads(line))
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve_jobs()
