"""Storage of the catalog: announced workflows, and runners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.time import Micros


class CatalogStore(Protocol):
    """Storage of the catalog, beside the runs.  Every method is one transaction."""

    def announce_workflows(self, workflows: Sequence[WorkflowRow], plans: Sequence[PlanRow]) -> None:
        """Write these workflows in the place of what was announced under their names, and plans that are not there.

        A workflow keeps the instant of its first announcement.
        """
        ...

    def announced_digests(self) -> dict[str, tuple[str | None, Micros]]:
        """Return the digest and `seen_at` of each announced workflow, by name."""
        ...

    def is_workflow_registered(self, workflow: str) -> bool: ...

    def get_workflow(self, workflow: str) -> WorkflowRow | None: ...

    def list_workflows(self, limit: int, after: str = "") -> list[WorkflowRow]:
        """List workflows by name, those behind `after`; without their `nodes`, which may be many."""
        ...

    def put_runner(self, row: RunnerRow, forget_before: Micros) -> None:
        """Write a runner's row, and delete rows of others that were last seen before an instant."""
        ...

    def delete_runner(self, owner: str) -> None: ...

    def list_runners(self) -> list[RunnerRow]:
        """List runners, the oldest first."""
        ...
