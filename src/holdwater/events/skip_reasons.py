"""Reasons of nodes that do not run, for people."""

from __future__ import annotations

from holdwater.kernel.machine_state import MachineState
from holdwater.model.rules import FAILED, UPSTREAM_FAILED


def skip_reason(state: MachineState, node: int) -> str:
    """Return the reason of a node that was skipped, or not run because of a failure."""
    if state.node_states[node] == UPSTREAM_FAILED:
        return _upstream_failure(state, node)
    return "a jump passed it over" if node in state.skipped_nodes else "its trigger rule did not hold"


def _upstream_failure(state: MachineState, node: int) -> str:
    index, after = state.compiled_plan.node_index, state.compiled_plan.plan.nodes[node].after
    failed = [name for name in after if state.node_states[index[name]] == FAILED]
    if failed:
        return f"upstream failed: {', '.join(failed)}"
    cut_off = [name for name in after if state.node_states[index[name]] == UPSTREAM_FAILED]
    return f"upstream was skipped because of a failure: {', '.join(cut_off)}"
