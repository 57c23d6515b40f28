"""Workflows a run can be resumed with: those runners of this process have executed, and those that are registered."""

from __future__ import annotations

from typing import Final

from holdwater.errors import StructureChanged, WorkflowNotFound
from holdwater.model.registry import registry
from holdwater.runs.info import RunInfo
from holdwater.steps import Workflow
from holdwater.steps.definition import StepsWorkflowDefinition

_executed_workflows: Final[dict[str, Workflow]] = {}


def remember_workflow(workflow: Workflow) -> None:
    """Remember a workflow that is executed in this process."""
    _executed_workflows[workflow.name] = workflow


def find_workflow(run: RunInfo) -> Workflow | None:
    """Find the workflow of a run, preferably with the structure the run was recorded under.

    A run of a release of a package has none here: its code is in processes of its own.
    """
    if run.release is not None:
        return None
    registered = registry.find(run.workflow)
    found = [
        _executed_workflows.get(run.workflow),
        registered.workflow if isinstance(registered, StepsWorkflowDefinition) else None,
    ]
    known = [workflow for workflow in found if isinstance(workflow, Workflow)]
    return next((w for w in known if w.structure == run.structure), known[0] if known else None)


def require_workflow(run: RunInfo) -> Workflow:
    """Return the workflow of a run.  Raises WorkflowNotFound."""
    found = find_workflow(run)
    if found is None:
        raise WorkflowNotFound(
            f"this process does not know workflow {run.claim_key!r}, of which run {run.id} is",
            hint="give it: resume(run_id, workflow=...), or make it known before: register_workflow(workflow)",
        )
    return found


def structure_changed_error(run: RunInfo, workflow: Workflow) -> StructureChanged:
    """Create the error for a workflow whose steps have changed since the run started."""
    return StructureChanged(
        f"the steps of workflow {run.workflow!r} changed: run {run.id} was recorded under {run.structure}, "
        f"this workflow has {workflow.structure}",
        hint="resume it with the steps it began with (changed functions are no obstacle), or execute a new run",
    )
