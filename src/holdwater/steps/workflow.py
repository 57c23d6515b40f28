"""A workflow of steps: checked when it is made, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from holdwater.errors import WorkflowError
from holdwater.model.registry import Registry, registry
from holdwater.steps import picture, workflow_document
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.definition import StepsWorkflowDefinition
from holdwater.steps.step import ChoiceStep, LambdaStep, RunPipelineStep, Step

W = TypeVar("W", bound="Workflow")


class Workflow(BaseWorkflow[Step]):
    """Steps, one after the other.  `defaults`: params that are not given.  Raises WorkflowError for what cannot be run.

    A workflow that is only run for the items of a map step needs no name.
    """

    def has_choice_steps(self) -> bool:
        """Whether any step is a choice."""
        return any(isinstance(step, ChoiceStep) for step in self.steps)

    def has_lambda_steps(self) -> bool:
        """Whether any step calls a function."""
        return any(isinstance(step, LambdaStep) for step in self.steps)

    def has_pipeline_steps(self) -> bool:
        """Whether any step runs a pipeline."""
        return any(isinstance(step, RunPipelineStep) for step in self.steps)

    def pipeline_names(self) -> list[str]:
        """The pipelines it runs, each once, in order."""
        return list(dict.fromkeys(step.pipeline_name for step in self.steps if isinstance(step, RunPipelineStep)))

    def program(self, name: str | None = None) -> StepsWorkflowDefinition:
        """What the engine runs; under another name if one is given.  Raises WorkflowError if there is none."""
        known_as = self.name if name is None else name
        if not known_as:
            raise WorkflowError("a workflow that is run by itself has a name", hint='Workflow(name="...", steps=[...])')
        return StepsWorkflowDefinition(self, name=known_as)

    def to_mermaid(self) -> str:
        """A Mermaid flow chart, top down."""
        return picture.render_mermaid(self)

    def to_text(self) -> str:
        """One line per step, with what it does and where it may go."""
        return picture.render_text(self)

    # -- as data

    def to_dict(self) -> dict[str, Any]:
        """The workflow as data; functions by their dotted path.  Raises WorkflowError for functions without one."""
        return workflow_document.workflow_to_dict(self)

    @classmethod
    def from_dict(cls: type[W], data: Mapping[str, Any]) -> W:
        """From what `to_dict` gave.  Imports the modules its functions are in.  Raises WorkflowError."""
        return workflow_document.workflow_from_dict(cls, data)


def register_workflow(workflow: W, name: str | None = None, *, into: Registry = registry) -> W:
    """Make a workflow known by its name, or another one, to runners, schedules and the command line.  Returns it."""
    if not isinstance(workflow, Workflow):
        raise WorkflowError(f"register_workflow takes a Workflow of steps, not {workflow!r}")
    into.register(workflow.program(name))
    return workflow
