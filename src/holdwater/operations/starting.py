"""Starting runs of workflows that this process has."""

from __future__ import annotations

from typing import Any

from holdwater.engine.engine import Engine, StartedRun
from holdwater.model.provenance import FROM_CODE, Provenance


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
