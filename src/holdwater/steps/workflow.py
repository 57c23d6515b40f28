"""A workflow of steps: checked when it is made, and never changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.errors import FallThroughWarning, WorkflowError, did_you_mean
from holdwater.model import validation
from holdwater.model.plan import Plan
from holdwater.model.registry import Registry, registry
from holdwater.steps.compile import build_plan
from holdwater.steps.step import ChoiceStep, LambdaStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.step_config import copy_config

if TYPE_CHECKING:
    from holdwater.steps.definition import StepsWorkflowDefinition

W = TypeVar("W", bound="Workflow")


class Workflow:
    """Steps, one after the other.  `defaults`: params that are not given.  Raises WorkflowError for what cannot be run.

    A workflow that is only run for the items of a map step needs no name.
    """

    def __init__(
        self,
        name: str = "",
        steps: Iterable[Step] = (),
        domain: str = "",
        description: str = "",
        version: int = 1,
        defaults: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        if not isinstance(name, str):
            raise WorkflowError(
                f"a workflow has a name, not {validation.shorten_repr(name)}", hint='Workflow(name="...", steps=[...])'
            )
        self.name = name
        self.steps: tuple[Step, ...] = tuple(steps)
        self.domain = domain
        self.description = description
        self.version = version
        self.defaults: dict[str, Any] = copy_config(defaults or {})
        self.tags: list[str] = list(tags)
        self._index: dict[str, int] = {}
        self._validate_steps()

    # -- looking

    def get_step(self, name: str) -> Step | None:
        """The step of this name."""
        index = self._index.get(name)
        return None if index is None else self.steps[index]

    def step_names(self) -> list[str]:
        """Names of the steps, in order."""
        return list(self._index)

    def step_index(self, name: str) -> int:
        """The place of a step, from 0; -1 if there is none of this name."""
        return self._index.get(name, -1)

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

    @cached_property
    def plan(self) -> Plan:
        """What the engine runs."""
        return build_plan(self.name, self.steps)

    @property
    def structure(self) -> str:
        """Fingerprint of names, kinds and order of the steps: 16 hex digits.  A run resumes only under its own."""
        return self.plan.structure

    def program(self, name: str | None = None) -> StepsWorkflowDefinition:
        """What the engine runs; under another name if one is given.  Raises WorkflowError if there is none."""
        from holdwater.steps.definition import StepsWorkflowDefinition

        known_as = self.name if name is None else name
        if not known_as:
            raise WorkflowError("a workflow that is run by itself has a name", hint='Workflow(name="...", steps=[...])')
        return StepsWorkflowDefinition(self, name=known_as)

    def to_mermaid(self) -> str:
        """A Mermaid flow chart, top down."""
        from holdwater.steps.picture import render_mermaid

        return render_mermaid(self)

    def to_text(self) -> str:
        """One line per step, with what it does and where it may go."""
        from holdwater.steps.picture import render_text

        return render_text(self)

    # -- as data

    def to_dict(self) -> dict[str, Any]:
        """The workflow as data; functions by their dotted path.  Raises WorkflowError for functions without one."""
        from holdwater.steps.workflow_document import workflow_to_dict

        return workflow_to_dict(self)

    @classmethod
    def from_dict(cls: type[W], data: Mapping[str, Any]) -> W:
        """From what `to_dict` gave.  Imports the modules its functions are in.  Raises WorkflowError."""
        from holdwater.steps.workflow_document import workflow_from_dict

        return workflow_from_dict(cls, data)

    def __repr__(self) -> str:
        return f"Workflow(name={self.name!r}, steps={len(self.steps)})"

    # -- checks

    def _validate_steps(self) -> None:
        for i, step in enumerate(self.steps):
            if not isinstance(step, Step):
                raise WorkflowError(
                    f"step {i} of workflow {self.name!r} is {step!r}",
                    hint="steps are made by Step.lambda_, Step.pipeline, Step.choice, Step.map and Step.wait",
                )
            if self._index.setdefault(step.name, i) != i:
                raise WorkflowError(
                    f"Duplicate step name: {step.name!r} in workflow {self.name!r}", hint="each step has its own name"
                )
        for step in self.steps:
            if isinstance(step, ChoiceStep):
                self._check_choice(step)
            elif isinstance(step, WaitStep) and step.next_step is not None:
                self._jump_target(step, "next_step", step.next_step)

    def _check_choice(self, step: ChoiceStep) -> None:
        then = self._jump_target(step, "then_step", step.then_step)
        other = None if step.else_step is None else self._jump_target(step, "else_step", step.else_step)
        last = then if other is None else max(then, other)
        if step.join is not None and self._jump_target(step, "join", step.join) < last:
            raise WorkflowError(
                f"choice step {step.name!r}: join {step.join!r} comes before {self.steps[last].name!r}",
                hint="join names the step after both branches",
            )
        if step.join is None and other is not None and other != then:
            first, second = sorted((then, other))
            warnings.warn(
                f"choice step {step.name!r}: the branch that begins with {self.steps[first].name!r} runs on into "
                f"{self.steps[second].name!r}; say join= with the step where both branches meet "
                f"(join={self.steps[second].name!r} if this is meant)",
                FallThroughWarning,
                stacklevel=4,
            )

    def _jump_target(self, step: Step, role: str, target: Any) -> int:
        """The place of a target, which is after the step."""
        there = self._index.get(target) if isinstance(target, str) else None
        if there is None:
            raise WorkflowError(
                f"step {step.name!r}: {role} {target!r} is no step of workflow {self.name!r}",
                hint=did_you_mean(target, self._index) or f"steps: {list(self._index)[:20]}",
            )
        if there <= self._index[step.name]:
            raise WorkflowError(
                f"step {step.name!r}: {role} {target!r} does not come after it; nobody can jump back",
                hint="move the target further down; to repeat work use retry= or a map step",
            )
        return there


def register_workflow(workflow: W, name: str | None = None, *, into: Registry = registry) -> W:
    """Make a workflow known by its name, or another one, to runners, schedules and the command line.  Returns it."""
    if not isinstance(workflow, Workflow):
        raise WorkflowError(f"register_workflow takes a Workflow of steps, not {workflow!r}")
    into.register(workflow.program(name))
    return workflow
