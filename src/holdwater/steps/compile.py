"""Compilation of steps to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdwater.model.plan import OnError, Plan, PlanNode
from holdwater.steps.base_step import BaseStep, ErrorPolicy
from holdwater.steps.delta import INPUT_CELL, RESUME_PARAMS_CELL

_ON_ERROR: Final[dict[ErrorPolicy, OnError]] = {
    ErrorPolicy.STOP: "stop",
    ErrorPolicy.RETRY: "stop",
    ErrorPolicy.CONTINUE: "ignore",
}


def build_plan(name: str, steps: Sequence[BaseStep]) -> Plan:
    """Compile steps to a sequence of nodes."""
    nodes = []
    before: tuple[str, ...] = ()
    for step in steps:
        nodes.append(
            PlanNode(
                step.name,
                kind="fan_out" if step.has_children else "call",
                after=before,
                writes=(step.name,),
                on_error=_ON_ERROR[ErrorPolicy(step.on_error)],
            )
        )
        before = (step.name,)
    return Plan(name, tuple(nodes), style="steps", inputs=(INPUT_CELL, RESUME_PARAMS_CELL), sequence=True)
