"""Definitions of workflows as the engine executes them, and the styles they are written in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from holdwater.model.error_report import ErrorText
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.resources import Resources
from holdwater.model.results import NodeResult
from holdwater.model.run_state import RunState
from holdwater.model.values import StoredValue
from holdwater.model.workflow_description import WorkflowDescription


class RunData(Protocol):
    """A run's data as its style sees it: views on a machine's cells.  Knows no code of the user."""

    def view(self, node: int) -> Any:
        """Build the inputs of the node's function; they may be read in another thread, without the machine."""
        ...

    def visible_names(self, node: int) -> Collection[str]:
        """The names of the values the node sees."""
        ...

    def input_values(self, node: int) -> Mapping[str, StoredValue]:
        """The values the node sees, by name."""
        ...

    def output_values(self, node: int) -> Mapping[str, StoredValue | None]:
        """The values the node has written, by name; None for a name it has removed."""
        ...

    def starting_values(self, inputs: Mapping[str, Any]) -> Mapping[str, StoredValue]:
        """The values of a run that starts with these cells, by name."""
        ...

    def rule_results(self, node: int, *, reads_classes: bool) -> tuple[bool, ...]:
        """The truth of each value predicate of the node's rule.

        `reads_classes`: values of classes are decoded; False: they equal nothing, and values of builtin types are.
        """
        ...

    def result(self) -> Mapping[str, Any]:
        """Build the outputs of the run, by name, as stored values."""
        ...


ConvertInput = Callable[[str, StoredValue], StoredValue]
"""name and value of an input -> the value in its place"""


class AuthoringStyle(Protocol):
    """An authoring style, as far as a process needs it that does not have the user's code."""

    name: str

    def run_data(self, machine: RunState) -> RunData: ...

    def decode_value(self, tree: Any) -> Any:
        """A cell value from the tree the journal holds."""
        ...

    def merge_overrides(self, values: Mapping[str, Any], removed: Collection[str], base: Any) -> Any:
        """The data of `InputsOverridden`: these values set and these names removed, over earlier ones (None: none).

        Raises EncodingError.
        """
        ...

    def encode_answer(self, cell_count: int, value: Any) -> tuple[Any, ...]:
        """The cells of an answer, for a node with so many.  Raises EncodingError."""
        ...

    def encode_inputs(self, inputs: Mapping[str, Any], defaults: Mapping[str, StoredValue]) -> dict[str, Any]:
        """The cells to start with, of inputs and of defaults for those that are not given.  Raises EncodingError."""
        ...

    def replace_inputs(self, cells: Mapping[str, Any], convert: ConvertInput) -> dict[str, Any]:
        """The cells a run starts with, with other values in them; inputs without types stay as they are."""
        ...

    def skip_reason(self, values: tuple[Any, ...]) -> str | None:
        """The reason a function gave for having done nothing, from the cells of its node; None: it did its work."""
        ...

    def pack_view(self, view: Any) -> NodeInputs:
        """Convert a view to data that another process can read."""
        ...

    def unpack_view(self, inputs: NodeInputs) -> Any:
        """Build a view from what `pack_view` returned."""
        ...

    def parse_output(self, tree: Any, *, of_children: bool = False) -> Any:
        """Build a cell a node has written from the tree another process sent, which is not trusted.

        `of_children`: the node collects what its child runs have given, which may be nothing.
        Raises DecodingError for data with other fields than such a cell has.
        """
        ...

    def parse_input(self, tree: Any) -> Any:
        """Build a cell a run starts with, in the same way.  Raises DecodingError."""
        ...


class TaskControl(Protocol):
    """The engine as a running task function sees it."""

    @property
    def cancelled(self) -> bool: ...


class PortableTask(Protocol):
    """The code of one node alone, picklable: what another process needs to run it."""

    def source_file(self) -> str:
        """The file its code was read from, for tracebacks from elsewhere; "" if that is unknown."""
        ...

    def referenced_names(self) -> Mapping[str, Any]:
        """Return the objects the code uses, by name, for the message when it cannot be pickled."""
        ...

    def execute(self, inputs: NodeInputs, control: Any) -> NodeResult:
        """Run it; an `async def` function gets an event loop of its own.  What it raises comes out."""
        ...


