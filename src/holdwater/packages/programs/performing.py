"""Nodes performed by name, in a process that has the workflows of a package: the far side of `CodeReference`.

A node is executed by the definition of its workflow, as in a process of a user's own: observers are called here, inputs
and answers that were given as JSON are converted here, and the start of child runs is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from holdwater.errors import TaskNotPortable
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import ErrorText
from holdwater.model.input_requests import RawValue
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.policies import RetryPolicy
from holdwater.model.ports.definition import CodeReference, WorkflowDefinition
from holdwater.model.registry import Registry
from holdwater.model.results import NodeResult
from holdwater.model.values import StoredValue

INPUT_SOURCE: Final = "input"
ANSWER_SOURCE: Final = "answer"


def input_source(name: str) -> str:
    """Return the source of an input as `RawValue` has it."""
    return f"{INPUT_SOURCE}:{name}"


def answer_source(node: str) -> str:
    """Return the source of the answer to the question of a node as `RawValue` has it."""
    return f"{ANSWER_SOURCE}:{node}"


def find_definition(registry: Registry, reference: CodeReference) -> WorkflowDefinition:
    """Find the definition a reference leads to.

    Raises TaskNotPortable if this process does not have it, or has another structure of it.
    """
    found = registry.find(reference.workflow)
    if found is not None and reference.variant:
        found = found.variant(reference.variant)
    for name in reference.children:
        if found is not None:
            nodes = [node.name for node in found.plan.nodes]
            found = found.child_definitions().get(nodes.index(name)) if name in nodes else None
    if found is None or not 0 <= reference.node < len(found.plan.nodes):
        raise TaskNotPortable(f"workflow {reference.workflow!r} of this package has no such node: {reference!r:.200}")
    if found.plan.structure != reference.structure:
        raise TaskNotPortable(
            f"workflow {found.plan.name!r} has the structure {found.plan.structure} in this process, and "
            f"{reference.structure} in the descriptor of its package",
            hint="a package has the same workflows whenever it is imported: do not make them of what changes",
        )
    return found


class NamedNode:
    """One execution of a node that is given by name; a `PortableTask`.

    `run_call(payload, node.load, channel, node.observe_failure)` carries it out.
    """

    def __init__(self, registry: Registry, reference: CodeReference) -> None:
        self._registry, self._reference = registry, reference
        self._definition: WorkflowDefinition | None = None
        self._view: Any = None

    def load(self) -> tuple[NamedNode, RetryPolicy]:
        """Find the definition; returns this node with its retry policy.  Raises TaskNotPortable."""
        self._definition = definition = find_definition(self._registry, self._reference)
        return self, definition.policy(self._reference.node).retry

    def source_file(self) -> str:
        """Return "": the code is in this process."""
        return ""

    def referenced_names(self) -> Mapping[str, Any]:
        """Return nothing: it is never pickled."""
        return {}

    def execute(self, inputs: NodeInputs, control: Any) -> NodeResult:
        """Execute the node; an `async def` function gets an event loop of its own.  Its exceptions propagate."""
        definition, node = self.read_inputs(inputs), self._reference.node
        if definition.is_async(node):
            result: NodeResult = run_awaitable(definition.execute_async(node, self._view, control))
            return result
        return definition.execute(node, self._view, control)

    def read_inputs(self, inputs: NodeInputs) -> WorkflowDefinition:
        """Make the view of the node; returns its definition.  It was loaded."""
        assert self._definition is not None
        self._view = self._definition.style.unpack_view(convert_raw_values(self._definition, inputs))
        return self._definition

    def observe_failure(self, error: ErrorText) -> tuple[str, ...]:
        """Tell the observer of the node of its failure; returns failures of the observer itself."""
        if self._definition is None or self._view is None:
            return ()
        return self._definition.on_failure(self._reference.node, self._view, error)


def convert_raw_values(definition: WorkflowDefinition, inputs: NodeInputs) -> NodeInputs:
    """Convert the values that were given as JSON; reading one that does not fit raises InputError, AnswerError."""
    if not any([type(value) is RawValue for values in inputs.groups.values() for value in values.values()]):
        return inputs
    groups = {
        group: {
            name: _convert(definition, value) if isinstance(value, RawValue) else value
            for name, value in values.items()
        }
        for group, values in inputs.groups.items()
    }
    return replace(inputs, groups=groups)


def _convert(definition: WorkflowDefinition, value: RawValue) -> StoredValue:
    kind, _, name = value.source.partition(":")
    given = StoredValue.from_tree(value.tree)
    if kind == ANSWER_SOURCE:
        return _convert_answer(definition, name, given)
    cells = definition.validate_inputs(definition.style.encode_inputs({name: given}, {}))
    found: dict[str, StoredValue] = {}
    definition.style.replace_inputs(cells, lambda key, converted: found.setdefault(key, converted))
    return found.get(name, given)


def _convert_answer(definition: WorkflowDefinition, asking_node: str, given: StoredValue) -> StoredValue:
    for node, planned in enumerate(definition.plan.nodes):
        if planned.name == asking_node:
            cells = definition.style.encode_answer(len(planned.writes), given)
            converted: StoredValue = definition.validate_answer(node, cells)[0]
            return converted
    return given
