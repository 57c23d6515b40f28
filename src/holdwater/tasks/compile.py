"""Compilation of declared tasks to a plan: resolves names and checks the order.  O(tasks + dependencies)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.rules import SKIPPED, UPSTREAM_FAILED, After, AllOf, Rule, rule_leaves
from holdwater.model.suggestions import did_you_mean
from holdwater.tasks import trigger_rules
from holdwater.tasks.namespaces import NAMESPACE_SEPARATOR, WorkflowNamespace
from holdwater.tasks.run_data import INPUT_CELL
from holdwater.tasks.task_definition import Task


class TaskResolver:
    """Resolves references to tasks (id, full name, function) to ids."""

    def __init__(self, tasks: Mapping[str, Task], namespace: WorkflowNamespace) -> None:
        self._tasks = tasks
        self._namespace = namespace
        self._by_function: dict[int, list[str]] = {}
        for task in tasks.values():
            self._by_function.setdefault(id(task.function), []).append(task.id)

    def resolve(self, reference: Any, referrer: str) -> str:
        """Return the id of a task that `referrer` refers to.  Raises WorkflowError with similar ids as a hint."""
        if isinstance(reference, str):
            name = reference
            if NAMESPACE_SEPARATOR in name:
                full = self._namespace.resolve_dependency(name)
                if not self._namespace.contains_namespace(full):
                    raise WorkflowError(f"{referrer} names {name!r}, which is not in this workflow ({self._namespace})")
                name = full.task_id
            if name in self._tasks:
                return name
        else:
            name = str(getattr(reference, "__name__", repr(reference)))
            function = reference
            while function is not None:  # a decorator may have wrapped the registered function, or the reference
                ids = self._by_function.get(id(function), ())
                if len(ids) == 1:
                    return ids[0]
                if ids:
                    raise WorkflowError(
                        f"{referrer} names the function {name!r}, which is several tasks: {', '.join(map(repr, ids))}",
                        hint="name the task by its id",
                    )
                function = getattr(function, "__wrapped__", None)
            if name in self._tasks:
                return name
        raise WorkflowError(
            f"{referrer} names the task {name!r}, which workflow {self._namespace.workflow_id!r} does not have",
            hint=did_you_mean(name, self._tasks),
        )


def build_plan(name: str, tasks: Mapping[str, Task], namespace: WorkflowNamespace) -> Plan:
    """Compile tasks to a plan, in definition order.  Raises WorkflowError.

    `Node.after` holds the dependencies, which a task's data comes from.  A task that only a rule mentions settles
    earlier as well, because the rule waits for it.
    """
    if not tasks:
        raise WorkflowError(
            f"workflow {name!r} cannot be empty", hint="define a task inside `with WorkflowBuilder(...)`, or add_task()"
        )
    references = TaskResolver(tasks, namespace)
    nodes: list[PlanNode] = []
    for task in tasks.values():
        after = tuple(dict.fromkeys([references.resolve(d, f"task {task.id!r}") for d in task.dependencies]))
        ready: Rule | None
        if task.rule is not None:
            ready = trigger_rules.compile_rule(
                task.rule, partial(references.resolve, referrer=f"the rule of task {task.id!r}")
            )
        elif len(after) == 1:
            ready = After(after[0])
        else:
            ready = AllOf(tuple([After(d) for d in after])) if after else None
        nodes.append(
            PlanNode(
                task.id,
                kind="call" if task.task_map is None else "fan_out",
                after=after,
                ready=ready,
                outcome_if_not_run=UPSTREAM_FAILED if task.rule is None else SKIPPED,
                writes=(task.id,),
                on_error="ignore" if task.on_error == "handled" else "fail",
            )
        )
    _check_handled_failures(nodes)
    plan = Plan(name, tuple(nodes), inputs=(INPUT_CELL,))
    topological_levels(plan)
    return plan


def _check_handled_failures(nodes: Iterable[PlanNode]) -> None:
    """Check that every task with `on_error="handled"` is mentioned by a rule.  Raises WorkflowError."""
    nodes = list(nodes)
    handled = {node.name for node in nodes if node.on_error == "ignore"}
    if handled:
        mentioned = [leaf for node in nodes if node.outcome_if_not_run == SKIPPED for leaf in rule_leaves(node.ready)]
        handled -= {leaf.node for leaf in mentioned if isinstance(leaf, After)}
    for name in sorted(handled):
        raise WorkflowError(
            f"task {name!r} has on_error='handled', and no rule of another task says what happens when it fails",
            hint=f"for example trigger_rules=task_failed({name!r})",
        )


def predecessors(node: PlanNode) -> list[str]:
    """List the nodes that settle before a node: its dependencies, then those that only its rule mentions."""
    mentioned = [leaf.node for leaf in rule_leaves(node.ready) if isinstance(leaf, After)]
    return list(dict.fromkeys([*node.after, *mentioned]))


def topological_levels(plan: Plan) -> dict[str, int]:
    """Map each node to its level (0: no predecessors), in topological order.  Raises WorkflowError for a cycle."""
    before = {node.name: predecessors(node) for node in plan.nodes}
    following: dict[str, list[str]] = {name: [] for name in before}
    for name, sources in before.items():
        for source in sources:
            following[source].append(name)
    left = {name: len(sources) for name, sources in before.items()}
    level = {name: 0 for name, count in left.items() if not count}
    for name in (queue := list(level)):  # the list grows during the iteration
        for later in following[name]:
            left[later] -= 1
            if not left[later]:
                level[later] = 1 + max([level[source] for source in before[later]])
                queue.append(later)
    if len(level) < len(before):
        cycle = _find_cycle({name: sources for name, sources in before.items() if name not in level})
        raise WorkflowError(
            f"workflow {plan.name!r} has a circular dependency: {' -> '.join(cycle)}",
            hint="each of these waits for the one before it",
        )
    return level


def _find_cycle(before: Mapping[str, Iterable[str]]) -> list[str]:
    """Find a cycle among nodes each of which has a predecessor among them; the first node is repeated at the end."""
    name = next(iter(before))
    way: dict[str, None] = {}
    while name not in way:
        way[name] = None
        name = next(source for source in before[name] if source in before)
    path = list(way)
    return [name, *reversed(path[path.index(name) :])]
