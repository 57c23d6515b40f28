"""The memory store: bulk jobs and settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace
from typing import Final

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.settings import Setting
from holdwater.model.time import Micros


class MemoryBulkJobs:
    """The bulk jobs and settings of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]]) -> None:
        """Begin without any."""
        self._locked_for_jobs = locked
        self._jobs: Final[dict[str, BulkJob]] = {}
        self._chunks: Final[dict[str, dict[int, list[str]]]] = {}
        """job id -> chunks that are left, by number"""
        self._settings: Final[dict[str, Setting]] = {}

    def create_bulk_job(self, job: BulkJob, chunks: Sequence[Sequence[str]], forget_before: Micros) -> bool:
        """Write a job with its runs; False, and nothing is written, if there is a job of its id."""
        with self._locked_for_jobs():
            for old in [one for one in self._jobs.values() if (one.ended_at or forget_before) < forget_before]:
                del self._jobs[old.id]
            if job.id in self._jobs:
                return False
            self._jobs[job.id] = job
            self._chunks[job.id] = {number: list(chunk) for number, chunk in enumerate(chunks)}
            return True

    def get_bulk_job(self, job_id: str) -> BulkJob | None:
        with self._locked_for_jobs():
            return self._jobs.get(job_id)

    def list_bulk_jobs(self, limit: int) -> list[BulkJob]:
        """List jobs, the newest first."""
        with self._locked_for_jobs():
            return sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)[: max(0, limit)]

    def claim_bulk_job(self, job_id: str, owner: str, now: Micros, lease_until: Micros) -> bool:
        """Take a running job that no other process executes."""
        with self._locked_for_jobs():
            job = self._jobs.get(job_id)
            if job is None or job.state != "running" or (job.owner not in (None, owner) and job.lease_until >= now):
                return False
            self._jobs[job_id] = replace(job, owner=owner, lease_until=lease_until)
            return True

    def next_bulk_chunk(self, job_id: str) -> tuple[int, list[str]] | None:
        """Return the number and the run ids of the first chunk that is left."""
        with self._locked_for_jobs():
            chunks = self._chunks.get(job_id)
            if not chunks:
                return None
            number = min(chunks)
            return number, list(chunks[number])

    def save_bulk_progress(self, job: BulkJob, chunk_number: int | None) -> bool:
        """Write a job that its owner still has and that was not stopped, and delete a chunk."""
        with self._locked_for_jobs():
            known = self._jobs.get(job.id)
            if known is None or known.state != "running" or known.owner != job.owner:
                return False
            self._jobs[job.id] = replace(job, created_at=known.created_at)
            if chunk_number is not None:
                self._chunks[job.id].pop(chunk_number, None)
            return True

    def stop_bulk_job(self, job_id: str, now: Micros) -> bool:
        """Have a running job act on no further chunk."""
        with self._locked_for_jobs():
            job = self._jobs.get(job_id)
            if job is None or job.state != "running":
                return False
            self._jobs[job_id] = replace(job, state="stopped", ended_at=now)
            self._chunks.pop(job_id, None)
            return True

    def get_setting(self, name: str) -> Setting | None:
        with self._locked_for_jobs():
            return deepcopy(self._settings.get(name))

    def list_settings(self, prefix: str) -> list[Setting]:
        """List the settings whose name begins with a text, by name."""
        with self._locked_for_jobs():
            return deepcopy([one for name, one in sorted(self._settings.items()) if name.startswith(prefix)])

    def put_setting(self, setting: Setting) -> None:
        with self._locked_for_jobs():
            self._settings[setting.name] = deepcopy(setting)
