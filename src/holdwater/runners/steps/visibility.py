"""What of a run is recorded for people to look at, and how a run says so itself."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from holdwater.runtime.active_run import LiveRun
from holdwater.steps import WorkflowContext
from holdwater.steps.context import values_of
from holdwater.steps.delta import INPUT, Start

RECORDED: Final = "__recorded__"
"""among the metadata of a run: what of it is shown, where that is not everything"""


@dataclass(frozen=True, slots=True)
class Recording:
    """What of a run is shown.  `checkpoints`: all, marked (by their step, and the last one) or none."""

    checkpoints: str = "all"
    events: bool = True

    def to_metadata(self) -> dict[str, Any]:
        """What a run is started with; nothing if everything is shown."""
        if self == Recording():
            return {}
        return {RECORDED: {"checkpoints": self.checkpoints, "events": self.events}}

    @classmethod
    def of(cls, run: LiveRun) -> Recording:
        """That of a run."""
        start: Start | None = run.machine.value[run.layout.cell[INPUT]]
        found = None if start is None else start.metadata.get(RECORDED)
        return cls() if found is None else cls(**found.copy())


def shown_context(context: WorkflowContext, *hidden: str) -> WorkflowContext:
    """The context without what is the runner's own."""
    params, metadata = context.params.all_stored(), context.metadata.all_stored()
    for name in (*hidden, RECORDED):
        params.pop(name, None)
        metadata.pop(name, None)
    fields = {name: getattr(context, name) for name in WorkflowContext.__slots__}
    fields |= {"params": values_of("params", params), "metadata": values_of("metadata", metadata)}
    return WorkflowContext.over(**fields)


def shown(us: int) -> str:
    """An instant as RFC 3339 in UTC."""
    return dt.datetime.fromtimestamp(us // 1_000_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{us % 1_000_000:06d}Z"
