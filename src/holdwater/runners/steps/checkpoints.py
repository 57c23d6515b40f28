"""A run as it was after each of its steps.  SQL databases show the same in the view `core_workflow_checkpoints`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from holdwater.model import codec
from holdwater.model.time import to_rfc3339
from holdwater.runners.steps.attempts import iter_attempts
from holdwater.runners.steps.visibility import RunVisibility, strip_internal_keys
from holdwater.runs.nodes import NodeState
from holdwater.runs.view import RunView
from holdwater.steps import StepsRunData, WorkflowContext
from holdwater.steps.context import RESUMED_PARAM


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run as it was right after a step.  `context` is made anew at each access."""

    run_id: str
    workflow_name: str
    step_name: str
    created_at: str
    snapshot: str = field(repr=False)

    @property
    def checkpoint_step(self) -> str:
        return self.step_name

    @property
    def context_snapshot(self) -> dict[str, Any]:
        """The context as JSON data; what JSON does not know is tagged."""
        data: dict[str, Any] = json.loads(self.snapshot)
        return data

    @property
    def context(self) -> WorkflowContext:
        """The context the next step saw."""
        return WorkflowContext.from_dict(codec.decode(self.snapshot))

    def to_dict(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "workflow_name": self.workflow_name,
            "checkpoint_step": self.step_name,
            "context_snapshot": self.context_snapshot,
            "created_at": self.created_at,
        }


def build_checkpoints(run: RunView) -> list[Checkpoint]:
    """One for each step that has succeeded, in order, as far as they are kept."""
    kept = RunVisibility.from_run(run).checkpoints
    if kept == "none":
        return []
    data, info = run.data, run.info
    assert isinstance(data, StepsRunData)
    latest = {
        attempt.node_index: run.journal[attempt.entry_index].recorded_at
        for attempt in iter_attempts(run)
        if attempt.delta is not None
    }
    done = [i for i, node in enumerate(run.nodes) if node.state is NodeState.COMPLETED]
    found = []
    for i in done:
        delta = data.step_delta(i)
        assert delta is not None
        if kept == "marked" and not delta.checkpoint and not (i == done[-1] and info.ended):
            continue
        context = strip_internal_keys(
            data.view_after(i).make_context(info.id, info.workflow, info.created_at), RESUMED_PARAM
        )
        found.append(Checkpoint(info.id, info.workflow, run.nodes[i].name, to_rfc3339(latest[i]), context.to_json()))
    return found
