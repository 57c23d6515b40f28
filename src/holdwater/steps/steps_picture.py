"""Pictures of workflows of steps, with the jumps that their code declares."""

from __future__ import annotations

from itertools import pairwise

from holdwater.drawing.picture import END_KEY, Arrow, Box, BoxKind, Picture
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.step import ChoiceStep, MapStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.step_branches import END_NAME, step_transitions


def make_picture(workflow: BaseWorkflow[Step]) -> Picture:
    """Build the picture of a workflow; jumps by the result of a handler are unknown."""
    picture = Picture(workflow.name or "workflow", sequence=True)
    for step in workflow.steps:
        picture.boxes[step.name] = Box(step.name, _box_kind(step), note=_describe_step(step))
    names = [*workflow.step_names(), END_NAME]
    following = dict(pairwise(names))
    for name, ways in step_transitions(workflow).items():
        for target, label in ways:
            if target == END_NAME and not label:
                continue
            if target == END_NAME:
                picture.boxes[END_NAME] = Box(END_KEY, "end")
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
