"""Controlling recorded runs, whichever process executes them and without the code of their workflows.

A request is journalled with its author (`by`, as `cli:alice`) and reason, and the runners of the database are notified;
nothing is executed, claimed or recovered here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.engine import Engine
from holdwater.errors import InvalidTransition, RunNotFinished
from holdwater.model.records import RunFilter
from holdwater.model.statuses import ACTIVE_STATUSES, RunStatus
from holdwater.runs.info import RunInfo
from holdwater.runs.open_pauses import Pause

POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class RunSituation:
    """A run after a request.  `executing_tasks`: tasks whose functions a runner executes now.

    `is_claimed`: a runner that lives has work of the run.
    """

    run: RunInfo
    executing_tasks: tuple[str, ...]
    is_claimed: bool


def inspect_run(engine: Engine, run_id: str) -> RunSituation:
    """Read a run and its tasks that are being executed.  Raises RunNotFound, StoreError."""
    run, now = engine.reader.info(run_id), engine.clock.now()
    held = [w for w in engine.store.work_of_run(run_id) if w.owner is not None and w.lease_until > now]
    nodes = engine.reader.view(run_id).plan.nodes if held else ()
    return RunSituation(run, tuple([nodes[w.node].name for w in held if w.kind == "execute" and w.started]), bool(held))


def is_executing(engine: Engine, run_id: str) -> bool:
    """Return True if this engine executes a function of a run.  False with unfinished child runs: it may only wait.

    Raises StoreUnavailable.
    """
    work = engine.store.work_of_run(run_id)
    if not any(w.owner == engine.owner and w.kind == "execute" and w.started for w in work):
        return False
    return not engine.store.list_runs(RunFilter(parent_id=run_id, statuses=ACTIVE_STATUSES, limit=1))


def wait_for_pickup(engine: Engine, run_id: str, seconds: float) -> RunSituation:
    """Wait up to so long until a runner has claimed work of the run, or the run is not running.

    Raises RunNotFound, StoreError.
    """
    give_up = time.monotonic() + seconds
    while True:
        now = inspect_run(engine, run_id)
        if now.is_claimed or now.run.status != RunStatus.RUNNING or time.monotonic() >= give_up:
            return now
        time.sleep(POLL_SECONDS)


def cancel_run(
    engine: Engine, run_id: str, reason: str = "", *, by: str = "", wait_seconds: float | None = None
) -> RunSituation:
    """End a run: nothing more of it starts, and running functions are told.  At once if no process executes it.

    `wait_seconds`: wait up to so long for its end; then an earlier request to cancel it is no error.
    Raises RunNotFound, InvalidTransition, StoreUnavailable, RunnerClosed.
    """
    engine.store.reclaim_expired(engine.clock.now())  # the end does not wait for a process that is dead
    try:
        engine.control.cancel(run_id, reason, by=by)
    except InvalidTransition:
        if wait_seconds is None or engine.reader.row(run_id).status not in (RunStatus.RUNNING, RunStatus.CANCELLED):
            raise
    now = inspect_run(engine, run_id)
    if wait_seconds is not None and now.run.status == RunStatus.RUNNING:
        with suppress(RunNotFinished):
            engine.wait_for_run(run_id, wait_seconds)
        now = inspect_run(engine, run_id)
    return now


def pause_run(engine: Engine, run_id: str, reason: str = "", *, by: str = "") -> RunSituation:
    """Start nothing more of a run for now; running functions end as usual.

    Raises RunNotFound, InvalidTransition, StoreUnavailable, RunnerClosed.
    """
    engine.control.pause(run_id, reason, by=by)
    return inspect_run(engine, run_id)


def resume_run(
    engine: Engine, run_id: str, reason: str = "", *, by: str = "", pickup_seconds: float = 0.0
) -> RunSituation:
    """Let a paused run go on.  `pickup_seconds`: wait up to so long for a runner to claim it.

    Raises RunNotFound, InvalidTransition, StoreUnavailable, RunnerClosed.
    """
    engine.control.resume(run_id, reason, by=by)
    return wait_for_pickup(engine, run_id, pickup_seconds)


def retry_run(
    engine: Engine,
    run_id: str,
    reason: str = "",
    *,
    by: str = "",
    release: Literal["active"] | None = None,
    pickup_seconds: float = 0.0,
) -> RunSituation:
    """Try again what failed or was cancelled in a run that has ended; what succeeded is kept.

    `release`: "active" moves it to the release that new runs of its workflow take; otherwise it stays on its own.
    `pickup_seconds`: wait up to so long for a runner to claim it.
    Raises RunNotFound, InvalidTransition, StructureChanged, WorkflowNotFound, StoreUnavailable, RunnerClosed.
    """
    engine.control.retry(run_id, reason, by=by, release=release)
    return wait_for_pickup(engine, run_id, pickup_seconds)


def find_pause(engine: Engine, run_id: str, key: str | None = None) -> Pause:
    """Find an open question, by its pause id or the name of its answer; None: the only one.

    Raises PauseNotFound, RunNotFound, StoreError.
    """
    return engine.reader.find_pause(run_id, key)


def answer_pause(
    engine: Engine, run_id: str, pause: Pause, value: Any, *, by: str = "", pickup_seconds: float = 0.0
) -> RunSituation:
    """Answer an open question of a run.  `pickup_seconds`: wait up to so long for a runner to claim it.

    Raises PauseNotFound (it was answered meanwhile), AnswerError, EncodingError, StoreUnavailable, RunnerClosed.
    """
    engine.control.submit_answer(pause, value, by=by)
    return wait_for_pickup(engine, run_id, pickup_seconds)


def fork_run(
    engine: Engine,
    run_id: str,
    from_task: str,
    values: Mapping[str, Any] | None = None,
    removed: Collection[str] = (),
    *,
    idempotency_key: str | None = None,
    by: str = "",
    pickup_seconds: float = 0.0,
) -> RunSituation:
    """Start a run that takes over what succeeded in another one, and runs `from_task` and all that comes after it.

    `values`: set for `from_task`; `removed`: names it will not see.  With a key that a run has, that run is returned.
    `pickup_seconds`: wait up to so long for a runner to claim it.
    Raises RunNotFound, TaskNotFound, StructureChanged, ConfigError, EncodingError, IdempotencyConflict,
    StoreUnavailable, RunnerClosed.
    """
    fork = engine.fork(run_id, from_task, values or {}, removed, idempotency_key=idempotency_key, by=by)
    return wait_for_pickup(engine, fork.info.id, pickup_seconds)
