"""The error of a run that failed, for people."""

from __future__ import annotations

from holdwater.kernel.compiled_plan import RUN_INDEX
from holdwater.kernel.machine_state import MachineState


def first_failed_node(state: MachineState) -> int | None:
    """The first node whose failure counts; None if there is none, or the run itself failed (its deadline)."""
    if RUN_INDEX in state.errors:
        return None
    nodes = state.compiled_plan.plan.nodes
    return min([i for i in state.errors if nodes[i].on_error != "ignore"], default=None)


def describe_run_error(state: MachineState) -> str | None:
    """The task, the exception type and the message; None if the run has not failed."""
    if not state.failed or not state.errors:
        return None
    if RUN_INDEX in state.errors:
        return state.errors[RUN_INDEX][1]
    nodes = state.compiled_plan.plan.nodes
    fatal = sorted([i for i in state.errors if nodes[i].on_error != "ignore"])
    first = f"task {nodes[fatal[0]].name!r} failed: {state.errors[fatal[0]][1]}"
    return first if len(fatal) == 1 else f"{first} (and {len(fatal) - 1} more failed)"
