"""Descriptors: a workflow as JSON data, so that a process without its code can show it, check inputs and start runs.

The data of a workflow: `format`, `description`, `tags`, `inputs_schema`, and where there are any `defaults` (inputs as
stored trees), `variants` (`given`, `structure`, `required`) and `bound_inputs` (their names).  The data of a node:
`name`, `kind`, `full_name`, and where they say something `is_async`, `executor`, `timeout_seconds`, `limit`, `retry`,
`doc`, `source_file`, `source_line`, `answer_schema`, `child_workflow`, `branches` (names of nodes it may lead to -> the
decision that does), `resources`, `waits` (it may wait for an instant), `has_failure_observer`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Final

from holdwater.model.catalog import PlanRow, WorkflowRow
from holdwater.model.policies import NodePolicy, RetryPolicy
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.time import Micros
from holdwater.model.workflow_description import WorkflowDescription

FORMAT: Final = 1
MAX_DOC_CHARS: Final = 2000
MAX_DESCRIPTION_CHARS: Final = 10_000

_ONE_ATTEMPT: Final = RetryPolicy()


def describe_workflow(name: str, definition: WorkflowDefinition, now: Micros) -> tuple[WorkflowRow, list[PlanRow]]:
    """The catalog row of a definition, and the plans its runs may begin with."""
    plan, style, said = definition.plan, definition.style.name, definition.describe()
    descriptor: dict[str, Any] = {
        "format": FORMAT,
        "description": said.description[:MAX_DESCRIPTION_CHARS],
        "tags": list(said.tags),
        "inputs_schema": said.inputs_schema,
    }
    if said.defaults:
        descriptor["defaults"] = {key: value.tree for key, value in said.defaults.items()}
    if said.variants:
        descriptor["variants"] = [
            {"given": list(one.given), "structure": one.plan.structure, "required": list(one.required)}
            for one in said.variants
        ]
    if said.bound_inputs:
        descriptor["bound_inputs"] = list(said.bound_inputs)
    row = WorkflowRow(
        name,
        style,
        plan.structure,
        definition.code_fingerprint,
        descriptor,
        _describe_nodes(definition, said),
        definition.release,
        registered_at=now,
        seen_at=now,
    )
    plans = [plan, *[one.plan for one in said.variants]]
    return row, [PlanRow(one.structure, name, style, one.to_data()) for one in plans]


def _describe_nodes(definition: WorkflowDefinition, said: WorkflowDescription) -> list[dict[str, Any]]:
    children = {node: child.plan.name for node, child in definition.child_definitions().items()}
    nodes = []
    for i, node in enumerate(definition.plan.nodes):
        facts: dict[str, Any] = {
            "is_async": definition.is_async(i) or None,
            "executor": definition.executor_name(i),
            **_describe_policy(definition.policy(i)),
            **_describe_function(said.functions[i] if i < len(said.functions) else None),
            "answer_schema": said.answer_schemas.get(i),
            "child_workflow": children.get(i),
            "branches": dict(said.branches[i]) if i in said.branches else None,
            "resources": dict(definition.resources(i)) or None,
            "waits": i in said.waiting_nodes or None,
            "has_failure_observer": i in said.observed_nodes or None,
            **said.node_facts.get(i, {}),
        }
        told = {key: value for key, value in facts.items() if value is not None}
        nodes.append({"name": node.name, "kind": node.kind, "full_name": definition.routing_key(i), **told})
    return nodes


def _describe_policy(policy: NodePolicy) -> dict[str, Any]:
    facts = {"timeout_seconds": policy.timeout_seconds, "limit": policy.limit}
    if policy.retry == _ONE_ATTEMPT:
        return facts
    retry = {
        field.name: getattr(policy.retry, field.name)
        for field in dataclasses.fields(RetryPolicy)
        if field.name == "max_attempts" or getattr(policy.retry, field.name) != field.default
    }
    retry = {key: list(value) if isinstance(value, tuple) else value for key, value in retry.items()}
    if "retry_on" in retry:
        retry["retry_on"] = [f"{cls.__module__}.{cls.__qualname__}" for cls in policy.retry.retry_on]
    return {**facts, "retry": retry}


def _describe_function(function: Callable[..., Any] | None) -> dict[str, Any]:
    """The docstring and the place of a function; no file is read."""
    if function is None:
        return {}
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    doc = getattr(inner, "__doc__", None)
    return {
        "doc": inspect.cleandoc(doc)[:MAX_DOC_CHARS] or None if isinstance(doc, str) else None,
        "source_file": getattr(code, "co_filename", None),
        "source_line": getattr(code, "co_firstlineno", None),
    }
