"""Jumps: the ranges of steps skipped by the decision of a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from holdwater.errors import ConfigurationFailure
from holdwater.steps.result import StepResult
from holdwater.steps.step import ChoiceStep, Step, WaitStep

AFTER_LAST_STEP: Final = ""
"""target of a jump to the end"""


class JumpTable:
    """The order of the steps and their jumps.  `names`: of all steps, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._index: Mapping[str, int] = {name: i for i, name in enumerate(self._names)}

    def skipped_ranges(self, step: Step, result: StepResult) -> tuple[str, ...] | None:
        """Return the ranges a step skips as flat pairs of names, (first, end), the end excluded; None for none.

        Raises ConfigurationFailure for an unknown or earlier target.
        """
        here = self._index[step.name]
        target = result.next_step
        if target is None and isinstance(step, WaitStep):
            target = step.next_step
        if target is not None:
            return self._to_name_pairs((here + 1, self._jump_target(step, target)))
        if isinstance(step, ChoiceStep):
            branch = result.output.get("branch")
            if branch in ("then", "else"):
                return self._to_name_pairs(*self._ranges_skipped_by_choice(here, step, branch))
        return None

    def is_possible(self, step_name: str, decision: tuple[str, ...]) -> bool:
        """Return True if a step can skip these ranges: forward ones, none of which is empty."""
        here, last = self._index[step_name], len(self._names)
        if not decision or len(decision) % 2 or not set(decision) <= {*self._names, AFTER_LAST_STEP}:
            return False
        ranges = [(self._index.get(first, last), self._index.get(end, last)) for first, end in _pairs(decision)]
        return all([here < first < end for first, end in ranges])

    def _jump_target(self, step: Step, target: str) -> int:
        there = self._index.get(target)
        if there is None or there <= self._index[step.name]:
            why = "is not in this workflow" if there is None else "does not come after it"
            raise ConfigurationFailure(
                f"step {step.name!r} wants to go on with {target!r}, which {why}",
                hint="next_step names a step further down",
            )
        return there

    def _ranges_skipped_by_choice(self, step_index: int, step: ChoiceStep, branch: str) -> list[tuple[int, int]]:
        then = self._index[step.then_step]
        join = None if step.join is None else self._index[step.join]
        if step.else_step is None:
            if branch == "then":
                return [(step_index + 1, then)]
            return [(then, then + 1 if join is None else join)]
        other = self._index[step.else_step]
        chosen = then if branch == "then" else other
        second = max(then, other)
        ranges = [(step_index + 1, chosen)]
        if join is not None and chosen != second:
            ranges.append((second, join))
        return ranges

    def _to_name_pairs(self, *ranges: tuple[int, int]) -> tuple[str, ...] | None:
        names = [*self._names, AFTER_LAST_STEP]
        found = [name for begin, end in ranges if begin < end for name in (names[begin], names[end])]
        return tuple(found) or None


def _pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(names[::2], names[1::2], strict=True)
