"""The view of each node of a recorded graph: the latest write of every cell wired to it, as stored values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import DecodingError, WorkflowError
from holdwater.model.codec import TAG
from holdwater.model.fanout import ChildResult
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.ports.definition import ConvertInput
from holdwater.model.rules import MISSING
from holdwater.model.run_state import RunState
from holdwater.model.values import StoredValue


@dataclass(frozen=True, slots=True)
class GraphView:
    """The inputs of a node.  `values`: written values by input.  `child_results`: None before all child runs ended."""

    values: Mapping[str, StoredValue]
    child_results: tuple[ChildResult | None, ...] | None = None


INPUT_GROUP: Final = "inputs"
"""the values of a view, as another process gets them"""


class GraphRunData:
    """The views of one run; nothing is cached, every read is an index operation."""

    def __init__(self, machine: RunState) -> None:
        self._machine = machine

    def view(self, node: int) -> GraphView:
        """Return the inputs of a node."""
        m = self._machine
        compiled_plan = m.compiled_plan
        edits: StoredValue | None = m.overrides.get(node)
        values: dict[str, StoredValue] = {}
        for read, cells in zip(compiled_plan.plan.nodes[node].reads, compiled_plan.read_cells[node], strict=True):
            latest = max(cells, key=m.versions.__getitem__)
            if m.versions[latest] and not read.cells[0].endswith("/"):  # "/" ends the names of signals
                values[read.name] = m.values[latest]
        if edits is not None:
            values.update({name: StoredValue.encode(value) for name, value in edits.copy().items()})
        fan = m.fan_outs.get(node)
        return GraphView(values, fan.results() if fan is not None and fan.is_finished else None)

    def visible_names(self, node: int) -> Collection[str]:
        """Return the names of the inputs the node has values for."""
        return self.view(node).values.keys()

    def input_values(self, node: int) -> Mapping[str, StoredValue]:
        """Return the inputs the node has values for."""
        return {name: value for name, value in self.view(node).values.items() if isinstance(value, StoredValue)}

    def output_values(self, node: int) -> Mapping[str, StoredValue | None]:
        """Return the outputs the node has written."""
        m = self._machine
        cells = zip(m.compiled_plan.write_cells[node], m.compiled_plan.plan.nodes[node].writes, strict=True)
        named = [(c, cell.rpartition("/")[2]) for c, cell in cells if m.versions[c]]
        return {name: m.values[c] for c, name in named if name and isinstance(m.values[c], StoredValue)}

    def starting_values(self, inputs: Mapping[str, Any]) -> Mapping[str, StoredValue]:
        """Return the inputs the run was started with."""
        return {name: value for name, value in inputs.items() if isinstance(value, StoredValue)}

    def rule_results(self, node: int, *, reads_classes: bool = True) -> tuple[bool, ...]:
        """Return no results: rules of graphs do not test values."""
        return ()

    def result(self) -> Mapping[str, StoredValue]:
        """Return every output that was written or given, by name."""
        m = self._machine
        latest: dict[str, int] = {}
        for i, node in enumerate(m.compiled_plan.plan.nodes):
            for c, cell in zip(m.compiled_plan.write_cells[i], node.writes, strict=True):
                name = cell.rpartition("/")[2]  # empty for a signal
                if name and m.versions[c] and (name not in latest or m.versions[c] > m.versions[latest[name]]):
                    latest[name] = c
        return {name: m.values[c] for name, c in latest.items()}


class GraphStyle:
    """The authoring style of graphs, without the user's code."""

    name = "graphs"

    def run_data(self, machine: RunState) -> GraphRunData:
        """Create the views of a run."""
        return GraphRunData(machine)

    def decode_value(self, tree: Any) -> Any:
        """Decode a cell from its tree in the journal; MISSING for a missing value.  Raises DecodingError."""
        if type(tree) is dict and tree.get(TAG) == "missing":
            return MISSING
        return StoredValue.from_tree(tree)

    def merge_overrides(self, values: Mapping[str, Any], removed: Collection[str], base: Any) -> StoredValue:
        """Build the overrides of a node's inputs on top of earlier ones (`base`).

        Raises EncodingError, and WorkflowError for a removal.
        """
        if removed:
            raise WorkflowError("an input of a graph's node cannot be removed, only given another value")
        return StoredValue.encode({**(base.copy() if base is not None else {}), **values})

    def encode_answer(self, cell_count: int, value: Any) -> tuple[StoredValue, ...]:
        """Build the cells of an answer; emitted outputs get None.  Raises EncodingError."""
        return (StoredValue.encode(value), *[StoredValue.encode(None)] * (cell_count - 1))

    def encode_inputs(self, inputs: Mapping[str, Any], defaults: Mapping[str, StoredValue]) -> dict[str, StoredValue]:
        """Build the initial cells.  Raises EncodingError."""
        return {**defaults, **{name: StoredValue.encode(value) for name, value in inputs.items()}}

    def replace_inputs(self, cells: Mapping[str, StoredValue], convert: ConvertInput) -> dict[str, StoredValue]:
        """Replace the values of inputs."""
        return {name: convert(name, value) for name, value in cells.items()}

    def skip_reason(self, values: tuple[Any, ...]) -> str | None:
        """Return None: functions of nodes cannot skip themselves."""
        return None

    def pack_view(self, view: GraphView) -> NodeInputs:
        """Convert a view: the inputs of the node."""
        return NodeInputs({INPUT_GROUP: view.values}, child_results=view.child_results)

    def unpack_view(self, inputs: NodeInputs) -> GraphView:
        """Build a view from what `pack_view` returned."""
        return GraphView(inputs.groups[INPUT_GROUP], inputs.child_results)

    def parse_output(self, tree: Any, *, of_children: bool = False) -> Any:
        """Build an output from the tree another process sent; MISSING for one of a nested graph that was not written.

        Raises DecodingError.
        """
        if type(tree) is dict and tree.get(TAG) == "missing":
            if of_children:
                return MISSING
            raise DecodingError("no function of a node gives a missing value")
        return StoredValue.from_tree(tree)

    def parse_input(self, tree: Any) -> Any:
        """Build an input from the tree another process sent.  Raises DecodingError."""
        return self.parse_output(tree)
