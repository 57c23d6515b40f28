"""The original's workflow: Holdwater's, with a builder."""

from __future__ import annotations

from typing import Any

from holdwater import steps
from holdwater.steps import Step
from holdwater.steps.step_options import Handler


class Workflow(steps.Workflow):
    """Holdwater's workflow."""

    @classmethod
    def builder(cls, name: str, **options: Any) -> WorkflowBuilder:
        """Create a builder.  `options`: those of Workflow."""
        return WorkflowBuilder(cls, name, options)

    def required_tier(self) -> str:
        """Return the original's tier: "basic", "intermediate" with a choice, "advanced" with a map or a wait.

        Holdwater runs all of them.
        """
        kinds = {str(step.step_type) for step in self.steps}
        return "advanced" if kinds & {"map", "wait"} else "intermediate" if "choice" in kinds else "basic"


class WorkflowBuilder:
    """Collects steps; each `add_*` takes what `Step` takes and returns the builder."""

    def __init__(self, workflow_class: type[Workflow], name: str, options: dict[str, Any]) -> None:
        self._workflow_class, self._name, self._options = workflow_class, name, options
        self._steps: list[Step] = []

    def add(self, step: Step) -> WorkflowBuilder:
        """Add a step of any kind."""
        self._steps.append(step)
        return self

    def add_lambda(self, name: str, handler: Handler, **options: Any) -> WorkflowBuilder:
        return self.add(Step.lambda_(name, handler, **options))

    def add_pipeline(self, name: str, pipeline: Any, **options: Any) -> WorkflowBuilder:
        return self.add(Step.pipeline(name, pipeline, **options))

    def add_choice(self, name: str, **options: Any) -> WorkflowBuilder:
        return self.add(Step.choice(name, **options))

    def add_map(self, name: str, **options: Any) -> WorkflowBuilder:
        return self.add(Step.map(name, **options))

    def add_wait(self, name: str, seconds: float | None = None, **options: Any) -> WorkflowBuilder:
        return self.add(Step.wait(name, seconds, **options))

    def build(self) -> Workflow:
        """Create the workflow.  Raises WorkflowError."""
        return self._workflow_class(self._name, self._steps, **self._options)
