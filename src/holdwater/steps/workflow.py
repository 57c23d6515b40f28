"""Workflows of steps, checked when they are created, and immutable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.errors import WorkflowError
from holdwater.model.registry import Registry, registry
from holdwater.steps import workflow_document
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.definition import StepsWorkflowDefinition
from holdwater.steps.step import ChoiceStep, LambdaStep, RunPipelineStep, Step

if TYPE_CHECKING:
    from holdwater.drawing.colours import Theme
    from holdwater.drawing.picture import Picture

W = TypeVar("W", bound="Workflow")


class Workflow(BaseWorkflow[Step]):
    """Steps in order.  `defaults`: values of params that are not given.  Raises WorkflowError for an invalid workflow.

    A workflow that is only the iterator of a map step needs no name.
    """

    def has_choice_steps(self) -> bool:
        """Return True if a step is a choice."""
        return any(isinstance(step, ChoiceStep) for step in self.steps)

    def has_lambda_steps(self) -> bool:
        """Return True if a step calls a function."""
        return any(isinstance(step, LambdaStep) for step in self.steps)

    def has_pipeline_steps(self) -> bool:
        """Return True if a step runs a pipeline."""
        return any(isinstance(step, RunPipelineStep) for step in self.steps)

    def pipeline_names(self) -> list[str]:
        """List the names of its pipelines, without duplicates, in order."""
        return list(dict.fromkeys(step.pipeline_name for step in self.steps if isinstance(step, RunPipelineStep)))

    def program(self, name: str | None = None) -> StepsWorkflowDefinition:
        """Return the definition the engine runs, under `name` or its own.  Raises WorkflowError without a name."""
        known_as = self.name if name is None else name
        if not known_as:
            raise WorkflowError("a workflow that is run by itself has a name", hint='Workflow(name="...", steps=[...])')
        return StepsWorkflowDefinition(self, name=known_as)

    def to_mermaid(self) -> str:
        """Render a Mermaid flow chart, top down: jumps are dotted."""
        from holdwater.drawing.mermaid import render_mermaid

        return str(render_mermaid(self._make_picture()))

    def to_text(self) -> str:
        """Render one line per step, with what it is and where it jumps to."""
        from holdwater.drawing.text import render_tree

        return render_tree(self._make_picture())

    def to_svg(self, *, theme: Theme = "auto") -> str:
        """Render a self-contained SVG drawing.  Raises GraphConfigError for an unknown theme."""
        from holdwater.drawing.notebook import make_drawing

        return make_drawing(self._make_picture(), theme).svg

    def _make_picture(self) -> Picture:
        from holdwater.steps.steps_picture import make_picture

        return make_picture(self)

    # -- as data

    def to_dict(self) -> dict[str, Any]:
        """Convert to data, functions to their dotted paths.  Raises WorkflowError for functions without one."""
        return workflow_document.workflow_to_dict(self)

    @classmethod
    def from_dict(cls: type[W], data: Mapping[str, Any]) -> W:
        """Create a workflow from the return value of `to_dict`, importing its functions.  Raises WorkflowError."""
        return workflow_document.workflow_from_dict(cls, data)


def register_workflow(workflow: W, name: str | None = None, *, into: Registry = registry) -> W:
    """Register a workflow by its name, or `name`, for runners, schedules and the command line.  Returns the workflow.

    Raises WorkflowError for an object that is not a workflow of steps, and for one without a name.
    """
    if not isinstance(workflow, Workflow):
        raise WorkflowError(f"register_workflow takes a Workflow of steps, not {workflow!r}")
    into.register(workflow.program(name))
    return workflow
