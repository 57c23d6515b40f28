"""Drawings of a workflow of steps: Mermaid and text."""

from __future__ import annotations

from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.jumps import JumpTable
from holdwater.steps.result import StepResult
from holdwater.steps.step import ChoiceStep, MapStep, RunPipelineStep, Step, WaitStep

END_LABEL = "end"


def render_text(workflow: BaseWorkflow[Step]) -> str:
    """Render one line per step, with its action and possible successors."""
    lines = [repr(workflow)]
    width = max([len(step.name) for step in workflow.steps], default=0)
    ways = _transitions(workflow)
    for i, step in enumerate(workflow.steps):
        jumps = [f"{label} -> {target}" if label else f"-> {target}" for target, label in ways[step.name]]
        following = workflow.steps[i + 1].name if i + 1 < len(workflow.steps) else END_LABEL
        tail = "" if jumps == [f"-> {following}"] else f"  {', '.join(jumps)}"
        lines.append(f"  {i + 1:>4}. {step.name:<{width}}  {_describe_step(step)}{tail}")
    return "\n".join(lines)


def render_mermaid(workflow: BaseWorkflow[Step]) -> str:
    """Render a Mermaid flow chart, top down."""
    number = {step.name: f"s{i}" for i, step in enumerate(workflow.steps)}
    lines = ["flowchart TD"]
    for step in workflow.steps:
        label = f"{step.name}: {_describe_step(step)}".replace("#", "#35;").replace('"', "#quot;")
        opening, closing = ("{", "}") if isinstance(step, ChoiceStep) else ("[", "]")
        lines.append(f'    {number[step.name]}{opening}"{label}"{closing}')
    for name, ways in _transitions(workflow).items():
        for target, label in ways:
            if target != END_LABEL:
                arrow = f"-- {label} -->" if label else "-->"
                lines.append(f"    {number[name]} {arrow} {number[target]}")
    return "\n".join(lines)


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
    course, names = JumpTable(workflow.steps), [*workflow.step_names(), END_LABEL]
    over: dict[str, str] = {}  # last step of a first branch -> step at which the branches join
    ways: dict[str, list[tuple[str, str]]] = {}
    for i, step in enumerate(workflow.steps):
        following = names[i + 1]
        if isinstance(step, ChoiceStep):
            ways[step.name] = []
            for branch in ("then", "else"):
                passed = course.skipped_ranges(step, StepResult.ok({"branch": branch})) or ()
                pairs = dict(zip(passed[::2], passed[1::2], strict=True))
                ways[step.name].append((pairs.pop(following, following) or END_LABEL, branch))
                for begin, end in pairs.items():
                    if step.else_step is not None:
                        over[names[workflow.step_index(begin) - 1]] = end or END_LABEL
        else:
            jump = step.next_step if isinstance(step, WaitStep) else None
            ways[step.name] = [(jump or over.get(step.name, following), "")]
    return ways
