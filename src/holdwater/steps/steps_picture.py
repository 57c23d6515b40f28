"""Pictures of workflows of steps, with the jumps that their code declares."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from holdwater.drawing.picture import END_KEY, Arrow, Box, BoxKind, Picture
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.jumps import JumpTable
from holdwater.steps.result import StepResult
from holdwater.steps.step import ChoiceStep, MapStep, RunPipelineStep, Step, WaitStep

_END: Final = ""
"""the end of the workflow, as a successor; not a valid name of a step"""


def make_picture(workflow: BaseWorkflow[Step]) -> Picture:
    """Build the picture of a workflow; jumps by the result of a handler are unknown."""
    picture = Picture(workflow.name or "workflow", sequence=True)
    for step in workflow.steps:
        picture.boxes[step.name] = Box(step.name, _box_kind(step), note=_describe_step(step))
    names = [*workflow.step_names(), _END]
    following = dict(pairwise(names))
    for name, ways in _transitions(workflow).items():
        for target, label in ways:
            if target == _END and not label:
                continue
            if target == _END:
                picture.boxes[_END] = Box(END_KEY, "end")
            picture.arrows.append(
                Arrow(name, target, "data" if target == following[name] and not label else "control", label)
            )
    return picture


def _box_kind(step: Step) -> BoxKind:
    match step:
        case ChoiceStep():
            return "choice"
        case RunPipelineStep() | MapStep():
            return "graph"
        case WaitStep():
            return "wait"
    return "function"


def _describe_step(step: Step) -> str:
    match step:
        case RunPipelineStep():
            return f"pipeline {step.pipeline_name}"
        case MapStep():
            return f"map of {len(step.iterator_workflow.steps)} steps"
        case WaitStep(duration_seconds=seconds) if seconds is not None:
            return f"wait {seconds:g} s"
    return str(step.step_type)


def _transitions(workflow: BaseWorkflow[Step]) -> dict[str, list[tuple[str, str]]]:
    """Map each step to (successor, condition); jumps by the result of a handler are unknown."""
    course, names = JumpTable(workflow.steps), [*workflow.step_names(), _END]
    over: dict[str, str] = {}  # last step of a first branch -> step at which the branches join
    ways: dict[str, list[tuple[str, str]]] = {}
    for i, step in enumerate(workflow.steps):
        following = names[i + 1]
        if isinstance(step, ChoiceStep):
            ways[step.name] = []
            for branch in ("then", "else"):
                passed = course.skipped_ranges(step, StepResult.ok({"branch": branch})) or ()
                pairs = dict(zip(passed[::2], passed[1::2], strict=True))
                ways[step.name].append((pairs.pop(following, following) or _END, branch))
                for begin, end in pairs.items():
                    if step.else_step is not None:
                        over[names[workflow.step_index(begin) - 1]] = end or _END
        else:
            jump = step.next_step if isinstance(step, WaitStep) else None
            ways[step.name] = [(jump or over.get(step.name, following), "")]
    return ways
