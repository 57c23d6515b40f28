"""Base of definitions: the methods of `WorkflowDefinition` that most styles answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from holdwater.errors import BadAnswer, TaskNotPortable
from holdwater.model.error_report import ErrorText
from holdwater.model.plan import Plan
from holdwater.model.ports.definition import AuthoringStyle, CodeReference, PortableTask, WorkflowDefinition
from holdwater.model.resources import NO_RESOURCES, Resources
from holdwater.model.results import NodeResult


class BaseDefinition:
    """A definition without variants, children and failure observers, with functions that stay in this process.

    It takes any inputs, and its nodes do not request input: an answer is one cell.
    """

    plan: Plan
    style: AuthoringStyle
    has_code = True
    release: str | None = None
    """code of this process"""

    def specialize(self, inputs: Any) -> Self:
        """Return self: there are no variants."""
        return self

    def variant(self, description: str) -> Self:
        """Return self: there are no variants."""
        return self

    @cached_property
    def node_limits(self) -> Mapping[int, str]:
        """Return an empty mapping: no node names a limit."""
        return {}

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all values: every name is an input."""
        return values

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return an empty mapping: no node has child runs."""
        return {}

    def encode_answer(self, node: int, value: Any) -> tuple[Any, ...]:
        """Build the cell of an answer.  Raises EncodingError."""
        return self.style.encode_answer(1, value)

    def validate_answer(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the cells unchanged."""
        return cells

    def validate_inputs(self, cells: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Return the cells unchanged: inputs have no types."""
        return cells

    def on_failure(self, node: int, view: Any, error: ErrorText) -> tuple[str, ...]:
        """Return no notes: there are no observers."""
        return ()

    def resources(self, node: int) -> Resources:
        """Return no request for resources."""
        return NO_RESOURCES

    def runs_user_code(self, node: int, view: Any) -> bool:
        """Return True."""
        return True

    def portable_task(self, node: int) -> PortableTask:
        """Raises TaskNotPortable."""
        raise TaskNotPortable(
            f"{self.plan.nodes[node].name!r} of {self.plan.name!r} needs what is in this process",
            hint="route it to an executor of threads",
        )

    def code_reference(self, node: int) -> CodeReference | None:
        """Return None: the functions are in this process."""
        return None

    def accept_result(self, node: int, view: Any, result: NodeResult) -> NodeResult:
        """Return the result of a node that only gives values.  Raises BadAnswer for a decision or a request."""
        if result.decision is not None or not result.values:
            raise BadAnswer(f"{self.plan.nodes[node].name!r} decided or asked for what it cannot")
        return result
