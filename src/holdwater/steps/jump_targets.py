"""Targets of jumps, checked when a workflow is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.model.suggestions import did_you_mean


class JumpTargets:
    """The steps of a workflow by name, in order.  Jumps lead forwards only."""

    def __init__(self, workflow_name: str, index: Mapping[str, int]) -> None:
        self._workflow_name = workflow_name
        self._index = index
        self._names = list(index)

    def index_after(self, step_name: str, role: str, target: Any) -> int:
        """Return the index of a target, from 0.  Raises WorkflowError if it does not come after the step.

        `role`: the option that names the target.
        """
        there = self._index.get(target) if isinstance(target, str) else None
        if there is None:
            raise WorkflowError(
                f"step {step_name!r}: {role} {target!r} is no step of workflow {self._workflow_name!r}",
                hint=did_you_mean(target, self._index) or f"steps: {self._names[:20]}",
            )
        if there <= self._index[step_name]:
            raise WorkflowError(
                f"step {step_name!r}: {role} {target!r} does not come after it, and there is no way to jump back",
                hint="move the target further down; to repeat work use retry= or a map step",
            )
        return there

    def name(self, index: int) -> str:
        """Return the name of a step by index."""
        return self._names[index]
