"""Starting runs: of workflows that this process has, or of those that runners of the database have announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from holdwater.engine.engine import Engine
from holdwater.engine.run_batches import StartedRun
from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.provenance import FROM_CODE, Provenance
from holdwater.operations.paused_workflows import check_not_paused

T = TypeVar("T")

MAX_RUNS_PER_CALL: Final = 10_000
"""runs that one call may start"""
DEFAULT_RUN_TIMEOUT_SECONDS: Final = 3600.0
"""time limit of a run that is started without its code, as a runner gives to its own"""


def start_run(
    engine: Engine,
    workflow: str,
    inputs: Any = None,
    *,
    idempotency_key: str | None = None,
    provenance: Provenance = FROM_CODE,
) -> StartedRun:
    """Start a run of a registered workflow; it is on disk when this returns.  With a key that a run has: that run.

    Raises WorkflowNotFound, EncodingError, MissingInputError, InvalidArgument, IdempotencyConflict,
    StoreUnavailable, RunnerClosed.
    """
    return engine.submit(workflow, inputs, idempotency_key=idempotency_key, provenance=provenance)


def start_by_name(
    engine: Engine,
    workflow: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    idempotency_key: str | None = None,
    timeout_seconds: float | None = DEFAULT_RUN_TIMEOUT_SECONDS,
    provenance: Provenance = FROM_CODE,
    release: str | None = None,
) -> StartedRun:
    """Start a run of a workflow that a runner of the database has announced, whether this process has its code or not.

    `inputs`: by name, JSON values or what the codec can store; they are checked by the announced `inputs_schema`, and
    converted to the annotated types where the code is.  The run is on disk when this returns, and any runner that has
    the workflow takes it.  With a key that a run of this workflow has: that run.  `timeout_seconds`: its time limit.
    `release`: of a package, instead of the active one.
    Raises WorkflowNotFound, WorkflowPaused, InputError, MissingInputError, EncodingError, IdempotencyConflict,
    StoreUnavailable, RunnerClosed; with `release` ReleaseNotFound, ReleaseBroken, ReleaseDraining.
    """
    keys = None if idempotency_key is None else [idempotency_key]
    return start_many(
        engine,
        workflow,
        [inputs],
        idempotency_keys=keys,
        timeout_seconds=timeout_seconds,
        provenance=provenance,
        release=release,
    )[0]


def start_many(
    engine: Engine,
    workflow: str,
    inputs: Iterable[Mapping[str, Any] | None],
    *,
    idempotency_keys: Iterable[str] | None = None,
    timeout_seconds: float | None = DEFAULT_RUN_TIMEOUT_SECONDS,
    provenance: Provenance = FROM_CODE,
    release: str | None = None,
) -> list[StartedRun]:
    """Start a run as `start_by_name` does for each of these inputs, `MAX_RUNS_PER_CALL` at most, in few transactions.

    All inputs are checked before the first run is written.  If the database fails in the middle, the runs written until
    then stay; with keys, the same call again starts the others only.
    Raises InvalidArgument, too, for too many inputs and for another number of keys.
    """
    given, keys = check_batch(inputs, idempotency_keys)
    if timeout_seconds is not None:
        validation.check_seconds("timeout_seconds", timeout_seconds, error_class=InvalidArgument)
    check_not_paused(engine.store, workflow)
    return engine.batches.submit_announced(
        workflow, given, idempotency_keys=keys, timeout_seconds=timeout_seconds, provenance=provenance, release=release
    )


def check_batch(inputs: Iterable[T], idempotency_keys: Iterable[str] | None) -> tuple[list[T], list[str] | None]:
    """Check how many runs one call starts.  Raises InvalidArgument."""
    given = list(inputs)
    keys = None if idempotency_keys is None else list(idempotency_keys)
    if len(given) > MAX_RUNS_PER_CALL:
        raise InvalidArgument(
            f"{len(given):,} runs in one call are too many", hint=f"start {MAX_RUNS_PER_CALL:,} at a time"
        )
    if keys is not None and len(keys) != len(given):
        raise InvalidArgument(f"{len(given):,} inputs need as many idempotency keys, not {len(keys):,}")
    return given, keys
