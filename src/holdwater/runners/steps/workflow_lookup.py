"""Workflows a run can be resumed with: those runners of this process have executed, and those that are registered."""

from __future__ import annotations

from typing import Final

from holdwater.errors import StructureChanged, WorkflowNotFound
from holdwater.model.records import RunRow
from holdwater.model.registry import registry
from holdwater.steps import Workflow
from holdwater.steps.definition import StepsWorkflowDefinition

_executed_workflows: Final[dict[str, Workflow]] = {}


def remember_workflow(workflow: Workflow) -> None:
    """The workflow is executed here."""
    _executed_workflows[workflow.name] = workflow


def find_workflow(row: RunRow) -> Workflow | None:
    """The workflow of a run, with the steps the run was recorded under if there are several; None if there is none."""
    registered = registry.find(row.workflow)
    found = [
        _executed_workflows.get(row.workflow),
        registered.workflow if isinstance(registered, StepsWorkflowDefinition) else None,
    ]
    known = [workflow for workflow in found if isinstance(workflow, Workflow)]
    return next((w for w in known if w.structure == row.structure), known[0] if known else None)


def require_workflow(row: RunRow) -> Workflow:
    """The workflow of a run.  Raises WorkflowNotFound."""
    found = find_workflow(row)
    if found is None:
        raise WorkflowNotFound(
            f"this process does not know workflow {row.workflow!r}, of which run {row.id} is",
            hint="give it: resume(run_id, workflow=...), or make it known before: register_workflow(workflow)",
        )
    return found


def structure_changed_error(row: RunRow, workflow: Workflow) -> StructureChanged:
    """The error for a workflow whose steps are others than when the run began."""
    return StructureChanged(
        f"the steps of workflow {row.workflow!r} changed: run {row.id} was recorded under {row.structure}, "
        f"this workflow has {workflow.structure}",
        hint="resume it with the steps it began with (changed functions are no obstacle), or execute a new run",
    )
