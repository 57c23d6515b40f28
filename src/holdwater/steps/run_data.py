"""What each step of a run sees: a moment of timelines that grow with every step, so that a view costs the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.kernel.machine import Machine
from holdwater.model.fanout import Outcome
from holdwater.model.rules import CUT, FAILED, SKIPPED, SUCCEEDED
from holdwater.model.values import Stored
from holdwater.steps.context import EPOCH, RESUMED, ExecutionContext, WorkflowContext, values_of
from holdwater.steps.delta import INPUT, OVERRIDE, Cell, Edit, Overrides, Start, StepDelta, cell_from
from holdwater.steps.immutable_values import stored_all
from holdwater.steps.versioned_map import Moment, Timeline

_PAST: Final = frozenset({SUCCEEDED, FAILED, SKIPPED, CUT})
_NOTHING: Final = Start({})
_RESUMED: Final = {RESUMED: Stored.of(True)}


@dataclass(slots=True)
class StepView:
    """What a step sees.  `outcomes`: what its child runs have come to; `woken`: the instant it slept until."""

    start: Start
    params: Moment
    outputs: Moment
    quality: Moment
    outcomes: tuple[Outcome | None, ...] | None = None
    woken: int | None = None

    def context(self, run_id: str, workflow_name: str, began: int) -> WorkflowContext:
        """The view as a context, with copies of its own.  `began`: the run, microseconds since the epoch."""
        started_at = EPOCH + dt.timedelta(microseconds=began)
        start = self.start
        return WorkflowContext.over(
            run_id=run_id,
            workflow_name=workflow_name,
            params=values_of("params", {}, self.params),
            outputs=values_of("outputs", {}, self.outputs),
            partition=values_of("partition", start.partition),
            execution=ExecutionContext(run_id, start.batch_id, start.parent_id, started_at),
            started_at=started_at,
            metadata=values_of("metadata", start.metadata),
            quality_metrics=values_of("quality", {}, self.quality),
        )


class StepsBoard:
    """The views of one run.  Reads the machine and changes nothing in it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._forget()

    def _forget(self) -> None:
        self._known = (self._machine.rewinds, self._overrides)
        self._params, self._outputs, self._quality = Timeline(), Timeline(), Timeline()
        self._by_step: dict[int, list[dict[str, Stored]]] = {}
        for step, params in self._overrides.given:
            self._by_step.setdefault(step, []).append(params)
        self._next = -1  # the step whose turn it is to be told; -1: the start
        self._opened = -1  # the last step for which what comes before it was told

    @property
    def _overrides(self) -> Overrides:
        given: Overrides | None = self._machine.value[self._machine.layout.cell[OVERRIDE]]
        return given or _NONE

    @property
    def _start(self) -> Start:
        given: Start | None = self._machine.value[self._machine.layout.cell[INPUT]]
        return given or _NOTHING

    def view(self, node: int) -> StepView:
        """What the step sees: the start, and what was left behind before it."""
        self._tell(node)
        fan = self._machine.fans.get(node)
        return self._seen(
            2 * node + 1, None if fan is None or not fan.over else fan.results(), self._machine.deferred.get(node)
        )

    def after(self, node: int) -> StepView:
        """What there is right after a step."""
        self._tell(node + 1)
        return self._seen(2 * node + 2)

    def final(self) -> StepView:
        """What a step after the last one would see.  Of a run that is not over: what it has so far."""
        nodes = len(self._machine.state)
        self._tell(nodes)
        return self._seen(2 * nodes + 1)

    def truths(self, node: int) -> tuple[bool, ...]:
        """There are no rules over values."""
        return ()

    def result(self) -> Mapping[str, Stored]:
        """The outputs of all steps that have any, by name, in the order of the steps."""
        machine = self._machine
        found = {}
        for i, node in enumerate(machine.layout.plan.nodes):
            delta = self.delta(i)
            if delta is not None and delta.output is not None:
                found[node.name] = delta.output
        return found

    def delta(self, node: int) -> StepDelta | None:
        """What a step has left behind; None if it has not succeeded."""
        machine = self._machine
        if machine.state[node] != SUCCEEDED:
            return None
        made: StepDelta = machine.value[machine.layout.out[node][0]]
        return made

    def override(self, params: Mapping[str, Any] | None = None, start: int | None = None) -> dict[str, Overrides]:
        """The inputs that resume this run with these params over what it has, from a step if one is given.

        Handlers see `__resumed__` among their params.  Raises EncodingError.
        """
        if start is None:
            state = self._machine.state
            start = next((i for i, s in enumerate(state) if s not in _PAST or self._fails_the_run(i)), len(state))
        given = {**stored_all(params or {}, "params_override"), **_RESUMED}
        return {OVERRIDE: self._overrides.then(start, given)}

    def _fails_the_run(self, i: int) -> bool:
        return self._machine.state[i] == FAILED and self._machine.layout.plan.nodes[i].on_error != "ignore"

    # -- telling the story

    def _seen(self, at: int, outcomes: tuple[Outcome | None, ...] | None = None, woken: int | None = None) -> StepView:
        return StepView(
            self._start,
            Moment(self._params, at),
            Moment(self._outputs, at),
            Moment(self._quality, at),
            outcomes,
            woken,
        )

    def _tell(self, node: int) -> None:
        """Everything up to what comes right before a step, which stands at 2 * step + 1; its own is at 2 * step + 2."""
        machine = self._machine
        if self._known[0] != machine.rewinds or self._known[1] is not self._overrides:
            self._forget()
        if self._next < 0:
            if machine.value[machine.layout.cell[INPUT]] is None:  # not started yet
                return
            start = self._start
            self._params.put(0, start.params)
            self._outputs.put(0, start.outputs)
            self._quality.put(0, start.quality)
            self._next = 0
            if machine.lives > 1:
                self._params.put(0, _RESUMED)
        while True:
            i = self._next
            if self._opened < i:
                self._open(i)
            if i >= node or machine.state[i] not in _PAST:
                return
            delta = self.delta(i)
            if delta is not None:
                at, name = 2 * i + 2, machine.layout.plan.nodes[i].name
                if delta.output is not None:
                    self._outputs.put(at, {name: delta.output})
                self._params.put(at, delta.params)
                if delta.quality is not None:
                    self._quality.put(at, {name: delta.quality})
            self._next = i + 1

    def _open(self, i: int) -> None:
        at = 2 * i + 1
        edit: Edit | None = self._machine.edits.get(i)
        if edit is not None:
            self._params.put(at, edit.set)
            self._params.remove(at, edit.removed)
        for params in self._by_step.get(i, ()):
            self._params.put(at, params)
        self._opened = i


_NONE: Final = Overrides()


class StepsStyle:
    """The style of steps, as far as a process needs it that does not have the user's code."""

    name = "steps"

    def board(self, machine: Machine) -> StepsBoard:
        """The views of a run."""
        return StepsBoard(machine)

    def unpack(self, tree: Any) -> Cell:
        """A cell from the tree in the journal.  Raises DecodingError."""
        return cell_from(tree)

    def edits(self, values: Mapping[str, Any], removed: Collection[str], under: Any) -> Edit:
        """A change of the params a step sees, over an earlier one (None: there is none).  Raises EncodingError."""
        given = stored_all(values, "params")
        earlier: Edit = Edit({}) if under is None else under
        gone = dict.fromkeys([*earlier.removed, *removed])
        kept = {name: value for name, value in earlier.set.items() if name not in removed}
        return Edit({**kept, **given}, tuple(name for name in gone if name not in given))

    def answer(self, writes: int, value: Any) -> tuple[StepDelta, ...]:
        """Steps ask nothing; what is said all the same is added to the params.  Raises EncodingError."""
        return (StepDelta(params=stored_all(value, "answer")),)
