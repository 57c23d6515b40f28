"""Verification of a database in the background: one at a time for a tenant."""

from __future__ import annotations

import threading
from typing import Final
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request, Response

from holdwater.errors import HoldwaterError
from holdwater.operations.databases import Database
from holdwater.operations.verification import Verification, VerifyReport
from holdwater.runs.verify.checker import Violation
from holdwater.server.acts import act_and_redirect, page_url
from holdwater.server.notices import Notice
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

MAX_SHOWN_VIOLATIONS: Final = 200
_LOCK: Final = threading.Lock()


class VerificationJob:
    """A verification in a thread.  `violations`: the first ones; `error`: why it has ended early, empty if it has not.

    `began_at`: by the clock of the database.
    """

    def __init__(self, database: Database) -> None:
        self.began_at = database.clock.now()
        self.violations: list[Violation] = []
        self.error = ""
        self._verification = Verification(database)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="holdwater-verify", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def report(self) -> VerifyReport:
        """The counts so far."""
        return self._verification.report

    def stop(self) -> None:
        """End it at the next violation, and wait for nothing."""
        self._stopping.set()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _work(self) -> None:
        try:
            for violation in self._verification.find_violations():
                if len(self.violations) < MAX_SHOWN_VIOLATIONS:
                    self.violations.append(violation)
                if self._stopping.is_set():
                    return
        except HoldwaterError as error:  # shown on the page: the database has gone away, or the application ends
            self.error = error.message


_JOBS: Final[WeakKeyDictionary[TenantDatabase, VerificationJob]] = WeakKeyDictionary()
"""the latest of each tenant"""


def job_of(tenant: TenantDatabase) -> VerificationJob | None:
    """Return the latest verification of a tenant, None if there was none."""
    return _JOBS.get(tenant)


@router.post("/ops/verify")
def start_verification(request: Request, tenant: Tenant) -> Response:
    """Begin a verification, unless one is under way."""

    def act() -> Notice:
        with _LOCK:
            job = job_of(tenant)
            if job is not None and job.is_running:
                return Notice("A verification is under way already.", "warn")
            _JOBS[tenant] = VerificationJob(tenant.database)
        return Notice("The verification has begun.")

    return act_and_redirect(request, page_url(request, tenant, "/ops"), act)