@dataclass(frozen=True, slots=True)
class CodeReference:
    """The name of the code of a node, for a process that has it: it looks it up among its own workflows.

    `workflow`: registered there.  `variant`: of its plan.  `children`: names of the nodes that lead from it to the
    definition of a child, none for itself.  `node`: in the plan of that; `structure`: of that plan.
    """

    workflow: str
    variant: str
    children: tuple[str, ...]
    node: int
    structure: str

    def to_data(self) -> list[Any]:
        """The reference as JSON data."""
        return [self.workflow, self.variant, list(self.children), self.node, self.structure]

    @classmethod
    def from_data(cls, data: list[Any]) -> CodeReference:
        """The reference that `to_data` wrote."""
        workflow, variant, children, node, structure = data
        return cls(workflow, variant, tuple(children), node, structure)


class WorkflowDefinition(Protocol):
    """A definition as the engine runs it: a plan, and how to perform its nodes."""

    @property
    def plan(self) -> Plan: ...

    @property
    def release(self) -> str | None:
        """The release of a package it belongs to, as its variants and children do; None: code of this process."""
        ...

    @property
    def has_code(self) -> bool:
        """True if the functions are in this process.  False: inputs and answers are converted where they are."""
        ...

    def specialize(self, inputs: Any) -> WorkflowDefinition:
        """Return the definition specialized for these inputs (a graph given an output skips its producer), or itself.

        Raises MissingInputError, InputError, EncodingError."""
        ...

    def variant(self, description: str) -> WorkflowDefinition:
        """The variant whose plan describes itself so."""
        ...

    @property
    def code_fingerprint(self) -> str:
        """Fingerprint of the bodies: recorded and shown, never a reason to refuse."""
        ...

    @property
    def style(self) -> AuthoringStyle: ...

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of all that a caller has, what the definition takes."""
        ...

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Cells to start with, from what the caller gave.  Raises EncodingError."""
        ...

    def validate_inputs(self, cells: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """The cells of inputs that were given in a process without this code, converted to the types they must have.

        A wrong input raises InputError when it is read; at once if `strict`.  Without `has_code` they are marked, to be
        converted where the code is.
        """
        ...

    def describe(self) -> WorkflowDescription: ...

    def policy(self, node: int) -> NodePolicy: ...

    @property
    def node_limits(self) -> Mapping[int, str]:
        """The names of concurrency limits in the policies of nodes, by node."""
        ...

    def is_async(self, node: int) -> bool: ...

    def routing_key(self, node: int) -> str:
        """`tenant::package::workflow::node`, for routing."""
        ...

    def executor_name(self, node: int) -> str | None:
        """The executor the definition asks for, None if it leaves that to the runner."""
        ...

    def resources(self, node: int) -> Resources:
        """The resources the node asks for, by name; none if it leaves that to the routing and the executor."""
        ...

    def runs_user_code(self, node: int, view: Any) -> bool:
        """Return False for an execution that is the engine's own work, as the start of the runs of a nested graph.

        It is done in the process of the runner, wherever the node is routed.
        """
        ...

    def portable_task(self, node: int) -> PortableTask:
        """The code of a node, for another process.  Raises TaskNotPortable."""
        ...

    def code_reference(self, node: int) -> CodeReference | None:
        """The name of the code of a node, where another process has it; None: `portable_task` is sent."""
        ...

    def accept_result(self, node: int, view: Any, result: NodeResult) -> NodeResult:
        """Check the result of an execution in another process, and complete it: call observers, add what was not sent.

        Its cells have been parsed.  Raises BadAnswer for a decision or a request the node cannot make.
        """
        ...

    def execute(self, node: int, view: Any, control: Any) -> NodeResult:
        """Run a body; whatever it raises comes out."""
        ...

    async def execute_async(self, node: int, view: Any, control: Any) -> NodeResult: ...

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return the definition its child runs execute, by node; they are registered by the names of their plans."""
        ...

    def encode_answer(self, node: int, value: Any) -> tuple[Any, ...]:
        """The cells of an answer to the node's question.  Raises EncodingError, and what says that it is wrong."""
        ...

    def validate_answer(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """The cells of an answer that was given as JSON in a process without this code, converted and checked.

        Those of a wrong answer raise AnswerError when they are read.
        """
        ...

    def on_failure(self, node: int, view: Any, error: ErrorText) -> tuple[str, ...]:
        """Tell the node's observer of a failed attempt; returns failures of the observer itself."""
        ...
