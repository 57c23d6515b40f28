"""The catalog in memory, guarded by the lock of its store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.time import Micros


class MemoryCatalog:
    """The catalog of a memory store.  `locked`: holds the lock of the store.  `plans`: JSON texts by structure."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]], plans: dict[str, str]) -> None:
        self._catalog_lock, self._stored_plans = locked, plans
        self._workflows: dict[str, WorkflowRow] = {}
        self._runners: dict[str, RunnerRow] = {}

    def announce_workflows(self, workflows: Sequence[WorkflowRow], plans: Sequence[PlanRow]) -> None:
        with self._catalog_lock():
            for plan in plans:
                self._stored_plans.setdefault(plan.structure, json.dumps(plan.plan))
            for row in workflows:
                old = self._workflows.get(row.name)
                first = row.registered_at if old is None else old.registered_at
                self._workflows[row.name] = replace(deepcopy(row), registered_at=first)

    def announced_digests(self) -> dict[str, tuple[str | None, Micros]]:
        with self._catalog_lock():
            return {row.name: (row.digest, row.seen_at) for row in self._workflows.values()}

    def is_workflow_registered(self, workflow: str) -> bool:
        with self._catalog_lock():
            return workflow in self._workflows

    def get_workflow(self, workflow: str) -> WorkflowRow | None:
        with self._catalog_lock():
            return deepcopy(self._workflows.get(workflow))

    def list_workflows(self, limit: int, after: str = "") -> list[WorkflowRow]:
        with self._catalog_lock():
            names = sorted([name for name in self._workflows if name > after])[:limit]
            return [replace(deepcopy(self._workflows[name]), nodes=[]) for name in names]

    def put_runner(self, row: RunnerRow, forget_before: Micros) -> None:
        with self._catalog_lock():
            self._runners[row.owner] = deepcopy(row)
            for owner in [one.owner for one in self._runners.values() if one.seen_at < forget_before]:
                del self._runners[owner]

    def delete_runner(self, owner: str) -> None:
        with self._catalog_lock():
            self._runners.pop(owner, None)

    def list_runners(self) -> list[RunnerRow]:
        with self._catalog_lock():
            return deepcopy(sorted(self._runners.values(), key=lambda row: (row.started_at, row.owner)))
