"""Tasks: dependencies, trigger rules, and one context that parallel branches change at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdwater.kernel import Machine
from holdwater.model.plan import OnError, Plan, PlanNode
from holdwater.model.rules import FAILED, MISSING, SKIPPED, SUCCEEDED, UPSTREAM_FAILED, After, AllOf, AnyOf, Not, Rule
from tests.kernel.styles.program import ONCE, Defer, NodeCall, NodeFunction, NodeOutput, Program, Retry

Context = dict[str, Any]
TaskFunction = Callable[[Context, NodeCall], Defer | None]
GIVEN = "given"


def succeeded(task: str) -> Rule:
    return After(task, frozenset({SUCCEEDED}))


def failed(task: str) -> Rule:
    return After(task, frozenset({FAILED}))


def skipped(task: str) -> Rule:
    return After(task, frozenset({SKIPPED, UPSTREAM_FAILED}))


def none_of(*rules: Rule) -> Rule:
    return Not(AnyOf(rules))


@dataclass(frozen=True)
class Task:
    name: str
    function: TaskFunction
    deps: tuple[str, ...] = ()
    rule: Rule | None = None
    on_error: OnError = "fail"
    retry: Retry = ONCE


def tasks(name: str, specs: Sequence[Task]) -> Program:
    """A task without a rule is cut off when a dependency is not well; a rule of its own that does not hold skips it."""
    nodes = []
    for t in specs:
        own = t.rule is not None
        ready = t.rule if own else AllOf(tuple(After(d) for d in t.deps)) if t.deps else None
        nodes.append(
            PlanNode(
                t.name,
                after=t.deps,
                ready=ready,
                outcome_if_not_run=SKIPPED if own else UPSTREAM_FAILED,
                writes=(t.name,),
                on_error=t.on_error,
            )
        )
    plan = Plan(name, tuple(nodes), inputs=(GIVEN,))
    ancestors = _ancestors(specs)
    everybody = frozenset(t.name for t in specs)

    def context(m: Machine, names: frozenset[str]) -> Context:
        return _merge_patches(m, names)

    def lookup(m: Machine, i: int, key: str) -> Any:
        return context(m, ancestors[specs[i].name]).get(key, MISSING)

    return Program(
        plan,
        tuple(_node_function(t.function) for t in specs),
        view=lambda m, i: context(m, ancestors[specs[i].name]),
        outputs=lambda m: context(m, everybody),
        lookup=lookup,
        retries={t.name: t.retry for t in specs},
    )


def _node_function(function: TaskFunction) -> NodeFunction:
    def call(c: NodeCall) -> NodeOutput | Defer:
        context = dict(c.view)
        later = function(context, c)
        return later if later is not None else NodeOutput((_make_patch(c.view, context),))

    return call


def _make_patch(before: Context, after: Context) -> dict[str, Any]:
    """What a body did to its context, as data: lists that grew are tails, so that two branches can both append."""
    changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
    tails = {}
    for key, new in list(changed.items()):
        old = before.get(key, [])
        if isinstance(new, list) and isinstance(old, list) and new[: len(old)] == old:
            tails[key] = new[len(old) :]
            del changed[key]
    return {"set": changed, "append": tails, "drop": [k for k in before if k not in after]}


def _merge_patches(m: Machine, names: frozenset[str]) -> Context:
    """The patches of these tasks, in an order that depends on the plan alone."""
    compiled_plan = m.compiled_plan
    out: Context = dict(m.values[compiled_plan.cell_index[GIVEN]])
    for i in sorted((compiled_plan.node_index[n] for n in names), key=compiled_plan.unit_of.__getitem__):
        cell = compiled_plan.write_cells[i][0]
        if not m.versions[cell]:
            continue
        patch = m.values[cell]
        out.update(patch["set"])
        for key, tail in patch["append"].items():
            out[key] = [*out.get(key, []), *tail]
        for key in patch["drop"]:
            out.pop(key, None)
    return out


def _ancestors(specs: Sequence[Task]) -> dict[str, frozenset[str]]:
    deps = {t.name: t.deps for t in specs}
    found: dict[str, frozenset[str]] = {}
    for name in deps:
        seen: set[str] = set()
        stack = list(deps[name])
        while stack:
            d = stack.pop()
            if d not in seen:
                seen.add(d)
                stack.extend(deps[d])
        found[name] = frozenset(seen)
    return found
