"""Events of a run, made from its journal: the same for tasks, steps and graphs.

Each carries the number of its journal entry (`seq`, from 1) and its place among the events of that entry (`part`, from
0), so that a consumer goes on exactly where it stopped.  Instants are microseconds since the epoch.  `type` is the
event's name on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from holdwater.model.time import Micros

EventPosition = tuple[int, int]
"""`seq` and `part` of an event"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Base of all events.  `at`: when it happened; `recorded_at`: when it was journalled."""

    type: ClassVar[str] = ""
    run_id: str
    seq: int
    part: int
    at: Micros
    recorded_at: Micros

    @property
    def position(self) -> EventPosition:
        """The place of this event, for `after=`."""
        return self.seq, self.part

    def to_dict(self) -> dict[str, Any]:
        """Plain data, JSON-safe: names, numbers and texts, no values of users."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata.get("opaque")}
        return {"type": self.type, **{name: _plain(value) for name, value in data.items()}}

    def recorded_values(self) -> dict[str, Any]:
        """Return the fields with values of users, as they are recorded: one, a sequence, or a mapping by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("opaque")}
        return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_OPAQUE: Final = {"opaque": True}
"""of a field with values of users, as they are recorded"""


# -- the run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForked(RunEvent):
    """The run was born with the beginning of another one; what it took over follows with its original times."""

    type: ClassVar[str] = "workflow_forked"
    source_run_id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """The run began.  `item_index`: its place among the child runs of its parent's node.  `by`: its author."""

    type: ClassVar[str] = "workflow_started"
    workflow: str
    style: str
    node_count: int
    parent_run_id: str | None = None
    parent_node: str | None = None
    item_index: int | None = None
    by: str = ""
    inputs: Any = field(default=None, repr=False, compare=False, metadata=_OPAQUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(RunEvent):
    """Nothing more starts for now.  `requested`: by a person or a program; otherwise the run waits for an answer.

    `by`: its author, as of every event that steers a run: `cli:alice`, `api`; "": code, or not recorded.
    """

    type: ClassVar[str] = "workflow_paused"
    reason: str = ""
    requested: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(RunEvent):
    """The run goes on: resumed, retried, or answered (`requested` False).

    `release`: the one it was moved to, "" for code of a runner's own process; None: it has stayed on its release.
    """

    type: ClassVar[str] = "workflow_resumed"
    reason: str = ""
    requested: bool = False
    by: str = ""
    release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelRequested(RunEvent):
    """The run is to end: nothing more starts, running functions are told."""

    type: ClassVar[str] = "workflow_cancel_requested"
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimedOut(RunEvent):
    """The run's deadline passed: nothing more starts, running functions are told."""

    type: ClassVar[str] = "workflow_timed_out"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(RunEvent):
    """Base of the events that end a run.  It goes on after one only if it is retried or given new inputs.

    `supersteps`: rounds of its loops, all loops together.
    """

    status: ClassVar[str] = ""
    supersteps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCompleted(RunEnded):
    """The run has come to its end."""

    type: ClassVar[str] = "workflow_completed"
    status: ClassVar[str] = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(RunEnded):
    """The run failed.  `node`: the first node whose failure counts, None for a deadline or a loop.

    `error`: as in the run's head; `node_error` and `category`: text and kind of the node's own error.
    """

    type: ClassVar[str] = "workflow_failed"
    status: ClassVar[str] = "failed"
    error: str
    node: str | None = None
    node_error: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(RunEnded):
    """The run was cancelled, and nothing of it runs any more."""

    type: ClassVar[str] = "workflow_cancelled"
    status: ClassVar[str] = "cancelled"
    reason: str = ""


# -- its nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent(RunEvent):
    """Base of what concerns one node.

    `attempt`: from 1, counted anew after a success and a reset; `fence`: unique among the attempts of the node.  Both
    are None where no function is called.
    """

    node: str
    attempt: int | None = None
    fence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeScheduled(NodeEvent):
    """The node may begin as soon as there is room for it."""

    type: ClassVar[str] = "task_marked_ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(NodeEvent):
    """An attempt began.  It is journalled with the end of the attempt: `at` is earlier than `recorded_at`."""

    type: ClassVar[str] = "task_started"
    inherited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(NodeEvent):
    """Base of what an attempt comes to; `started_at` is None where no function was called.

    `notes`: failures of observers.  `inherited`: a fork took it over from the run it began with.
    """

    started_at: Micros | None = None
    notes: tuple[str, ...] = ()
    inherited: bool = False

    @property
    def duration_us(self) -> int:
        """Microseconds from the start of the attempt to its end."""
        return 0 if self.started_at is None else self.at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSucceeded(AttemptEnded):
    """The node is done.  `values`: one per cell it writes, as its style records them."""

    type: ClassVar[str] = "task_completed"
    values: tuple[Any, ...] = field(default=(), repr=False, compare=False, metadata=_OPAQUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailed(AttemptEnded):
    """An attempt failed.  `retry_at`: when the next one may begin; None: it was the last one."""

    type: ClassVar[str] = "task_failed"
    error: str
    category: str
    traceback: str = ""
    retry_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRetrying(NodeEvent):
    """Attempt `attempt` may begin at `retry_at`."""

    type: ClassVar[str] = "task_retry_scheduled"
    retry_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWaiting(AttemptEnded):
    """The node waits for an instant, of its own accord."""

    type: ClassVar[str] = "task_deferred"
    until: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSkipped(AttemptEnded):
    """The node does not run, or its function said that there was nothing to do.

    `because_of_failure`: something before it failed.
    """

    type: ClassVar[str] = "task_skipped"
    reason: str
    because_of_failure: bool = False
    values: tuple[Any, ...] = field(default=(), repr=False, compare=False, metadata=_OPAQUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCancelled(AttemptEnded):
    """The node was under way, or waited, when its run was cancelled or failed."""

    type: ClassVar[str] = "task_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAttemptLost(NodeEvent):
    """The process that executed the attempt is gone.  `counted`: its function had begun."""

    type: ClassVar[str] = "task_attempt_lost"
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRouteDecided(NodeEvent):
    """A gate, or a step that chooses, decided what comes next: names of nodes, "END" for the end."""

    type: ClassVar[str] = "task_route_decided"
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInputRequested(AttemptEnded):
    """The node waits for an answer.

    `answer_name`: the name of the answer.  `question`: the value to show, with the JSON Schema of answers; None: none.
    """

    type: ClassVar[str] = "task_input_requested"
    answer_name: str
    question: Any = field(default=None, repr=False, compare=False, metadata=_OPAQUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInputProvided(NodeEvent):
    """An answer was given.  `early`: before the node asked; it is kept for it."""

    type: ClassVar[str] = "task_input_provided"
    early: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChildrenRequested(AttemptEnded):
    """The node wants `count` child runs, `max_concurrency` at a time (None: all); it is executed again after them."""

    type: ClassVar[str] = "task_children_requested"
    count: int
    max_concurrency: int | None = None
    fail_fast: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChildChanged(NodeEvent):
    """A child run of the node is in another state: running, paused, completed, failed or cancelled."""

    type: ClassVar[str] = "task_child_changed"
    child_run_id: str
    item_index: int
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRuleEvaluated(NodeEvent):
    """The value predicates of the node's rule, in the rule's order."""

    type: ClassVar[str] = "task_rule_evaluated"
    results: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInputsOverridden(NodeEvent):
    """A fork begins with other data for this node."""

    type: ClassVar[str] = "task_inputs_overridden"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReset(NodeEvent):
    """The node is done again, because of a retry or of new inputs: its earlier result counts no more."""

    type: ClassVar[str] = "task_reset"


EVENT_TYPES: Final[dict[str, type[RunEvent]]] = {
    cls.type: cls
    for cls in (
        RunForked,
        RunStarted,
        RunPaused,
        RunResumed,
        RunCancelRequested,
        RunTimedOut,
        RunCompleted,
        RunFailed,
        RunCancelled,
        NodeScheduled,
        NodeStarted,
        NodeSucceeded,
        NodeFailed,
        NodeRetrying,
        NodeWaiting,
        NodeSkipped,
        NodeCancelled,
        NodeAttemptLost,
        NodeRouteDecided,
        NodeInputRequested,
        NodeInputProvided,
        NodeChildrenRequested,
        NodeChildChanged,
        NodeRuleEvaluated,
        NodeInputsOverridden,
        NodeReset,
    )
}
"""name on the wire -> class"""
