"""Plans from a process that is not trusted: only those that an authoring style compiles are taken.

The engine follows a plan without checking it again, so a plan is read here field by field, compiled by the kernel, and
held against the shape that plans of its style have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from holdwater.errors import PackageBuildError, WorkflowError
from holdwater.kernel import compile_plan
from holdwater.model.plan import NodeKind, OnError, Plan, PlanNode
from holdwater.model.rules import (
    OPERATORS,
    SETTLED_OUTCOMES,
    SKIPPED,
    UPSTREAM_FAILED,
    After,
    GateOpen,
    HasRun,
    ValuePredicate,
    rule_leaves,
)
from holdwater.packages.descriptors.untrusted_data import check_fields, check_list, check_name, check_names, check_type
from holdwater.steps.delta import INPUT_CELL as PARAMS_CELL
from holdwater.steps.delta import RESUME_PARAMS_CELL
from holdwater.tasks.compile import topological_levels
from holdwater.tasks.run_data import INPUT_CELL as CONTEXT_CELL

MAX_NODES: Final = 20_000
"""of one plan"""
MAX_CELLS: Final = 10_000
"""of one node"""
_LISTS: Final = ("after", "writes", "gates", "targets")
_CHOICES: Final = {
    "kind": get_args(NodeKind),
    "on_error": get_args(OnError),
    "outcome_if_not_run": (SKIPPED, UPSTREAM_FAILED),
}
_NODE_FIELDS: Final = (*_LISTS, *_CHOICES, "multi", "ready", "reads")
_RULE_SHAPES: Final[Mapping[str, tuple[Callable[[Any], bool], ...]]] = {
    "after": (lambda v: type(v) is str, lambda v: _is_sorted_subset(v)),
    "open": (lambda v: type(v) is str, lambda v: type(v) is str, lambda v: type(v) is bool),
    "value": (lambda v: type(v) is str, lambda v: type(v) is str and v in OPERATORS, lambda v: True),
    "ran": (lambda v: type(v) is str, lambda v: type(v) is bool),
}


def read_plan(data: Any, name: str, style: str) -> Plan:
    """Build the plan of a workflow from what another process sent.  Raises PackageBuildError."""
    label = f"the plan of workflow {name!r}"
    fields = check_fields(
        data, label, ("name", "style", "nodes", "inputs"), ("aliases", "max_iterations", "sequence", "variant")
    )
    if fields["name"] != name or fields["style"] != style:
        raise PackageBuildError(f"{label} is that of another workflow or style")
    check_names(fields["inputs"], f"inputs of {label}", MAX_CELLS)
    for node in check_list(fields["nodes"], f"the list of nodes of {label}", MAX_NODES):
        _check_node(node, label)
    for alias, cell in check_type(fields.get("aliases", {}), f"aliases of {label}", dict).items():
        check_name(alias, f"an alias of {label}")
        check_name(cell, f"an alias of {label}")
    limit = fields.get("max_iterations", 1)
    if limit is not None and (type(limit) is not int or limit < 1):
        raise PackageBuildError(f"{label} has no limit of iterations, but {limit!r:.80}")
    check_type(fields.get("sequence", False), f"`sequence` of {label}", bool)
    check_type(fields.get("variant", ""), f"the variant of {label}", str)
    try:
        plan = Plan.from_data(fields)
        compile_plan(plan)
        _SHAPE_CHECKS[style](plan)
    except WorkflowError as error:
        raise PackageBuildError(f"{label} cannot be executed: {error.message}") from error
    if plan.to_data() != data:
        raise PackageBuildError(f"{label} is not written as plans are")
    return plan


def _check_node(data: Any, label: str) -> None:
    check_fields(data, f"a node of {label}", ("name",), _NODE_FIELDS)
    name = check_name(data["name"], f"the name of a node of {label}")
    label = f"node {name!r} of {label}"
    for field in _LISTS:
        check_names(data.get(field, []), f"{field} of {label}", MAX_CELLS)
    for field, choices in _CHOICES.items():
        if field in data and data[field] not in choices:
            raise PackageBuildError(f"{field} of {label} is one of {', '.join(choices)}, not {data[field]!r:.80}")
    check_type(data.get("multi", False), f"`multi` of {label}", bool)
    if "ready" in data:
        _check_rule(data["ready"], label)
    for read in check_list(data.get("reads", []), f"reads of {label}", MAX_CELLS):
        row = check_list(read, f"a read of {label}", 5)
        if [type(one) for one in row] != [str, list, bool, bool, bool] or not row[1]:
            raise PackageBuildError(f"a read of {label} has other fields than a read has")
        check_names(row[1], f"cells of {label}", MAX_CELLS)


def _check_rule(data: Any, label: str) -> None:
    stack = [data]
    while stack:
        rule = stack.pop()
        kind = rule[0] if type(rule) is list and rule else None
        if kind in ("all", "any") or (kind == "not" and len(rule) == 2):
            stack += rule[1:]
            continue
        shape = _RULE_SHAPES.get(kind) if type(kind) is str else None
        if shape is None or len(rule) != len(shape) + 1 or not all([fits(v) for fits, v in zip(shape, rule[1:])]):
            raise PackageBuildError(f"the rule of {label} has a part that is no rule: {rule!r:.80}")


def _is_sorted_subset(value: Any) -> bool:
    return type(value) is list and all([type(one) is str and one in SETTLED_OUTCOMES for one in value])


# -- shapes of plans


def _check_tasks(plan: Plan) -> None:
    """Each task writes one cell, and comes after others; there are no loops."""
    nodes = tuple(
        [
            PlanNode(
                n.name,
                kind=n.kind,
                after=n.after,
                ready=n.ready,
                outcome_if_not_run=n.outcome_if_not_run,
                writes=(n.name,),
                on_error=n.on_error,
            )
            for n in plan.nodes
        ]
    )
    _require(plan, Plan(plan.name, nodes, inputs=(CONTEXT_CELL,)))
    for n in plan.nodes:
        _require_choice(n, n.kind in ("call", "fan_out") and n.on_error != "stop")
        _require_choice(n, all([isinstance(leaf, (After, ValuePredicate)) for leaf in rule_leaves(n.ready)]))
    if not nodes:
        raise WorkflowError(f"workflow {plan.name!r} has no tasks")
    topological_levels(plan)


def _check_steps(plan: Plan) -> None:
    """Each step writes one cell, and comes after the one before it."""
    nodes: list[PlanNode] = []
    before: tuple[str, ...] = ()
    for n in plan.nodes:
        _require_choice(n, n.kind in ("call", "fan_out") and n.on_error != "fail")
        nodes.append(PlanNode(n.name, kind=n.kind, after=before, writes=(n.name,), on_error=n.on_error))
        before = (n.name,)
    wanted = Plan(plan.name, tuple(nodes), style="steps", inputs=(PARAMS_CELL, RESUME_PARAMS_CELL), sequence=True)
    _require(plan, wanted)


def _check_graph(plan: Plan) -> None:
    """Each node writes cells of its own and reads known ones; rules know no values."""
    known = {*plan.inputs, *[cell for n in plan.nodes for cell in n.writes]}
    names = {n.name for n in plan.nodes}
    if plan.sequence:
        raise WorkflowError("a graph is no sequence")
    for n in plan.nodes:
        _require_choice(n, n.kind in ("call", "interrupt", "fan_out"))
        _require_choice(n, n.on_error == "stop" and n.outcome_if_not_run == SKIPPED)
        _require_choice(n, all([cell.startswith(f"{n.name}/") for cell in n.writes]))
        _require_choice(n, bool(n.writes) or n.kind != "interrupt")
        _require_choice(n, all([not known.isdisjoint(read.cells) for read in n.reads]))
        _require_choice(n, names.issuperset(n.targets))
        _require_choice(n, all([isinstance(leaf, (After, GateOpen, HasRun)) for leaf in rule_leaves(n.ready)]))


_SHAPE_CHECKS: Final[Mapping[str, Callable[[Plan], None]]] = {
    "tasks": _check_tasks,
    "steps": _check_steps,
    "graphs": _check_graph,
}
STYLES: Final = frozenset(_SHAPE_CHECKS)


def _require(plan: Plan, wanted: Plan) -> None:
    if plan != wanted:
        raise WorkflowError(f"it has fields that no plan of {plan.style} has")


def _require_choice(node: PlanNode, holds: bool) -> None:
    if not holds:
        raise WorkflowError(f"node {node.name!r} has fields that no node of this style has")
