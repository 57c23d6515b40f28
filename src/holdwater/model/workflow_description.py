"""A workflow as its authoring style describes it, for people and for processes without its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdwater.model.json_schema import Schema
from holdwater.model.plan import Plan
from holdwater.model.values import StoredValue

ANY_OBJECT: Schema = {"type": "object"}
"""the schema of inputs of which nothing is declared"""


@dataclass(frozen=True, slots=True)
class PlanVariant:
    """The plan of runs that are given these names, which nodes write as well; `required`: names they must be given."""

    given: tuple[str, ...]
    plan: Plan
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkflowDescription:
    """A definition beside its plan.

    `functions`: the user's function of each node, None where there is none.  `inputs_schema`: JSON Schema of the object
    of its inputs.  `defaults`: inputs every run begins with that is not given others.  `answer_schemas`: by node, of
    those that ask.  `branches`: by node that decides or jumps, the names of those it may lead to -> the decision that
    does, "" without one; the name of the end is "".
    `variants`: plans that apply in place of the definition's own, by the names of the given inputs.  `bound_inputs`:
    inputs with values of their own, which a caller does not replace by what it happens to have.
    `waiting_nodes`: those that may wait for an instant; `observed_nodes`: those of whose failures an observer is told.
    `node_facts`: by node, data of its descriptor that replace what its definition says, for a definition that was
    itself made of a descriptor.
    """

    description: str = ""
    tags: tuple[str, ...] = ()
    functions: tuple[Callable[..., Any] | None, ...] = ()
    inputs_schema: Schema = field(default_factory=lambda: dict(ANY_OBJECT))
    defaults: Mapping[str, StoredValue] = field(default_factory=dict)
    answer_schemas: Mapping[int, Schema] = field(default_factory=dict)
    branches: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    variants: tuple[PlanVariant, ...] = ()
    bound_inputs: tuple[str, ...] = ()
    waiting_nodes: frozenset[int] = frozenset()
    observed_nodes: frozenset[int] = frozenset()
    node_facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
