"""Attempts of the steps of a run, read from its journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdwater.model import events as ev
from holdwater.model.time import Micros
from holdwater.runs.view import RunView
from holdwater.steps.delta import StepDelta


@dataclass(frozen=True, slots=True)
class StepAttempt:
    """An ended attempt of a step.

    `started_at`, `ended_at`: microseconds since the epoch, `started_at` of its first call.  `was_suspended`: it is a
    wait or a map, whose function was called again after its request was done.
    """

    entry_index: int
    node_index: int
    started_at: Micros
    ended_at: Micros
    event: ev.Succeeded | ev.Failed
    was_suspended: bool

    @property
    def duration_ms(self) -> float:
        return (self.ended_at - self.started_at) / 1000

    @property
    def delta(self) -> StepDelta | None:
        """The changes of a successful attempt; None for a failed one."""
        return self.event.values[0] if isinstance(self.event, ev.Succeeded) else None


def iter_attempts(run: RunView, first_entry: int = 0) -> Iterator[StepAttempt]:
    """Iterate over ended attempts, from an entry of the journal on."""
    asked: dict[int, Micros] = {}
    for place, entry in enumerate(run.journal):
        event = entry.event
        if isinstance(event, (ev.Deferred, ev.ChildRunsRequested)):
            asked[event.node] = entry.started_at
        elif isinstance(event, (ev.Succeeded, ev.Failed)):
            began = asked.pop(event.node, None)
            if place >= first_entry:
                first = entry.started_at if began is None else began
                yield StepAttempt(place, event.node, first, entry.ended_at, event, began is not None)


def encoded_output_size(delta: StepDelta) -> int:
    """Bytes of the output, encoded."""
    return 0 if delta.output is None else len(delta.output.text.encode(errors="surrogatepass"))
