"""The database at the instant of a diagnosis: its clock, its runners and what they have announced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.model import ids
from holdwater.model.catalog import WorkflowRow
from holdwater.model.claim_keys import claim_key, split_claim_key
from holdwater.model.duration_text import format_duration
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros, seconds_between, to_rfc3339
from holdwater.operations.databases import Database
from holdwater.operations.runners import RunnerInfo, list_runners

MAX_NAMES: Final = 20
"""of tasks, workflows or runners in one fact"""


@dataclass(frozen=True)
class DatabaseState:
    """A database and its runners.  `now`: by the clock of the store."""

    database: Database
    now: Micros
    runners: tuple[RunnerInfo, ...]
    _workflows: dict[str, WorkflowRow | None] = field(default_factory=dict)
    _nodes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, database: Database) -> DatabaseState:
        """Read the runners of a database.  Raises StoreUnavailable."""
        return cls(database, database.clock.now(), list_runners(database))

    # -- texts

    def ago(self, at: Micros) -> str:
        """`12.00 s ago`."""
        return f"{format_duration(max(0.0, seconds_between(at, self.now)))} ago"

    def waited(self, at: Micros) -> str:
        """`2 h 03 min, since 2026-11-30T12:00:00Z,`."""
        return f"{format_duration(max(0.0, seconds_between(at, self.now)))}, since {to_instant(at)},"

    def ahead(self, at: Micros) -> str:
        """`in 3 min 10 s, at 2026-11-30T12:00:00Z`."""
        return f"in {format_duration(max(0.0, seconds_between(self.now, at)))}, at {to_instant(at)}"

    # -- runners

    def takers(self, key: str) -> tuple[RunnerInfo, ...]:
        """List the runners that take runs of a claim key."""
        return tuple([runner for runner in self.runners if runner.takes(key)])

    def possible_takers(self, key: str) -> tuple[RunnerInfo, ...]:
        """List the runners that have a claim key, and take no runs but those they have started or resumed."""
        return tuple([one for one in self.runners if one.is_alive and one.own_runs_only and key in one.workflows])

    def starters(self, workflow: str) -> tuple[RunnerInfo, ...]:
        """List the runners that take new runs of a workflow, on the release that was announced last."""
        row = self.workflow(workflow)
        return self.takers(claim_key(workflow, None if row is None else row.release))

    def releases_with_runners(self, workflow: str) -> list[str]:
        """List the releases of a workflow that live runners take runs of; "" for code of a runner's own process."""
        keys = {key for runner in self.runners for key in runner.workflows if runner.takes(key)}
        found = [split_claim_key(key) for key in keys]
        return sorted([release or "" for name, release in found if name == workflow])

    def may_have_registered_since(self, at: Micros) -> bool:
        """Return True if a live runner may have more workflows than are listed: it was last heard of before `at`."""
        return any(runner.is_alive and runner.seen_at <= at for runner in self.runners)

    def find_runner(self, owner: str) -> RunnerInfo | None:
        """Find the runner that has leases under this name; None if it is not listed."""
        return next((runner for runner in self.runners if runner.owner == owner), None)

    def is_dead(self, row: WorkRow) -> bool:
        """Return True if the runner that has this work died, or lost its lease."""
        alive = self.database.store.is_alive(row.owner or "")
        return row.lease_until <= self.now if alive is None else not alive

    def describe_owner(self, owner: str) -> str:
        """`runner "nightly" (HOST, process PID)`."""
        host, pid = ids.parse_owner_id(owner)
        runner = self.find_runner(owner)
        is_named = runner is not None and runner.name != f"{host}:{pid}"
        name = f" {runner.name!r}" if runner is not None and is_named else ""
        return f"runner{name} ({host}, process {pid})"

    def owner_facts(self, owner: str) -> dict[str, Any]:
        """Name, host, process and status of the runner that has a lease."""
        host, pid = ids.parse_owner_id(owner)
        runner = self.find_runner(owner)
        facts: dict[str, Any] = {"host": host, "pid": pid}
        if runner is not None:
            facts |= {"runner": runner.name, "status": runner.status, "seen_at": to_rfc3339(runner.seen_at)}
        return facts

    def runner_facts(self) -> list[dict[str, Any]]:
        """List the runners there are."""
        return [
            {
                "name": runner.name,
                "host": runner.host,
                "pid": runner.pid,
                "status": runner.status,
                "own_runs_only": runner.own_runs_only,
                "workflows": list(runner.workflows[:MAX_NAMES]),
                "executors": dict(runner.executors),
            }
            for runner in self.runners[:MAX_NAMES]
        ]

    # -- announced workflows

    def workflow(self, name: str) -> WorkflowRow | None:
        """Read what was announced about a workflow.  Raises StoreUnavailable."""
        if name not in self._workflows:
            self._workflows[name] = self.database.store.get_workflow(name)
        return self._workflows[name]

    def node_facts(self, workflow: str, node: str) -> dict[str, Any]:
        """Read what was announced about a node of a workflow."""
        if workflow not in self._nodes:
            row = self.workflow(workflow)
            self._nodes[workflow] = {} if row is None else {one.get("name", ""): one for one in row.nodes}
        return self._nodes[workflow].get(node, {})


def to_instant(at: Micros) -> str:
    """`2026-11-30T12:00:00Z`: an instant to the second."""
    return f"{to_rfc3339(at)[:19]}Z"


def name_list(names: list[str]) -> str:
    """Write `'a', 'b' and 3 more`, or `'a' and 'b'`."""
    shown = [repr(name) for name in names[:5]]
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown):,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
