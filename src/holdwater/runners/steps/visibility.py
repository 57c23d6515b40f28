"""Visibility of checkpoints and events of a run, recorded in its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from holdwater.runs.view import RunView
from holdwater.steps import WorkflowContext
from holdwater.steps.context import make_values
from holdwater.steps.delta import INPUT_CELL, RunInput

VISIBILITY_KEY: Final = "__visibility__"
"""key of the visibility in the metadata of a run; missing if everything is visible"""


@dataclass(frozen=True, slots=True)
class RunVisibility:
    """The visible parts of a run.  `checkpoints`: "all", "marked" (requested by steps, and the last one) or "none"."""

    checkpoints: str = "all"
    events: bool = True

    def to_metadata(self) -> dict[str, Any]:
        """Return the metadata of a new run; empty if everything is visible."""
        if self == RunVisibility():
            return {}
        return {VISIBILITY_KEY: {"checkpoints": self.checkpoints, "events": self.events}}

    @classmethod
    def from_run(cls, run: RunView) -> RunVisibility:
        """Read the visibility of a run."""
        start: RunInput | None = run.inputs.get(INPUT_CELL)
        found = None if start is None else start.metadata.get(VISIBILITY_KEY)
        return cls() if found is None else cls(**found.copy())


def strip_internal_keys(context: WorkflowContext, *hidden_keys: str) -> WorkflowContext:
    """Return the context without keys of the runner."""
    params, metadata = context.params.stored_values(), context.metadata.stored_values()
    for name in (*hidden_keys, VISIBILITY_KEY):
        params.pop(name, None)
        metadata.pop(name, None)
    fields = {name: getattr(context, name) for name in WorkflowContext.__slots__}
    fields |= {"params": make_values("params", params), "metadata": make_values("metadata", metadata)}
    return WorkflowContext.from_fields(**fields)
