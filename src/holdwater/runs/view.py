"""One run as it is recorded: what results, the command line and every other reader look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Protocol

from holdwater.errors import TaskNotFound
from holdwater.events.run_events import RunEvent
from holdwater.events.stream import run_events
from holdwater.kernel.compiled_plan import RUN_INDEX
from holdwater.model.child_ids import child_run_id
from holdwater.model.events import STEERING_EVENTS, ChildRunsRequested, Started
from holdwater.model.journal import JournalEntry
from holdwater.model.plan import Plan
from holdwater.model.ports.definition import RunData
from holdwater.model.records import RunRow
from holdwater.model.statuses import RunStatus
from holdwater.model.suggestions import did_you_mean
from holdwater.model.values import StoredValue
from holdwater.runs.activity import Activity
from holdwater.runs.history import build_nodes
from holdwater.runs.info import RunInfo
from holdwater.runs.nodes import ChildRun, Failure, NodeView
from holdwater.runs.open_pauses import Pause, find_open_pauses
from holdwater.runs.progress import RunProgress
from holdwater.runtime.active_run import ActiveRun


class RunSource(Protocol):
    """The store of a run, for what is looked up outside of the run itself."""

    def activity_of(self, run: ActiveRun) -> Activity: ...

    def open_pauses(self, run: ActiveRun) -> tuple[Pause, ...]: ...

    def children_of(self, run_id: str) -> tuple[RunInfo, ...]: ...


@dataclass(frozen=True, eq=False, repr=False)
class RunView:
    """One run, without the code of its workflow.  Read once; nothing here changes the run.

    Nodes and data are worked out when they are first asked for, and values are decoded only by `Stored.copy()`.
    `activity`, `pauses` and `children` are looked up in the store when they are first asked for, so the store must be
    open then.
    """

    _row: RunRow
    _run: ActiveRun
    _source: RunSource

    @classmethod
    def of(cls, run: ActiveRun, source: RunSource) -> RunView:
        """Create the view of a run as it is committed now."""
        return cls(run.row, run, source)

    def with_parts_of(self, earlier: RunView) -> RunView:
        """Take over the parts that `earlier` has worked out of the same journal and queue; returns this view."""
        self.__dict__.update({name: made for name, made in earlier.__dict__.items() if name in _FROM_ITS_JOURNAL})
        return self

    @cached_property
    def info(self) -> RunInfo:
        """The facts of its row."""
        return RunInfo.from_row(self._row)

    @property
    def id(self) -> str:
        return self._row.id

    @property
    def progress(self) -> RunProgress:
        """Its nodes that are settled, of all."""
        return RunProgress.of_states(self._run.machine.node_states)

    @property
    def status(self) -> RunStatus:
        return RunStatus(self._row.status)

    @property
    def ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self._row.finished_at is not None

    @property
    def plan(self) -> Plan:
        """The plan it was started under."""
        return self._run.compiled_plan.plan

    @cached_property
    def journal(self) -> tuple[JournalEntry, ...]:
        """The entries of its journal, in order."""
        return tuple(self._run.entries[: self._row.seq])

    @cached_property
    def events(self) -> tuple[RunEvent, ...]:
        """The same as events, in the terms of nodes and attempts."""
        run = self._run
        return tuple(run_events(run.row, run.compiled_plan, self.journal, run.style))

    def __repr__(self) -> str:
        return f"RunView({self._row.workflow!r}, {self.id!r}, status={self._row.status!r})"

    # -- nodes

    @cached_property
    def nodes(self) -> tuple[NodeView, ...]:
        """Every node, in definition order."""
        return build_nodes(self._run, self.journal)

    def node(self, name: str) -> NodeView:
        """One node.  Raises TaskNotFound, with names that come close."""
        index = self._run.compiled_plan.node_index
        if name not in index:
            raise TaskNotFound(f"run {self.id} has no task {name!r}", hint=did_you_mean(name, index))
        return self.nodes[index[name]]

    @property
    def failure(self) -> Failure | None:
        """The error of the run itself (it timed out), rather than of a node."""
        found = self._run.machine.errors.get(RUN_INDEX)
        return None if found is None else Failure(*found)

    @property
    def is_suspended(self) -> bool:
        """True if it was paused by a request, even if it also waits for answers."""
        return self._run.machine.suspended

    @property
    def is_parked(self) -> bool:
        """True if it was paused without an entry of its journal, because a runner could not go on with it."""
        return self._row.status == RunStatus.PAUSED and self._run.machine.status != "paused"

    @cached_property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Gate -> the targets its latest decision has opened, for gates that have decided."""
        machine, nodes = self._run.machine, self.plan.nodes
        return {nodes[i].name: tuple(chosen) for i, chosen in machine.last_decision.items() if nodes[i].targets}

    @property
    def steered_by(self) -> str:
        """The author of the latest request: a pause, a cancel, a resume, a retry or an answer; "" if not recorded."""
        authors = (entry.event.by for entry in reversed(self.journal) if isinstance(entry.event, STEERING_EVENTS))
        return next(authors, "")

    @property
    def supersteps(self) -> int:
        """Iterations of all its loops together."""
        return sum([loop.iteration for loop in self._run.machine.supersteps.values()])

    def downstream_of(self, inputs: Iterable[str]) -> frozenset[str]:
        """Nodes that read one of these inputs, and all that come after them."""
        compiled = self._run.compiled_plan
        units = compiled.descendants([compiled.unit_of[i] for i in compiled.readers(inputs)])
        return frozenset(compiled.plan.nodes[i].name for unit in units for i in compiled.unit_members[unit])

    def from_node(self, name: str) -> frozenset[str]:
        """Names of a node, of the others in its loop, and of all that come after them: what a fork from it runs again.

        Raises KeyError.
        """
        compiled = self._run.compiled_plan
        units = compiled.descendants([compiled.unit_of[compiled.node_index[name]]])
        return frozenset(compiled.plan.nodes[i].name for unit in units for i in compiled.unit_members[unit])

    # -- data

    @property
    def data(self) -> RunData:
        """The data as its authoring style sees it."""
        return self._run.run_data

    @cached_property
    def result(self) -> Mapping[str, StoredValue]:
        """Its results (so far), by name: the final context, the outputs of steps, the outputs of a graph."""
        return MappingProxyType(dict(self._run.run_data.result()))

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        """The latest value of each input that has one, by name, in the form of its authoring style.

        What a node of a graph writes is among them if it may also be given in the place of that.
        """
        machine, cell = self._run.machine, self._run.compiled_plan.cell_index
        return {name: machine.values[cell[name]] for name in self.plan.inputs if machine.versions[cell[name]]}

    def last_given(self, name: str) -> Any:
        """Return the value that was given last for an input, None if there is none.

        Raises KeyError for a name that is no input.
        """
        machine, cell = self._run.machine, self._run.compiled_plan.cell_index[name]
        given = machine.given_values.get(cell)
        return machine.values[cell] if given is None else given[0]

    def has_cell(self, name: str) -> bool:
        """Return True if a value of this name can be given."""
        return name in self._run.compiled_plan.cell_index

    @cached_property
    def starting_values(self) -> Mapping[str, StoredValue]:
        """The values it was started with, by name: the initial context, the params of steps, the inputs of a graph."""
        started = (entry.event.inputs for entry in self.journal if isinstance(entry.event, Started))
        return MappingProxyType(dict(self._run.run_data.starting_values(next(started, {}))))

    def input_values(self, node: str) -> Mapping[str, StoredValue]:
        """Return the values a node sees, or would see if it began now, by name.  Raises KeyError."""
        return self._run.run_data.input_values(self._run.compiled_plan.node_index[node])

    def output_values(self, node: str) -> Mapping[str, StoredValue | None]:
        """Return the values a node has written, by name; None for one it has removed.  Raises KeyError."""
        return self._run.run_data.output_values(self._run.compiled_plan.node_index[node])

    def outputs_of(self, node: str) -> dict[str, Any]:
        """Return the outputs of a node, by name, in the form of its authoring style."""
        machine, compiled = self._run.machine, self._run.compiled_plan
        i = compiled.node_index[node]
        cells = {cell.rpartition("/")[2]: c for cell, c in zip(compiled.plan.nodes[i].writes, compiled.write_cells[i])}
        return {name: machine.values[c] for name, c in cells.items() if name and machine.versions[c]}

    # -- its children, and what it waits for

    @cached_property
    def fan_outs(self) -> Mapping[str, tuple[ChildRun, ...]]:
        """Node that has not succeeded (yet) -> the child runs it has fanned out to, by item."""
        found: dict[str, tuple[ChildRun, ...]] = {}
        for i, fan_out in self._run.machine.fan_outs.items():
            name, results = self.plan.nodes[i].name, fan_out.results()
            found[name] = tuple(
                [
                    ChildRun(
                        child_run_id(self.id, name, fan_out.generation, k),
                        name,
                        k,
                        status,
                        {} if result is None else dict(result.values),
                        "" if result is None else result.error,
                    )
                    for k, (status, result) in enumerate(zip(fan_out.statuses, results, strict=True))
                ]
            )
        return found

    @cached_property
    def child_counts(self) -> Mapping[str, int]:
        """Node that has fanned out to child runs -> how many, of its latest request."""
        nodes = self.plan.nodes
        requests = [entry.event for entry in self.journal if isinstance(entry.event, ChildRunsRequested)]
        return {nodes[request.node].name: len(request.inputs) for request in requests}

    @cached_property
    def children(self) -> tuple[RunInfo, ...]:
        """All runs it has started, the oldest first.  Raises StoreUnavailable."""
        return self._source.children_of(self.id)

    @cached_property
    def activity(self) -> Activity:
        """Its activity now; the status of a run that is not running.  Raises StoreUnavailable."""
        return self._source.activity_of(self._run)

    @cached_property
    def own_pauses(self) -> tuple[Pause, ...]:
        """Its own open questions, without those of its children."""
        return tuple(find_open_pauses(self._run, lambda _: None))

    @cached_property
    def pauses(self) -> tuple[Pause, ...]:
        """Its open questions and those of its children, in the order of the plan.  Raises StoreError."""
        return self._source.open_pauses(self._run)


_FROM_ITS_JOURNAL: Final = frozenset({"journal", "events", "nodes", "result", "inputs", "fan_outs", "starting_values"})
"""parts of a view that are the same as long as the journal and the queue are"""
