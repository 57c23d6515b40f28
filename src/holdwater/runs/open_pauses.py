"""Open questions of a run, and of the runs its nodes have fanned out to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdwater.errors import PauseNotFound
from holdwater.kernel.states import AWAITING_INPUT
from holdwater.model.child_ids import child_run_id
from holdwater.model.input_requests import Question
from holdwater.model.json_schema import Schema
from holdwater.model.plan import PlanNode
from holdwater.model.suggestions import did_you_mean
from holdwater.model.values import StoredValue
from holdwater.runtime.active_run import ActiveRun

LoadRun = Callable[[str], ActiveRun | None]


@dataclass(frozen=True, slots=True)
class Pause:
    """One open question.

    `pause_id`: the same in every run: the node that asks, with the nodes it is nested in before it (`outer/ask`), and
    the number of the item in a map (`outer/3/ask`).  `asking_run_id`: the run the node is in.  `fence`: which of its
    questions this is.  `answer_name`: what the answer is called.  `answer_schema`: the JSON Schema of its answers;
    None: any value will do.
    """

    pause_id: str
    asking_run_id: str
    node_index: int
    fence: int
    name: str
    answer_name: str
    question: StoredValue | None
    answer_schema: Schema | None = None

    @property
    def value(self) -> Any:
        """The value to show.  Raises DecodingError."""
        return None if self.question is None else self.question.copy()


def find_open_pauses(run: ActiveRun, load_run: LoadRun) -> list[Pause]:
    """List the open questions, in the order of the plan.  `load_run`: loads a run by id, None if there is none."""
    found: list[Pause] = []
    stack = [("", run)]
    while stack:
        stem, one = stack.pop()
        inner = []
        for i, node in enumerate(one.compiled_plan.plan.nodes):
            if _awaits_input(one, i):
                found.append(_make_pause(stem, one, i))
            for k in _active_children(one, i):
                child = load_run(child_run_id(one.row.id, node.name, one.machine.fan_outs[i].generation, k))
                if child is not None:
                    inner.append((pause_id_prefix(stem, one, i, k), child))
        stack += reversed(inner)
    return found


def find_pause(pause_id: str, run: ActiveRun, load_run: LoadRun) -> Pause | None:
    """Find an open question by pause id, reading only the runs on its path."""
    stem, rest = "", pause_id
    while True:
        name, _, rest = rest.partition("/")
        i = run.compiled_plan.node_index.get(name)
        if i is None:
            return None
        if not rest:
            return _make_pause(stem, run, i) if _awaits_input(run, i) else None
        fan_out = run.machine.fan_outs.get(i)
        if fan_out is None:
            return None
        item = "0"
        if fan_out.max_concurrency is not None:
            item, _, rest = rest.partition("/")
        if not rest or not item.isdecimal() or int(item) not in _active_children(run, i):
            return None
        child = load_run(child_run_id(run.row.id, name, fan_out.generation, int(item)))
        if child is None:
            return None
        stem, run = pause_id_prefix(stem, run, i, int(item)), child


def single_pause(pauses: Sequence[Pause], key: str | None, run_id: str) -> Pause:
    """Return the only question with this name of the answer; None: the only one.  Raises PauseNotFound."""
    fitting = [pause for pause in pauses if key is None or pause.answer_name == key]
    if len(fitting) == 1:
        return fitting[0]
    if not pauses:
        raise PauseNotFound(
            f"run {run_id} waits for no answer", hint="its questions are answered, or it has not come to them yet"
        )
    ids = [pause.pause_id for pause in pauses]
    listed = ", ".join(map(repr, ids))
    if not fitting:
        hint = did_you_mean(key or "", ids) or f"open are: {listed}"
        raise PauseNotFound(f"run {run_id} has no open question {key!r}", hint=hint)
    raise PauseNotFound(f"run {run_id} has several open questions", hint=f"say which one: {listed}")


def answer_name_of(node: PlanNode) -> str:
    """Return what the answer to a node's question is called."""
    return node.writes[0].rpartition("/")[2] if node.writes else node.name


def _awaits_input(run: ActiveRun, node_index: int) -> bool:
    return node_index in run.machine.pending_inputs and run.machine.node_states[node_index] == AWAITING_INPUT


def _active_children(run: ActiveRun, node_index: int) -> list[int]:
    """List the children of a node that may have open questions: paused and running ones."""
    fan_out = run.machine.fan_outs.get(node_index)
    return [] if fan_out is None else sorted(fan_out.paused | fan_out.running)


def pause_id_prefix(prefix: str, run: ActiveRun, node_index: int, item: int) -> str:
    """Return the prefix of pause ids in a child."""
    child_ref = f"{prefix}{run.compiled_plan.plan.nodes[node_index].name}/"
    return child_ref if run.machine.fan_outs[node_index].max_concurrency is None else f"{child_ref}{item}/"


def _make_pause(prefix: str, run: ActiveRun, node_index: int) -> Pause:
    machine, node = run.machine, run.compiled_plan.plan.nodes[node_index]
    asked: Question | None = machine.pending_inputs[node_index]
    shown, schema = (None, None) if asked is None else (asked.prompt, asked.answer_schema)
    return Pause(
        prefix + node.name,
        run.row.id,
        node_index,
        machine.fences[node_index],
        node.name,
        answer_name_of(node),
        shown,
        schema,
    )
