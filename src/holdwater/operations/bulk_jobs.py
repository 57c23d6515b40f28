"""Doing the same to many runs: those that match a filter at the instant of asking, or a list of them.

The request is a job in the database, so that a process that dies leaves nothing half done: another one goes on with the
runs that are left, and no run is acted on twice.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, get_args

from holdwater.engine import Engine
from holdwater.errors import (
    BulkJobNotFound,
    DecodingError,
    HoldwaterError,
    IdempotencyConflict,
    InvalidArgument,
    InvalidTransition,
    RunNotFound,
    StoreError,
    StoreUnavailable,
    StructureChanged,
)
from holdwater.model import ids, validation
from holdwater.model.bulk_jobs import CHUNK_RUNS, MAX_BULK_RUNS, MAX_REFUSALS, BulkJob, BulkVerb
from holdwater.model.provenance import check_author
from holdwater.model.records import MAX_LISTED_RUNS, CappedCount, RunFilter
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.operations.control import cancel_run, pause_run, resume_run, retry_run
from holdwater.operations.databases import Database
from holdwater.operations.run_filters import check_filter
from holdwater.operations.runs import count_runs
from holdwater.runs.event_reader import RunEventReader

LEASE_SECONDS: Final = 30.0
"""a process that executes a job and says nothing for so long is taken to be dead"""
KEPT_SECONDS: Final = 30 * 86_400.0
"""jobs that ended longer ago are deleted when another one is created"""
FORGET_PAUSE_SECONDS: Final = 0.02
"""between two chunks of deletions, for everything else that writes"""

_REFUSALS: Final = (DecodingError, InvalidArgument, InvalidTransition, RunNotFound, StoreError, StructureChanged)
"""of one run, which must not hold up the others"""
_CONTROL: Final[dict[BulkVerb, Callable[..., object]]] = {
    "cancel": cancel_run,
    "pause": pause_run,
    "resume": resume_run,
    "retry": retry_run,
}


@dataclass(frozen=True, slots=True)
class SelectedRuns:
    """Runs of a job: those of `run_ids`, or those that match `which`, whose page is ignored."""

    run_ids: tuple[str, ...] = ()
    which: RunFilter | None = None

    def digest(self) -> str:
        """Fingerprint of what is selected."""
        data = [self.run_ids, None if self.which is None else asdict(self.which.without_page())]
        return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:32]


# -- creating


def preview_bulk_job(database: Database, selection: SelectedRuns) -> dict[str, CappedCount]:
    """Count the selected runs by status, up to 10,000 each.  Raises InvalidArgument, StoreUnavailable."""
    if selection.which is not None:
        return count_runs(database.runs, selection.which)
    rows = [database.store.get_run(run_id) for run_id in _unique(selection.run_ids)]
    counts = Counter([row.status for row in rows if row is not None])
    return {status: CappedCount.of(count) for status, count in counts.items()}


def create_bulk_job(
    database: Database,
    verb: BulkVerb,
    selection: SelectedRuns,
    reason: str = "",
    *,
    by: str = "",
    idempotency_key: str | None = None,
) -> BulkJob:
    """Write a job for the runs that are selected now, `MAX_BULK_RUNS` at most; runs that match later are left alone.

    With a key that a job has, that job is returned.
    Raises InvalidArgument, IdempotencyConflict, StoreReadOnly, StoreUnavailable.
    """
    if verb not in get_args(BulkVerb):
        raise InvalidArgument(f"{verb!r} cannot be done to runs", hint=f"one of {', '.join(get_args(BulkVerb))}")
    validation.check_text("a reason", reason, max_bytes=validation.MAX_REASON_BYTES, allow_empty=True)
    now = database.clock.now()
    job_id = ids.new_run_id(now) if idempotency_key is None else _id_of_key(idempotency_key)
    digest = hashlib.sha256(json.dumps([verb, reason, selection.digest()]).encode()).hexdigest()[:32]
    known = None if idempotency_key is None else database.store.get_bulk_job(job_id)
    if known is None:
        chosen, has_more = _choose(database, selection)
        job = BulkJob(job_id, verb, len(chosen), now, reason=reason, by=by, has_more=has_more, digest=digest)
        check_author(_author_of(job))
        chunks = [chosen[k : k + CHUNK_RUNS] for k in range(0, len(chosen), CHUNK_RUNS)]
        if database.store.create_bulk_job(job, chunks, add_seconds(now, -KEPT_SECONDS)):
            return job
        known = get_bulk_job(database, job_id)
    if known.digest != digest:
        raise IdempotencyConflict(
            f"idempotency key {idempotency_key!r} belongs to bulk job {job_id}, which is another request",
            hint="use a new key for a new request",
        )
    return known


def _id_of_key(key: str) -> str:
    text = validation.check_text("an idempotency key", key, max_bytes=validation.MAX_IDEMPOTENCY_KEY_BYTES)
    return f"key-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _choose(database: Database, selection: SelectedRuns) -> tuple[list[str], bool]:
    """List the selected runs, the newest first; True with them if there are more than one job takes."""
    if selection.which is None:
        given = _unique(selection.run_ids)
        return given[:MAX_BULK_RUNS], len(given) > MAX_BULK_RUNS
    check_filter(selection.which)
    which = replace(selection.which.without_page(), limit=MAX_LISTED_RUNS)
    chosen: list[str] = []
    while len(chosen) <= MAX_BULK_RUNS:
        page = database.store.page_runs(which)
        chosen += [row.id for row in page.rows]
        beyond = page.scanned_until
        if beyond is None and page.has_more and page.rows:
            beyond = which.position_of(page.rows[-1])
        if beyond is None:
            break
        which.cursor = beyond
    return chosen[:MAX_BULK_RUNS], len(chosen) > MAX_BULK_RUNS


def _unique(run_ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(run_ids))


# -- reading and stopping


def get_bulk_job(database: Database, job_id: str) -> BulkJob:
    """Read a job.  Raises BulkJobNotFound, StoreUnavailable."""
    found = database.store.get_bulk_job(validation.check_search_text("the id of a bulk job", job_id))
    if found is None:
        raise BulkJobNotFound(f"there is no bulk job {job_id!r}", hint="`holdwater bulk list` shows those there are")
    return found


def list_bulk_jobs(database: Database, limit: int = 100) -> list[BulkJob]:
    """List jobs, the newest first, 1,000 at most.  Raises StoreUnavailable."""
    return database.store.list_bulk_jobs(limit)


def stop_bulk_job(database: Database, job_id: str) -> BulkJob:
    """Have a job act on no further runs, but for some that it is at; what was done stays.

    Raises BulkJobNotFound, InvalidTransition, StoreReadOnly, StoreUnavailable.
    """
    job = get_bulk_job(database, job_id)
    if not database.store.stop_bulk_job(job_id, database.clock.now()):
        raise InvalidTransition(f"bulk job {job_id} is {job.state} already")
    return get_bulk_job(database, job_id)


# -- executing


def execute_bulk_job(
    engine: Engine,
    job_id: str,
    *,
    stopping: threading.Event | None = None,
    on_progress: Callable[[BulkJob], None] | None = None,
) -> BulkJob:
    """Act on the runs of a job that are left, and return it as it is then.

    A run that it does not fit, or that cannot be read, is left as it is, and told.  `stopping`: once it is set, the
    rest is left to another process.
    Raises BulkJobNotFound; InvalidTransition if another process executes the job; StoreReadOnly, StoreUnavailable and
    RunnerClosed, after which the job can be executed again.
    """
    execution = _Execution(engine, get_bulk_job(Database.of(engine), job_id))
    while execution.job.state == "running":
        if stopping is not None and stopping.is_set():
            execution.release()
            break
        if not execution.do_chunk():
            break
        if on_progress is not None:
            on_progress(execution.job)
        if execution.job.verb == "forget" and execution.job.left_count:
            (stopping or threading.Event()).wait(FORGET_PAUSE_SECONDS)
    return get_bulk_job(Database.of(engine), job_id)


class _Execution:
    """The execution of one job by this process."""

    def __init__(self, engine: Engine, job: BulkJob) -> None:
        """Take the job, if it is still to be done.  Raises InvalidTransition."""
        self._engine, self._store, self._clock = engine, engine.store, engine.clock
        self.job = job
        self._may_be_begun = job.owner is not None
        """an earlier process may have acted on a part of the first chunk"""
        self._renewed_at = time.monotonic()
        if job.state == "running":
            if not self._claim():
                raise InvalidTransition(
                    f"bulk job {job.id} is executed by another process",
                    hint="`holdwater bulk show` tells how far it is",
                )
            # read again: it may have gone on since
            self.job = replace(self._store.get_bulk_job(job.id) or job, owner=engine.owner)

    def release(self) -> None:
        """Leave the rest to another process."""
        self._store.save_bulk_progress(replace(self.job, lease_until=UNSET), None)

    def do_chunk(self) -> bool:
        """Act on the next chunk; returns False if the job was stopped or taken by another process."""
        chunk = self._store.next_bulk_chunk(self.job.id)
        if chunk is None:
            self.job = replace(self.job, state="completed", ended_at=self._clock.now())
            return self._store.save_bulk_progress(self.job, None)
        number, run_ids = chunk
        refusals = self._forget(run_ids) if self.job.verb == "forget" else self._control(run_ids)
        if refusals is None:
            return False
        self._may_be_begun = False
        told = dict([*self.job.refusals.items(), *refusals.items()][:MAX_REFUSALS])
        self.job = replace(
            self.job,
            done_count=self.job.done_count + len(run_ids) - len(refusals),
            refused_count=self.job.refused_count + len(refusals),
            refusals=told,
            lease_until=self._lease_until(),
        )
        self._renewed_at = time.monotonic()
        return self._store.save_bulk_progress(self.job, number)

    def _control(self, run_ids: Sequence[str]) -> dict[str, str] | None:
        """Return the runs that it does not fit, with the reasons; None if another process has the job now."""
        act, author = _CONTROL[self.job.verb], _author_of(self.job)
        refusals: dict[str, str] = {}
        for run_id in run_ids:
            if time.monotonic() - self._renewed_at > LEASE_SECONDS / 3 and not self._claim():
                return None
            try:
                if not (self._may_be_begun and self._was_done(run_id, author)):
                    act(self._engine, run_id, self.job.reason, by=author)
            except StoreUnavailable:
                raise
            except _REFUSALS as error:
                refusals[run_id] = error.message
        return refusals

    def _was_done(self, run_id: str, author: str) -> bool:
        """Return True if the journal of a run has the request of this job already."""
        events = RunEventReader(self._store, validation.check_search_text("the id of a run", run_id)).read()
        return any([getattr(event, "by", "") == author for event in events])

    def _forget(self, run_ids: Sequence[str]) -> dict[str, str]:
        refusals: dict[str, str] = {}
        ended: list[str] = []
        for run_id in run_ids:
            try:
                self._check_ended(run_id)
                ended.append(run_id)
            except RunNotFound as error:
                if not self._may_be_begun:
                    refusals[run_id] = error.message
            except HoldwaterError as error:
                if isinstance(error, StoreUnavailable):
                    raise
                refusals[run_id] = error.message
        gone = set(self._store.delete_runs(ended))
        return refusals | {run_id: "a run that it has started has not ended" for run_id in ended if run_id not in gone}

    def _check_ended(self, run_id: str) -> None:
        row = self._engine.reader.row(run_id)
        if row.parent_id is not None:
            raise InvalidTransition(f"it belongs to run {row.parent_id}, and is deleted with it")
        if row.finished_at is None:
            raise InvalidTransition(f"it is {row.status}: only runs that have ended are deleted")

    def _claim(self) -> bool:
        self._renewed_at = time.monotonic()
        return self._store.claim_bulk_job(self.job.id, self._engine.owner, self._clock.now(), self._lease_until())

    def _lease_until(self) -> Micros:
        return add_seconds(self._clock.now(), LEASE_SECONDS)


def _author_of(job: BulkJob) -> str:
    """Return the author of what a job does: it names the job, so that what was done already is known as such."""
    return f"{job.by} bulk:{job.id}".strip()
