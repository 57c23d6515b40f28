"""A replica that is killed while it answers: `python -m tests.server.serving.killed_request JOB`.

JOB is JSON {database_url, home, method, path, json, upload, crash_at, when}: serve the database, send the request to
this server, and kill this process with SIGKILL before or after the commit of the n-th transaction on tenants and
releases.  If there are fewer, it ends with 0 when there is nothing more to do.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdwater.storage.postgres import tenants
from holdwater.storage.postgres.store import PostgresStore
from tests.server.serving.packages import upload
from tests.server.serving.server_process import serve_here
from tests.suite.waiting import wait_until


class Countdown:
    """The transactions that are left; those before `is_armed` do not count."""

    def __init__(self, crash_at: int, when: str) -> None:
        self.left, self._when, self.is_armed = crash_at, when, False

    def before_commit(self) -> None:
        if self.is_armed:
            self.left -= 1
            if self.left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)

    def after_commit(self) -> None:
        if self.is_armed and self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def count_transactions(countdown: Countdown) -> None:
    """Have the transactions on tenants, and those of stores, counted."""
    open_transaction, with_transaction = tenants._transaction, PostgresStore._with_transaction

    @contextmanager
    def counted_transaction(*args: Any, **options: Any) -> Iterator[Any]:
        with open_transaction(*args, **options) as connection:
            yield connection
            countdown.before_commit()
        countdown.after_commit()

    def counted_with_transaction(store: Any, function: Callable[[Any], Any], **options: Any) -> Any:
        def act(connection: Any) -> Any:
            answer = function(connection)
            countdown.before_commit()
            return answer

        answer = with_transaction(store, act, **options)
        countdown.after_commit()
        return answer

    for owner, name, counted in (
        (tenants, "_transaction", counted_transaction),
        (PostgresStore, "_with_transaction", counted_with_transaction),
    ):
        setattr(owner, name, counted)


def main(job: dict[str, Any]) -> None:
    countdown = Countdown(job["crash_at"], job["when"])
    count_transactions(countdown)
    with serve_here(job["database_url"], Path(job["home"])) as server, server.client() as client:
        if job["tenant"]:  # its engine is awake
            releases = f"/v1/tenants/{job['tenant']}/releases"
            wait_until(lambda: client.get(releases).status_code == 200)
            wait_until(lambda: not server.server.tenants.borrow(job["tenant"]).executed.is_busy())
        countdown.is_armed = True
        if job["upload"]:
            upload(client, base64.b64decode(job["upload"]), tenant=job["tenant"]).raise_for_status()
        else:
            client.request(job["method"], job["path"], json=job["json"]).raise_for_status()
        if job["tenant"] and not job["path"].endswith(job["tenant"]):
            wait_until(lambda: not server.server.tenants.borrow(job["tenant"]).executed.is_busy())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
