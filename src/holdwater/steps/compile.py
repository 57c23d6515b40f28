"""From a workflow of steps to a plan, and from what a step decided to what it passes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from holdwater.errors import ConfigurationFailure
from holdwater.model.plan import Node, OnError, Plan
from holdwater.steps.delta import INPUT, OVERRIDE
from holdwater.steps.result import StepResult
from holdwater.steps.step import ChoiceStep, ErrorPolicy, MapStep, PipelineStep_, Step, WaitStep

END: Final = ""
"""stands for what comes after the last step"""

_ON_ERROR: Final[dict[ErrorPolicy, OnError]] = {
    ErrorPolicy.STOP: "stop",
    ErrorPolicy.RETRY: "stop",
    ErrorPolicy.CONTINUE: "ignore",
}


def plan_of(name: str, steps: Sequence[Step]) -> Plan:
    """One node for each step, in a sequence."""
    nodes = []
    before: tuple[str, ...] = ()
    for step in steps:
        fans = isinstance(step, (MapStep, PipelineStep_))
        nodes.append(
            Node(
                step.name,
                kind="fan" if fans else "call",
                after=before,
                writes=(step.name,),
                on_error=_ON_ERROR[ErrorPolicy(step.on_error)],
            )
        )
        before = (step.name,)
    return Plan(name, tuple(nodes), style="steps", inputs=(INPUT, OVERRIDE), sequence=True)


class Course:
    """The order of the steps, and where it can be left."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._names = [step.name for step in steps]
        self._index: Mapping[str, int] = {name: i for i, name in enumerate(self._names)}

    def passed(self, step: Step, result: StepResult) -> tuple[str, ...] | None:
        """What a step passes over: pairs of names, from the first up to before the second; None: nothing.

        Raises ConfigurationFailure for a jump to where nobody can go.
        """
        here = self._index[step.name]
        target = result.next_step
        if target is None and isinstance(step, WaitStep):
            target = step.next_step
        if target is not None:
            return self._pairs((here + 1, self._ahead(step, target)))
        if isinstance(step, ChoiceStep):
            branch = result.output.get("branch")
            if branch in ("then", "else"):
                return self._pairs(*self._ranges(here, step, branch))
        return None

    def _ahead(self, step: Step, target: str) -> int:
        there = self._index.get(target)
        if there is None or there <= self._index[step.name]:
            why = "is not in this workflow" if there is None else "does not come after it"
            raise ConfigurationFailure(
                f"step {step.name!r} wants to go on with {target!r}, which {why}",
                hint="next_step names a step further down",
            )
        return there

    def _ranges(self, here: int, step: ChoiceStep, branch: str) -> list[tuple[int, int]]:
        then = self._index[step.then_step]
        join = None if step.join is None else self._index[step.join]
        if step.else_step is None:
            if branch == "then":
                return [(here + 1, then)]
            return [(then, then + 1 if join is None else join)]
        other = self._index[step.else_step]
        chosen = then if branch == "then" else other
        second = max(then, other)
        ranges = [(here + 1, chosen)]
        if join is not None and chosen != second:
            ranges.append((second, join))
        return ranges

    def _pairs(self, *ranges: tuple[int, int]) -> tuple[str, ...] | None:
        names = [*self._names, END]
        found = [name for begin, end in ranges if begin < end for name in (names[begin], names[end])]
        return tuple(found) or None
