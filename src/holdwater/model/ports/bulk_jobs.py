"""Storage of bulk jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.time import Micros


class BulkJobStore(Protocol):
    """The part of a store for bulk jobs and the runs they have not acted on yet, in chunks."""

    def create_bulk_job(self, job: BulkJob, chunks: Sequence[Sequence[str]], forget_before: Micros) -> bool:
        """Write a job with its runs; False, and nothing is written, if there is a job of its id.

        Jobs that ended before an instant are deleted.  Raises StoreUnavailable, StoreReadOnly.
        """
        ...

    def get_bulk_job(self, job_id: str) -> BulkJob | None: ...

    def list_bulk_jobs(self, limit: int) -> list[BulkJob]:
        """List jobs, the newest first, 1,000 at most."""
        ...

    def claim_bulk_job(self, job_id: str, owner: str, now: Micros, lease_until: Micros) -> bool:
        """Take a running job that no other process executes.  Raises StoreUnavailable, StoreReadOnly."""
        ...

    def next_bulk_chunk(self, job_id: str) -> tuple[int, list[str]] | None:
        """Return the number and the run ids of the first chunk that is left."""
        ...

    def save_bulk_progress(self, job: BulkJob, chunk_number: int | None) -> bool:
        """Write a job that its owner still has and that was not stopped, and delete a chunk; False: it was.

        Raises StoreUnavailable, StoreReadOnly.
        """
        ...

    def stop_bulk_job(self, job_id: str, now: Micros) -> bool:
        """Have a running job act on no further chunk; False if it was not running."""
        ...
