"""The SQLite store: bulk jobs and settings."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.records import Notification
from holdwater.model.settings import Setting
from holdwater.model.time import Micros
from holdwater.storage.notifications import SCHEDULES_CHANGED
from holdwater.storage.sql import bulk_jobs as rows
from holdwater.storage.sqlite import statements as sql


class SQLiteBulkJobs(rows.BulkJobQueries):
    """The part of the store for bulk jobs and settings."""

    def create_bulk_job(self, job: BulkJob, chunks: Sequence[Sequence[str]], forget_before: Micros) -> bool:
        """Write a job with its runs; False, and nothing is written, if there is a job of its id."""
        with self._transaction() as connection:
            connection.execute(sql.DELETE_OLD_BULK_JOBS, (forget_before,))
            if connection.execute(sql.INSERT_BULK_JOB, rows.job_row(job)).rowcount != 1:
                return False
            connection.executemany(sql.INSERT_BULK_CHUNK, rows.chunk_rows(job, chunks))
        return True

    def claim_bulk_job(self, job_id: str, owner: str, now: Micros, lease_until: Micros) -> bool:
        """Take a running job that no other process executes."""
        given = sql.bind(sql.CLAIM_BULK_JOB, (owner, lease_until, job_id, now))
        with self._transaction() as connection:
            return connection.execute(sql.CLAIM_BULK_JOB, given).rowcount == 1

    def save_bulk_progress(self, job: BulkJob, chunk_number: int | None) -> bool:
        """Write a job that its owner still has and that was not stopped, and delete a chunk."""
        with self._transaction() as connection:
            if connection.execute(sql.UPDATE_BULK_JOB, rows.job_update_row(job)).rowcount != 1:
                return False
            if chunk_number is not None:
                connection.execute(sql.DELETE_BULK_CHUNK, (job.id, chunk_number))
        return True

    def stop_bulk_job(self, job_id: str, now: Micros) -> bool:
        """Have a running job act on no further chunk."""
        with self._transaction() as connection:
            if connection.execute(sql.STOP_BULK_JOB, (now, job_id)).rowcount != 1:
                return False
            connection.execute(sql.DELETE_BULK_CHUNKS, (job_id,))
        return True

    def put_setting(self, setting: Setting) -> None:
        with self._transaction() as connection:
            connection.execute(sql.PUT_SETTING, rows.setting_row(setting))
        self._notify(SCHEDULES_CHANGED)  # what is paused may be among them

    @abstractmethod
    def _notify(self, notification: Notification | None) -> None: ...

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
