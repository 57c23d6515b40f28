"""The runners of a database, with their liveness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from holdwater.model.catalog import RunnerRow
from holdwater.model.claim_keys import claim_key
from holdwater.model.time import Micros, seconds_between
from holdwater.operations.databases import Database

GONE_AFTER_SECONDS: Final = 35.0
"""silence after which a runner counts as gone: it should have been heard of three times"""

RunnerStatus = Literal["running", "draining", "unresponsive", "gone"]


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """A runner of a database.  Instants are integer microseconds since the epoch.

    `status`: draining: it ends and takes no more work; unresponsive: its process lives, and its loop has not answered
    for `GONE_AFTER_SECONDS`; gone: it died or cannot reach the database, and others take over its work.
    `owner`: its incarnation, as in leases.  `executors`: number of slots by name.  `workflows`: claim keys of what it
    can execute, `NAME@RELEASE` for a release of a package.  `own_runs_only`: it takes no runs of others.
    `seen_at`: its latest heartbeat.
    """

    owner: str
    name: str
    host: str
    pid: int
    version: str
    status: RunnerStatus
    executors: dict[str, int]
    workflows: tuple[str, ...]
    own_runs_only: bool
    started_at: Micros
    seen_at: Micros

    @property
    def is_alive(self) -> bool:
        """The runner does its work."""
        return self.status in ("running", "draining")

    def takes(self, key: str) -> bool:
        """Return True if the runner takes new runs of this claim key, also those that other processes have started."""
        return self.status == "running" and not self.own_runs_only and key in self.workflows


def list_runners(database: Database) -> tuple[RunnerInfo, ...]:
    """List the runners of a database, the oldest first; those that are gone are listed for an hour.

    A runner is listed from its first second on, and no more when it has ended as it should.
    Raises StoreUnavailable.
    """
    now = database.clock.now()
    return tuple([_to_info(database, row, now) for row in database.store.list_runners()])


def find_runners(database: Database, workflow: str) -> tuple[RunnerInfo, ...]:
    """List the runners that take new runs of a workflow, on its active release.  Raises StoreUnavailable."""
    row = database.store.get_workflow(workflow)
    key = claim_key(workflow, None if row is None else row.release)
    return tuple([runner for runner in list_runners(database) if runner.takes(key)])


def _to_info(database: Database, row: RunnerRow, now: Micros) -> RunnerInfo:
    return RunnerInfo(
        row.owner,
        row.name,
        row.host,
        row.pid,
        row.version,
        _status(database, row, now),
        row.executors,
        tuple(row.workflows),
        row.own_runs_only,
        row.started_at,
        row.seen_at,
    )


def _status(database: Database, row: RunnerRow, now: Micros) -> RunnerStatus:
    is_alive = database.store.is_alive(row.owner)
    if is_alive is False:
        return "gone"
    if seconds_between(row.seen_at, now) > GONE_AFTER_SECONDS:
        return "unresponsive" if is_alive else "gone"
    return row.state
