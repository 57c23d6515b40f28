"""The ways on from each step, as far as its declaration says; jumps by the result of a handler are unknown."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.jumps import JumpTable
from holdwater.steps.result import StepResult
from holdwater.steps.step import ChoiceStep, Step, WaitStep

END_NAME: Final = ""
"""the end of the workflow, as a successor; not a valid name of a step"""


def step_branches(workflow: BaseWorkflow[Step]) -> dict[int, dict[str, str]]:
    """Map each step that does not simply go on with the next one to its successors, and these to the condition."""
    following = dict(pairwise([*workflow.step_names(), END_NAME]))
    found: dict[int, dict[str, str]] = {}
    for i, (name, ways) in enumerate(step_transitions(workflow).items()):
        if ways != [(following[name], "")]:
            branches = found[i] = {}
            for target, label in ways:
                branches[target] = f"{branches[target]}, {label}" if target in branches else label
    return found


def step_transitions(workflow: BaseWorkflow[Step]) -> dict[str, list[tuple[str, str]]]:
    """Map each step to (successor, condition); jumps by the result of a handler are unknown."""
    course, names = JumpTable(workflow.step_names()), [*workflow.step_names(), END_NAME]
    over: dict[str, str] = {}  # last step of a first branch -> step at which the branches join
    ways: dict[str, list[tuple[str, str]]] = {}
    for i, step in enumerate(workflow.steps):
        following = names[i + 1]
        if isinstance(step, ChoiceStep):
            ways[step.name] = []
            for branch in ("then", "else"):
                passed = course.skipped_ranges(step, StepResult.ok({"branch": branch})) or ()
                pairs = dict(zip(passed[::2], passed[1::2], strict=True))
                ways[step.name].append((pairs.pop(following, following) or END_NAME, branch))
                for begin, end in pairs.items():
                    if step.else_step is not None:
                        over[names[workflow.step_index(begin) - 1]] = end or END_NAME
        else:
            jump = step.next_step if isinstance(step, WaitStep) else None
            ways[step.name] = [(jump or over.get(step.name, following), "")]
    return ways
