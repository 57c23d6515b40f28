"""Workflows of packages as the engine runs them: made of a descriptor, without any of their code.

Every node is performed by a host, a process of the package, by name; also the engine's own work for it, as the start of
the runs of a nested graph, which needs the definition.  The answers are held against the plan and the descriptor here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from holdwater.engine.announced_runs import check_inputs, find_variant, flatten_inputs
from holdwater.errors import AnswerError, InputError, TaskNotPortable
from holdwater.model import codec
from holdwater.model.base_definition import BaseDefinition
from holdwater.model.error_report import ErrorText, describe_error
from holdwater.model.input_requests import RawValue
from holdwater.model.json_schema import Schema
from holdwater.model.node_messages import pack_inputs
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy, RetryPolicy
from holdwater.model.ports.definition import CodeReference, WorkflowDefinition
from holdwater.model.resources import Resources
from holdwater.model.results import NodeResult
from holdwater.model.schema_validation import first_violation
from holdwater.model.values import StoredValue
from holdwater.model.workflow_description import PlanVariant, WorkflowDescription
from holdwater.packages.descriptors.descriptor import PackagedWorkflow
from holdwater.packages.descriptors.policies import read_retry_policy
from holdwater.packages.programs.accepting import accept_result
from holdwater.packages.programs.performing import answer_source, input_source
from holdwater.packages.settings import EXECUTOR_NAME
from holdwater.runs.authoring_styles import STYLES
from holdwater.tasks.context import Context

_SHOWN_FACTS: Final = ("doc", "source_file", "source_line", "retry", "full_name", "resources")
"""data of a node that its definition does not know, or not as they were written"""
ObserveFailure = Callable[[CodeReference, bytes, ErrorText], tuple[str, ...]]
"""node, its packed inputs and its failure -> failures of the observer that was told of it"""


@dataclass(frozen=True, slots=True)
class ReleaseWorkflows:
    """The workflows of a release by name.  `timeout_seconds`: of nodes that say nothing; None: that of the runner."""

    release: str
    workflows: Mapping[str, PackagedWorkflow]
    observe_failure: ObserveFailure
    timeout_seconds: float | None = None


class PackagedProgram(BaseDefinition):
    """A workflow of a release.  `plan`: one of its plans.

    `root`, `root_variant`, `children`: the registered workflow it is found by in a host, and the names of the nodes
    that lead from there to it.
    """

    has_code = False

    def __init__(
        self,
        workflow: PackagedWorkflow,
        release: ReleaseWorkflows,
        plan: Plan | None = None,
        *,
        root: str = "",
        root_variant: str = "",
        children: tuple[str, ...] = (),
    ) -> None:
        self.plan: Plan = workflow.plan if plan is None else plan
        self.style = STYLES[self.plan.style]
        self.release = release.release
        self.code_fingerprint = workflow.row.code or ""
        self._workflow, self._release = workflow, release
        self._root, self._root_variant, self._children = root or workflow.name, root_variant, children
        self._nodes = [workflow.nodes[node.name] for node in self.plan.nodes]
        self._policies = [self._read_policy(node) for node in self._nodes]
        self._variants = {self.plan.variant: self}

    def _read_policy(self, node: Mapping[str, Any]) -> NodePolicy:
        retry = read_retry_policy(node["retry"], node["name"]) if "retry" in node else RetryPolicy()
        timeout_seconds = node.get("timeout_seconds", self._release.timeout_seconds)
        return NodePolicy(retry=retry, timeout_seconds=timeout_seconds, limit=node.get("limit"))

    # -- variants

    def specialize(self, inputs: Any) -> PackagedProgram:
        """Return the variant for runs with inputs of these names.  Raises InputError if none was announced."""
        if self.plan.style != "graphs":
            return self
        values = flatten_inputs(inputs or {}, self._properties)
        made = sorted(self._written_inputs & values.keys())
        if made:
            raise InputError(
                f"workflow {self.plan.name!r} cannot start from {', '.join(map(repr, made))}, which its nodes give",
                hint=f"its inputs are {', '.join(map(repr, self._properties))}",
            )
        variant = find_variant(self._workflow.row, values)
        if variant is None:
            return self.variant("")
        plans = self._workflow.variants.items()
        return next(self.variant(key) for key, plan in plans if plan.structure == variant["structure"])

    def variant(self, description: str) -> PackagedProgram:
        """Return the variant with this description; itself for one that the release does not have."""
        found = self._variants.get(description)
        if found is None:
            plan = self._workflow.variants.get(description)
            if plan is None:
                return self
            found = PackagedProgram(self._workflow, self._release, plan, root=self._root, root_variant=description)
            found._variants = self._variants
            self._variants[description] = found
        return found

    # -- inputs

    @property
    def _schema(self) -> Schema:
        schema: Schema = self._workflow.row.descriptor["inputs_schema"]
        return schema

    @property
    def _properties(self) -> Schema:
        properties: Schema = self._schema.get("properties", {})
        return properties

    @cached_property
    def _written_inputs(self) -> frozenset[str]:
        """Inputs in the plan of a graph that its nodes give, and no run begins with."""
        return frozenset(self.plan.inputs) - self._properties.keys() if self.plan.style == "graphs" else frozenset()

    @property
    def _takes_others(self) -> bool:
        return self._schema.get("additionalProperties", True) is not False

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Select the declared inputs that are not bound; all values for a workflow that takes others, too."""
        if self._takes_others:
            return values
        open_ = {*self._properties, *[name.partition(".")[0] for name in self._properties]}
        open_ -= set(self._workflow.row.descriptor.get("bound_inputs", ()))
        return {name: value for name, value in values.items() if name in open_}

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Build the initial cells of a mapping, a Context or None.

        Warns of names that are no inputs.  Raises InputError, MissingInputError, EncodingError.
        """
        if isinstance(inputs, Context):
            inputs = inputs.stored_values()
        if not self._takes_others and isinstance(inputs, Mapping):
            inputs = self._without_unknown(inputs)
        values = check_inputs(self._workflow.row, inputs)
        trees = self._workflow.row.descriptor.get("defaults", {})
        defaults = {name: StoredValue.from_tree(tree) for name, tree in trees.items()}
        return self.style.encode_inputs(values, defaults)

    def _without_unknown(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        values = flatten_inputs(inputs, self._properties)
        unknown = sorted(values.keys() - self._properties.keys())
        if unknown:
            warnings.warn(
                f"{', '.join(map(repr, unknown))}: no input of workflow {self.plan.name!r}, and not used",
                UserWarning,
                stacklevel=3,
            )
        return {name: value for name, value in values.items() if name in self._properties}

    def validate_inputs(self, cells: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Mark declared inputs: the host converts them before a function sees them."""
        declared = self._properties
        return self.style.replace_inputs(
            cells, lambda name, value: RawValue(value, input_source(name)) if name in declared else value
        )

    # -- answers

    def encode_answer(self, node: int, value: Any) -> tuple[Any, ...]:
        """Build the cells of an answer, marked as `validate_answer` does.  Raises AnswerError, EncodingError."""
        stored = StoredValue.encode(value)
        schema = self._nodes[node].get("answer_schema")
        is_json = stored.is_scalar or codec.is_plain(stored.text)  # another value was made by code, and is judged by it
        wrong = first_violation(schema, stored.tree) if schema is not None and is_json else None
        if wrong is not None:
            raise AnswerError(f"the answer to {self.plan.nodes[node].name!r} does not fit: {wrong}")
        return self.validate_answer(node, self.style.encode_answer(len(self.plan.nodes[node].writes), stored))

    def validate_answer(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """Mark the answer: the host converts it before a function sees it."""
        if self.plan.style != "graphs":
            return cells
        return (RawValue(cells[0], answer_source(self.plan.nodes[node].name)), *cells[1:])

    # -- nodes

    def describe(self) -> WorkflowDescription:
        """Describe the workflow as its package has."""
        row = self._workflow.row.descriptor
        return WorkflowDescription(
            row["description"],
            tuple(row["tags"]),
            inputs_schema=self._schema,
            defaults={name: StoredValue.from_tree(tree) for name, tree in row.get("defaults", {}).items()},
            answer_schemas={i: node["answer_schema"] for i, node in enumerate(self._nodes) if "answer_schema" in node},
            branches={i: node["branches"] for i, node in enumerate(self._nodes) if "branches" in node},
            variants=tuple(
                [
                    PlanVariant(tuple(one["given"]), plan, tuple(one["required"]))
                    for one, plan in zip(row.get("variants", []), self._workflow.variants.values(), strict=True)
                ]
            ),
            bound_inputs=tuple(row.get("bound_inputs", ())),
            waiting_nodes=self._nodes_with("waits"),
            observed_nodes=self._nodes_with("has_failure_observer"),
            node_facts={
                i: {key: node[key] for key in _SHOWN_FACTS if key in node} for i, node in enumerate(self._nodes)
            },
        )

    def _nodes_with(self, fact: str) -> frozenset[int]:
        return frozenset([i for i, node in enumerate(self._nodes) if node.get(fact)])

    def policy(self, node: int) -> NodePolicy:
        """Return retries and time-out of a node."""
        return self._policies[node]

    @cached_property
    def node_limits(self) -> Mapping[int, str]:
        """Return the names of the limits of nodes."""
        limits = {i: policy.limit for i, policy in enumerate(self._policies)}
        return {i: name for i, name in limits.items() if name is not None}

    def is_async(self, node: int) -> bool:
        """Return True if the function must be awaited."""
        return bool(self._nodes[node].get("is_async"))

    def routing_key(self, node: int) -> str:
        """Return the full name of a node, `public::PACKAGE::workflow::node`."""
        return str(self._nodes[node]["full_name"])

    def executor_name(self, node: int) -> str:
        """Return the name of the executor of packages."""
        return EXECUTOR_NAME

    def resources(self, node: int) -> Resources:
        """Return the resources the node requests."""
        requested: Resources = self._nodes[node].get("resources", {})
        return requested

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return the programs its child runs execute, by node; they are of the same release."""
        return self._child_programs

    @cached_property
    def _child_programs(self) -> dict[int, WorkflowDefinition]:
        found: dict[int, WorkflowDefinition] = {}
        for i, node in enumerate(self.plan.nodes):
            name = self._workflow.children.get(node.name)
            if name is not None:
                found[i] = PackagedProgram(
                    self._release.workflows[name],
                    self._release,
                    root=self._root,
                    root_variant=self._root_variant,
                    children=(*self._children, node.name),
                )
        return found

    def code_reference(self, node: int) -> CodeReference:
        """Return the name by which a host finds the node."""
        return CodeReference(self._root, self._root_variant, self._children, node, self.plan.structure)

    def accept_result(self, node: int, view: Any, result: NodeResult) -> NodeResult:
        """Check the result of a host.  Raises BadAnswer."""
        return accept_result(self.plan, node, self._nodes[node], view, result)

    def on_failure(self, node: int, view: Any, error: ErrorText) -> tuple[str, ...]:
        """Have a host tell the observer of a failure that the host of the node could not tell: it has ended."""
        if not self._nodes[node].get("has_failure_observer"):
            return ()
        inputs = pack_inputs(self.style.pack_view(view))
        try:
            return self._release.observe_failure(self.code_reference(node), inputs, error)
        except Exception as mishap:  # noqa: BLE001 - it is told in the note
            return (f"on_failure of {self.plan.nodes[node].name!r} was not called: {describe_error(mishap)}",)

    def execute(self, node: int, view: Any, control: Any) -> NodeResult:
        """Refuse: the code is in the processes of the package.  Raises TaskNotPortable."""
        raise TaskNotPortable(
            f"{self.plan.nodes[node].name!r} of {self.plan.name!r} is code of a package, which is not in this process",
            hint=f"run it on an executor named {EXECUTOR_NAME!r} with hosts",
        )

    async def execute_async(self, node: int, view: Any, control: Any) -> NodeResult:
        """Refuse as `execute` does.  Raises TaskNotPortable."""
        return self.execute(node, view, control)

    def __repr__(self) -> str:
        return f"PackagedProgram({self.plan.name!r}, release={self.release!r})"
