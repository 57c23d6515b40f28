"""An ordered list of steps, with checked names and jumps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from holdwater.errors import WorkflowError
from holdwater.model import validation
from holdwater.model.plan import Plan
from holdwater.steps.base_step import BaseStep
from holdwater.steps.compile import build_plan
from holdwater.steps.jump_targets import JumpTargets
from holdwater.steps.step_config import copy_config

S = TypeVar("S", bound=BaseStep)


class BaseWorkflow(Generic[S]):
    """Steps in order.  `defaults`: values of params that are not given.  Raises WorkflowError for an invalid workflow.

    A workflow that is only the iterator of a map step needs no name.
    """

    def __init__(
        self,
        name: str = "",
        steps: Iterable[S] = (),
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
        self.steps: tuple[S, ...] = tuple(steps)
        self.domain = domain
        self.description = description
        self.version = version
        self.defaults: dict[str, Any] = copy_config(defaults or {})
        self.tags: list[str] = list(tags)
        self._index: dict[str, int] = {}
        self._check_steps()

    def get_step(self, name: str) -> S | None:
        """Find a step by name."""
        index = self._index.get(name)
        return None if index is None else self.steps[index]

    def step_names(self) -> list[str]:
        """Return the names of the steps, in order."""
        return list(self._index)

    def step_index(self, name: str) -> int:
        """Return the index of a step, from 0; -1 if there is none of this name."""
        return self._index.get(name, -1)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the engine."""
        return build_plan(self.name, self.steps)

    @property
    def structure(self) -> str:
        """Fingerprint of names, kinds and order of the steps, 16 hex digits; a run resumes only with the same one."""
        return self.plan.structure

    def __repr__(self) -> str:
        return f"Workflow(name={self.name!r}, steps={len(self.steps)})"

    def _check_steps(self) -> None:
        for i, step in enumerate(self.steps):
            if not isinstance(step, BaseStep):
                raise WorkflowError(
                    f"step {i} of workflow {self.name!r} is {step!r}",
                    hint="steps are made by Step.lambda_, Step.pipeline, Step.choice, Step.map and Step.wait",
                )
            if self._index.setdefault(step.name, i) != i:
                raise WorkflowError(
                    f"Duplicate step name: {step.name!r} in workflow {self.name!r}", hint="each step has its own name"
                )
        targets = JumpTargets(self.name, self._index)
        for step in self.steps:
            step.check_targets(targets)
