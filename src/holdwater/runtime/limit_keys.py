"""The keys of the concurrency limits that a task of a run counts towards."""

from __future__ import annotations

from collections.abc import Collection

from holdwater.model.limits import keys_of_task
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.records import RunRow


def limit_keys_of(
    row: RunRow, definition: WorkflowDefinition | None, node: int, broad_keys: Collection[str]
) -> tuple[str, ...]:
    """Return the keys; without the code of the workflow, that of a limit which the task itself names is missing.

    `broad_keys`: limits on workflows and labels that there are.
    """
    name = None if definition is None else definition.node_limits.get(node)
    return keys_of_task(name, row.workflow, row.labels if broad_keys else {}, broad_keys)
