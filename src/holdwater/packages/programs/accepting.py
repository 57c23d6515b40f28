"""Results of hosts, held against the plan and the descriptor of their node, by the rules of its style.

Their cells have been parsed, and child runs have been checked against the plan of the child.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.model.input_requests import Question
from holdwater.model.node_messages import MAX_ANSWER_BYTES
from holdwater.model.plan import Plan
from holdwater.model.results import NodeResult
from holdwater.steps.jumps import JumpTable
from holdwater.tasks.context import MAX_CONTEXT_BYTES
from holdwater.tasks.remote import check_patch

Facts = Mapping[str, Any]
"""the descriptor of a node"""
END_TEXT: Final = "END"
"""the end of a graph in a decision; in the branches of a descriptor it is an empty text"""


def accept_result(plan: Plan, node: int, facts: Facts, view: Any, result: NodeResult) -> NodeResult:
    """Check a result, and complete it.  Raises BadAnswer."""
    name = plan.nodes[node].name
    if result.child_runs is not None and getattr(view, "child_results", None) is not None:
        raise BadAnswer(f"{name!r} asked for child runs a second time")
    return _CHECKS[plan.style](plan, node, facts, view, result)


def _accept_task(plan: Plan, node: int, facts: Facts, view: Any, result: NodeResult) -> NodeResult:
    name, is_mapped = plan.nodes[node].name, plan.nodes[node].kind == "fan_out"
    if result.question is not None or result.wait_until is not None or result.decision is not None:
        raise BadAnswer(f"task {name!r} decided or asked for what it cannot")
    if result.values:
        check_patch(name, view, result.values[0], MAX_ANSWER_BYTES if is_mapped else MAX_CONTEXT_BYTES)
    return result


def _accept_step(plan: Plan, node: int, facts: Facts, view: Any, result: NodeResult) -> NodeResult:
    name = plan.nodes[node].name
    if result.question is not None or (result.wait_until is not None and not facts.get("waits")):
        raise BadAnswer(f"step {name!r} asked for what it cannot")
    if result.wait_until is not None and view.woken_at is not None:
        raise BadAnswer(f"step {name!r} wants to wait a second time")
    names = [one.name for one in plan.nodes]
    if result.decision is not None and not JumpTable(names).is_possible(name, result.decision):
        raise BadAnswer(f"step {name!r} skips steps that it cannot skip")
    return result


def _accept_node(plan: Plan, node: int, facts: Facts, view: Any, result: NodeResult) -> NodeResult:
    planned = plan.nodes[node]
    if result.question is not None:
        return NodeResult(question=Question(result.question.prompt, facts.get("answer_schema")))
    if result.wait_until is not None or (planned.kind == "interrupt" and result.values):
        raise BadAnswer(f"node {planned.name!r} gave or asked for what it cannot")
    if result.child_runs is None:
        _check_decision(planned.name, facts.get("branches"), result.decision, is_multi=planned.multi)
    return result


def _check_decision(
    name: str, branches: Mapping[str, str] | None, decision: tuple[str, ...] | None, *, is_multi: bool
) -> None:
    """Check that gates, and no other nodes, decide for their targets.  Raises BadAnswer."""
    if branches is None:
        if decision is not None:
            raise BadAnswer(f"node {name!r} decided, and it is no gate")
        return
    targets = {target or END_TEXT for target in branches}
    if decision is None or not set(decision) <= targets or (len(decision) > 1 and not is_multi):
        raise BadAnswer(f"gate {name!r} decided for what is none of its targets")


_CHECKS: Final[Mapping[str, Callable[[Plan, int, Facts, Any, NodeResult], NodeResult]]] = {
    "tasks": _accept_task,
    "steps": _accept_step,
    "graphs": _accept_node,
}
