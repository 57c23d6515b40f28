"""The view of each step of a run: a snapshot of versioned maps that grow with every step, in O(1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.model.fanout import ChildResult
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.ports.definition import ConvertInput
from holdwater.model.rules import FAILED, SKIPPED, SUCCEEDED, UPSTREAM_FAILED
from holdwater.model.run_state import RunState
from holdwater.model.time import Micros, to_datetime
from holdwater.model.values import StoredValue
from holdwater.steps.context import RESUMED_PARAM, ExecutionContext, WorkflowContext, make_values
from holdwater.steps.delta import (
    INPUT_CELL,
    RESUME_PARAMS_CELL,
    Cell,
    ParamsOverride,
    ResumeParams,
    RunInput,
    StepDelta,
    parse_cell,
    parse_untrusted_delta,
    parse_untrusted_input,
)
from holdwater.steps.immutable_values import StoredDict, StoredMap, encode_values, stored_values
from holdwater.steps.versioned_map import Snapshot, VersionedMap

_SETTLED_STATES: Final = frozenset({SUCCEEDED, FAILED, SKIPPED, UPSTREAM_FAILED})
_NO_INPUT: Final = RunInput({})
_RESUMED_PARAMS: Final = {RESUMED_PARAM: StoredValue.encode(True)}


@dataclass(slots=True)
class StepView:
    """The view of a step.  `child_results`: of its child runs.  `woken_at`: the instant it waited until, µs."""

    run_input: RunInput
    params: StoredMap
    outputs: StoredMap
    quality: StoredMap
    child_results: tuple[ChildResult | None, ...] | None = None
    woken_at: Micros | None = None

    def make_context(self, run_id: str, workflow_name: str, run_started_at: Micros) -> WorkflowContext:
        """Create a context from the view.  `run_started_at`: microseconds since the epoch."""
        started_at = to_datetime(run_started_at)
        start = self.run_input
        return WorkflowContext.from_fields(
            run_id=run_id,
            workflow_name=workflow_name,
            params=make_values("params", {}, self.params),
            outputs=make_values("outputs", {}, self.outputs),
            partition=make_values("partition", start.partition),
            execution=ExecutionContext(run_id, start.batch_id, start.parent_id, started_at),
            started_at=started_at,
            metadata=make_values("metadata", start.metadata),
            quality_metrics=make_values("quality", {}, self.quality),
        )


class StepsRunData:
    """The views of one run.  Reads the state of the machine and changes nothing in it."""

    def __init__(self, machine: RunState) -> None:
        self._machine = machine
        self._clear_caches()

    def _clear_caches(self) -> None:
        self._cache_key = (self._machine.reset_count, self._resume_params)
        self._params, self._outputs, self._quality = VersionedMap(), VersionedMap(), VersionedMap()
        self._resume_params_by_step: dict[int, list[dict[str, StoredValue]]] = {}
        for step, params in self._resume_params.by_step:
            self._resume_params_by_step.setdefault(step, []).append(params)
        self._next_step = -1  # the next step to be recorded; -1: the start
        self._last_step_opened = -1  # the last step for which the changes before it were recorded

    @property
    def _resume_params(self) -> ResumeParams:
        given: ResumeParams | None = self._machine.values[self._machine.compiled_plan.cell_index[RESUME_PARAMS_CELL]]
        return given or _NO_RESUME_PARAMS

    @property
    def _run_input(self) -> RunInput:
        given: RunInput | None = self._machine.values[self._machine.compiled_plan.cell_index[INPUT_CELL]]
        return given or _NO_INPUT

    def view(self, node: int) -> StepView:
        """Return the view of a step: the input and the changes of earlier steps."""
        self._record_up_to(node)
        fan = self._machine.fan_outs.get(node)
        return self._snapshot_view(
            2 * node + 1,
            None if fan is None or not fan.is_finished else fan.results(),
            self._machine.deferred_until.get(node),
        )

    def view_after(self, node: int) -> StepView:
        """Return the view right after a step."""
        self._record_up_to(node + 1)
        return self._snapshot_view(2 * node + 2)

    def final_view(self) -> StepView:
        """Return the view after the last step; of an unfinished run, after the last finished step."""
        nodes = len(self._machine.node_states)
        self._record_up_to(nodes)
        return self._snapshot_view(2 * nodes + 1)

    def visible_names(self, node: int) -> Collection[str]:
        """Return the names of the params the step sees."""
        return list(self.view(node).params.names())

    def input_values(self, node: int) -> Mapping[str, StoredValue]:
        """Return the params the step sees."""
        params = self.view(node).params
        return {name: value for name in params.names() if (value := params.get(name)) is not None}

    def output_values(self, node: int) -> Mapping[str, StoredValue | None]:
        """Return the output of a step, under its own name, and the params it has set."""
        delta = self.step_delta(node)
        if delta is None:
            return {}
        name = self._machine.compiled_plan.plan.nodes[node].name
        return {**({} if delta.output is None else {name: delta.output}), **delta.params}

    def starting_values(self, inputs: Mapping[str, Any]) -> Mapping[str, StoredValue]:
        """Return the params the run was started with."""
        given: RunInput | None = inputs.get(INPUT_CELL)
        return {} if given is None else given.params

    def rule_results(self, node: int, *, reads_classes: bool = True) -> tuple[bool, ...]:
        """Return no results: steps have no rules over values."""
        return ()

    def result(self) -> Mapping[str, StoredValue]:
        """Return the outputs of steps by name, in the order of the steps."""
        machine = self._machine
        found = {}
        for i, node in enumerate(machine.compiled_plan.plan.nodes):
            delta = self.step_delta(i)
            if delta is not None and delta.output is not None:
                found[node.name] = delta.output
        return found

    def step_delta(self, node: int) -> StepDelta | None:
        """Return the changes of a step; None if it has not succeeded."""
        machine = self._machine
        if machine.node_states[node] != SUCCEEDED:
            return None
        made: StepDelta = machine.values[machine.compiled_plan.write_cells[node][0]]
        return made

    def resume_inputs(
        self, params: Mapping[str, Any] | None = None, start: int | None = None
    ) -> dict[str, ResumeParams]:
        """Build the inputs that resume the run with additional params.  `start`: index of the step to resume from.

        Handlers see the param `__resumed__`.  Raises EncodingError.
        """
        if start is None:
            state = self._machine.node_states
            start = next(
                (i for i, s in enumerate(state) if s not in _SETTLED_STATES or self._fails_the_run(i)), len(state)
            )
        given = {**encode_values(params or {}, "params_override"), **_RESUMED_PARAMS}
        return {RESUME_PARAMS_CELL: self._resume_params.with_params(start, given)}

    def _fails_the_run(self, i: int) -> bool:
        return self._machine.node_states[i] == FAILED and self._machine.compiled_plan.plan.nodes[i].on_error != "ignore"

    # -- recording versions

    def _snapshot_view(
        self, version: int, child_results: tuple[ChildResult | None, ...] | None = None, woken_at: Micros | None = None
    ) -> StepView:
        return StepView(
            self._run_input,
            Snapshot(self._params, version),
            Snapshot(self._outputs, version),
            Snapshot(self._quality, version),
            child_results,
            woken_at,
        )

    def _record_up_to(self, node: int) -> None:
        """Record all changes before a step.

        Version 2 * step + 1 is right before a step, 2 * step + 2 right after it.
        """
        machine = self._machine
        if self._cache_key[0] != machine.reset_count or self._cache_key[1] is not self._resume_params:
            self._clear_caches()
        if self._next_step < 0:
            if machine.values[machine.compiled_plan.cell_index[INPUT_CELL]] is None:  # not started yet
                return
            start = self._run_input
            self._params.write(0, start.params)
            self._outputs.write(0, start.outputs)
            self._quality.write(0, start.quality)
            self._next_step = 0
            if machine.start_count > 1:
                self._params.write(0, _RESUMED_PARAMS)
        while True:
            i = self._next_step
            if self._last_step_opened < i:
                self._record_overrides_before(i)
            if i >= node or machine.node_states[i] not in _SETTLED_STATES:
                return
            delta = self.step_delta(i)
            if delta is not None:
                at, name = 2 * i + 2, machine.compiled_plan.plan.nodes[i].name
                if delta.output is not None:
                    self._outputs.write(at, {name: delta.output})
                self._params.write(at, delta.params)
                if delta.quality is not None:
                    self._quality.write(at, {name: delta.quality})
            self._next_step = i + 1

    def _record_overrides_before(self, i: int) -> None:
        at = 2 * i + 1
        edit: ParamsOverride | None = self._machine.overrides.get(i)
        if edit is not None:
            self._params.write(at, edit.set)
            self._params.remove(at, edit.removed)
        for params in self._resume_params_by_step.get(i, ()):
            self._params.write(at, params)
        self._last_step_opened = i


_NO_RESUME_PARAMS: Final = ResumeParams()


class StepsStyle:
    """The authoring style of steps, without the user's code."""

    name = "steps"

    def run_data(self, machine: RunState) -> StepsRunData:
        """Create the views of a run."""
        return StepsRunData(machine)

    def decode_value(self, tree: Any) -> Cell:
        """Decode a cell from its tree in the journal.  Raises DecodingError."""
        return parse_cell(tree)

    def merge_overrides(self, values: Mapping[str, Any], removed: Collection[str], base: Any) -> ParamsOverride:
        """Build the overrides of a step's params on top of earlier ones (`base`).  Raises EncodingError."""
        given = encode_values(values, "params")
        earlier: ParamsOverride = ParamsOverride({}) if base is None else base
        gone = dict.fromkeys([*earlier.removed, *removed])
        kept = {name: value for name, value in earlier.set.items() if name not in removed}
        return ParamsOverride({**kept, **given}, tuple(name for name in gone if name not in given))

    def encode_answer(self, cell_count: int, value: Any) -> tuple[StepDelta, ...]:
        """Convert an answer to changes of the params; steps themselves never request input.  Raises EncodingError."""
        return (StepDelta(params=encode_values(value, "answer")),)

    def encode_inputs(self, inputs: Mapping[str, Any], defaults: Mapping[str, StoredValue]) -> dict[str, RunInput]:
        """Build the initial cells: params.  Raises EncodingError."""
        return {INPUT_CELL: RunInput({**defaults, **encode_values(inputs, "params")})}

    def replace_inputs(self, cells: Mapping[str, Any], convert: ConvertInput) -> dict[str, Any]:
        """Return the cells unchanged: params have no types."""
        return dict(cells)

    def skip_reason(self, values: tuple[StepDelta, ...]) -> str | None:
        """Return the reason of a step that skipped itself; None if it did not."""
        return values[0].skipped if values else None

    def pack_view(self, view: StepView) -> NodeInputs:
        """Convert a view: what its context is made of."""
        start = view.run_input
        groups = {
            "params": stored_values(view.params),
            "outputs": stored_values(view.outputs),
            "quality": stored_values(view.quality),
            "partition": start.partition,
            "metadata": start.metadata,
        }
        ids = {"batch_id": start.batch_id, "parent_id": start.parent_id}
        return NodeInputs(groups, ids, view.child_results, view.woken_at)

    def unpack_view(self, inputs: NodeInputs) -> StepView:
        """Build a view from what `pack_view` returned."""
        values = {name: dict(group) for name, group in inputs.groups.items()}
        return StepView(
            RunInput({}, partition=values["partition"], metadata=values["metadata"], **inputs.details),
            StoredDict(values["params"]),
            StoredDict(values["outputs"]),
            StoredDict(values["quality"]),
            inputs.child_results,
            inputs.woken_at,
        )

    def parse_output(self, tree: Any, *, of_children: bool = False) -> StepDelta:
        """Build the changes of a step from the tree another process sent.  Raises DecodingError."""
        return parse_untrusted_delta(tree)

    def parse_input(self, tree: Any) -> RunInput:
        """Build the input of a run from the tree another process sent.  Raises DecodingError."""
        return parse_untrusted_input(tree)
