"""The PostgreSQL store: bulk jobs and settings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.records import Notification
from holdwater.model.settings import Setting
from holdwater.model.time import Micros
from holdwater.storage.notifications import SCHEDULES_CHANGED
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall, rows_to_columns
from holdwater.storage.sql import bulk_jobs as rows

T = TypeVar("T")


class PostgresBulkJobs(rows.BulkJobQueries):
    """The part of the store for bulk jobs and settings."""

    def create_bulk_job(self, job: BulkJob, chunks: Sequence[Sequence[str]], forget_before: Micros) -> bool:
        """Write a job with its runs; False, and nothing is written, if there is a job of its id."""

        def create(session: PostgresConnection) -> bool:
            session.execute(sql.DELETE_OLD_BULK_JOBS, (forget_before,))
            if session.execute(sql.INSERT_BULK_JOB, rows.job_row(job)).rowcount != 1:
                return False
            if chunks:
                session.execute(
                    sql.INSERT_BULK_CHUNKS, [list(c) for c in rows_to_columns(rows.chunk_rows(job, chunks))]
                )
            return True

        return self._with_transaction(create)

    def claim_bulk_job(self, job_id: str, owner: str, now: Micros, lease_until: Micros) -> bool:
        """Take a running job that no other process executes."""
        return self._execute_update(sql.CLAIM_BULK_JOB, (owner, lease_until, job_id, now)) == 1

    def save_bulk_progress(self, job: BulkJob, chunk_number: int | None) -> bool:
        """Write a job that its owner still has and that was not stopped, and delete a chunk."""

        def save(session: PostgresConnection) -> bool:
            if session.execute(sql.UPDATE_BULK_JOB, rows.job_update_row(job)).rowcount != 1:
                return False
            if chunk_number is not None:
                session.execute(sql.DELETE_BULK_CHUNK, (job.id, chunk_number))
            return True

        return self._with_transaction(save)

    def stop_bulk_job(self, job_id: str, now: Micros) -> bool:
        """Have a running job act on no further chunk."""

        def stop(session: PostgresConnection) -> bool:
            if session.execute(sql.STOP_BULK_JOB, (now, job_id)).rowcount != 1:
                return False
            session.execute(sql.DELETE_BULK_CHUNKS, (job_id,))
            return True

        return self._with_transaction(stop)

    def put_setting(self, setting: Setting) -> None:
        self._execute_update(sql.PUT_SETTING, rows.setting_row(setting))
        self._execute_calls([self._notification_call(SCHEDULES_CHANGED)])  # what is paused may be among them

    @abstractmethod
    def _execute_calls(self, calls: Sequence[StatementCall]) -> None: ...

    @abstractmethod
    def _notification_call(self, notification: Notification) -> StatementCall: ...

    @abstractmethod
    def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...

    @abstractmethod
    def _with_transaction(self, function: Callable[[PostgresConnection], T]) -> T: ...
