"""Starting several runs in few transactions, and runs of workflows that are announced in the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.engine.announced_runs import AnnouncedRuns
from holdwater.engine.waiting import RunFuture
from holdwater.model import events as ev
from holdwater.model import input_digest, validation
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.provenance import FROM_CODE, Provenance
from holdwater.model.records import RunRow
from holdwater.runs.info import RunInfo
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.driver import Driver
from holdwater.runtime.future import Future
from holdwater.runtime.run_table import Accepted

MAX_RUNS_PER_COMMIT: Final = 500
"""new runs of one request that are written in one transaction"""

PrepareRun = Callable[[str, Any, Provenance], tuple[WorkflowDefinition, dict[str, Any], RunRow]]
"""workflow, inputs and provenance -> its definition, the cells to start with and the row of a new run"""


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that is on disk.  `is_new`: this call has started it; False: an idempotency key led to an earlier run."""

    info: RunInfo
    is_new: bool
    future: RunFuture


class RunBatches:
    """Starts runs of one engine; each method returns when all are on disk.

    They are written `MAX_RUNS_PER_COMMIT` at a time, and none is if one of the inputs does not fit.  With an
    idempotency key that is taken: the run that has it.
    Raises WorkflowNotFound, MissingInputError, EncodingError, InvalidArgument, IdempotencyConflict, StoreUnavailable,
    RunnerClosed.
    """

    def __init__(
        self,
        driver: Driver,
        announced: AnnouncedRuns,
        prepare_run: PrepareRun,
        note_caller: Callable[[str], None],
        wait_until_accepted: Callable[[Future[Accepted], RunRow], StartedRun],
    ) -> None:
        self._driver, self._announced, self._prepare_run = driver, announced, prepare_run
        self._note_caller, self._wait_until_accepted = note_caller, wait_until_accepted

    def submit(
        self,
        workflow: str,
        inputs: Sequence[Any],
        *,
        idempotency_keys: Sequence[str] | None = None,
        provenance: Provenance = FROM_CODE,
    ) -> list[StartedRun]:
        """Start a run of a workflow of this process for each of these inputs.  `idempotency_keys`: one for each."""
        runs: list[ActiveRun] = []
        for given, key in zip(inputs, _check_keys(idempotency_keys, len(inputs)), strict=True):
            definition, cells, row = self._prepare_run(workflow, given, provenance)
            if key is not None:
                row.idempotency_key, row.inputs_digest = key, input_digest.digest_of_cells(cells)
            run = self._driver.run_loader.new_run(row, definition)
            run.apply_entry(JournalEntry(ev.Started(cells)), self._announced.clock)
            runs.append(run)
        return self._submit_runs(runs)

    def submit_announced(
        self,
        workflow: str,
        inputs: Sequence[Mapping[str, Any] | None],
        *,
        idempotency_keys: Sequence[str] | None = None,
        timeout_seconds: float | None = None,
        provenance: Provenance = FROM_CODE,
        release: str | None = None,
    ) -> list[StartedRun]:
        """Start a run of an announced workflow for each of these inputs; its code need not be here.

        `timeout_seconds`: limit of each run, None for none.  `release`: of the runs, None: the active one.  Raises
        InputError, ReleaseNotFound, ReleaseBroken, too.
        """
        self._driver.raise_if_closed()
        provenance.check()
        found = self._announced.find_workflow(workflow, release)
        runs = [
            self._announced.create_run(found, given, key, timeout_seconds, provenance)
            for given, key in zip(inputs, _check_keys(idempotency_keys, len(inputs)), strict=True)
        ]
        for run in runs:
            self._note_caller(run.row.id)
        return self._submit_runs(runs)

    def _submit_runs(self, runs: Sequence[ActiveRun]) -> list[StartedRun]:
        started: list[StartedRun] = []
        for first in range(0, len(runs), MAX_RUNS_PER_COMMIT):
            batch = runs[first : first + MAX_RUNS_PER_COMMIT]
            accepted = self._driver.submit_prepared_runs(batch)
            started += [self._wait_until_accepted(one, run.row) for one, run in zip(accepted, batch, strict=True)]
        return started


def check_idempotency_key(key: str | None) -> None:
    """Check a key.  Raises InvalidArgument."""
    if key is not None:
        validation.check_text("an idempotency key", key, max_bytes=validation.MAX_IDEMPOTENCY_KEY_BYTES)


def _check_keys(keys: Sequence[str] | None, count: int) -> Sequence[str | None]:
    if keys is None:
        return [None] * count
    for key in keys:
        check_idempotency_key(key)
    return keys
