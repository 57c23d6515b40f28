"""Events of a run, journalled in order, each by the process that observed it.

One event per node that succeeds at once.  What the machine can derive (a skip, the end of the run, the next superstep)
is no event.  Nodes are numbers of the plan; instants are integer microseconds since the epoch, given by the driver,
because the machine has no clock.  `fence` counts the issues of a node in its run: a result is taken only with the fence
it was issued under.  The classes are plain slots dataclasses, immutable by convention: `frozen=True` triples their
cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.model.time import Micros

CODE_RELEASE: Final = ""
"""in the place of a release: code of a runner's own process"""


@dataclass(slots=True)
class InputsOverridden:
    """A node sees its data changed by this, and leaves it behind changed.  Only before the run begins: a fork's birth.

    `values` is the style's, and opaque as every value is.
    """

    node: int
    values: Any


@dataclass(slots=True)
class Started:
    """The run began with these inputs, by name.

    `skipped_ranges`: pairs of names; in a sequence, nodes from the first up to before the second never
    run ("": the end).  `unvalidated`: as in `InputProvided`.
    """

    inputs: dict[str, Any]
    skipped_ranges: tuple[str, ...] = ()
    unvalidated: bool = False


@dataclass(slots=True)
class Succeeded:
    """A node's work is done.  `values`: one per cell it writes (may be fewer); `decision`: the targets a gate opens.

    In a sequence `decision` is pairs of names: nodes from the first up to before the second are passed over ("": the
    end).
    """

    node: int
    fence: int
    values: tuple[Any, ...] = ()
    decision: tuple[str, ...] | None = None


@dataclass(slots=True)
class Failed:
    """An attempt failed.  `retry_at`: None when that was the last one, 0 to try again at once, else an instant.

    Whether to try again is decided by the driver (policy, error type, jitter) and recorded here, so that a journal
    folds the same under a changed policy.  `error`: `Type: message`; `traceback`: for people, "" if there is none.
    """

    node: int
    fence: int
    kind: str
    error: str
    retry_at: Micros | None = None
    traceback: str = ""


@dataclass(slots=True)
class AttemptLost:
    """The process that held the attempt is gone.

    `counts_as_crash`: the function had started: this counts against `max_crashes_per_task`.
    """

    node: int
    fence: int
    counts_as_crash: bool = True


@dataclass(slots=True)
class Cancelled:
    """An attempt ended, or never began, because its run was halted."""

    node: int
    fence: int


@dataclass(slots=True)
class Deferred:
    """A body gave up its attempt and asks to be called again at an instant."""

    node: int
    fence: int
    until: Micros


@dataclass(slots=True)
class InputRequested:
    """A body has nothing but a question; the node waits for an answer.  `question`: what to show, opaque."""

    node: int
    fence: int
    question: Any


@dataclass(slots=True)
class ChildRunsRequested:
    """A function requested a child run for each of these inputs; the node is executed again when they have ended.

    `fence`: also the generation of these children; no other children of the run ever have it.
    `max_concurrency`: children that run at once; None: all.  `fail_fast`: after one has failed no more are started.
    """

    node: int
    fence: int
    inputs: tuple[Mapping[str, Any], ...]
    max_concurrency: int | None = None
    fail_fast: bool = True


@dataclass(slots=True)
class ChildStatusChanged:
    """A child run is in another state now: running (again), paused, completed, failed or cancelled.

    `values`: its result by name, if it is completed; `error`: why it failed.
    """

    node: int
    generation: int
    index: int
    status: str
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(slots=True)
class RuleEvaluated:
    """The truth of each value predicate in the node's rule, in the rule's order."""

    node: int
    rule_results: tuple[bool, ...]


@dataclass(slots=True)
class TimerSet:
    """The driver's clock turned "in 5 s" into an instant."""

    node: int
    at: Micros


@dataclass(slots=True)
class TimerFired:
    """The instant a node waited for has come."""

    node: int


@dataclass(slots=True)
class InputProvided:
    """An answer to a node that asks.  It may come before the question: then it is kept.

    `fence`: the issue that asked; then it is an answer to this question and to no other.  `unvalidated`: it was given
    in a process without the code of the workflow, as JSON; a process that has the code converts and checks it.
    `by`: its author, as of every entry that steers a run: `cli:alice`, `api`, `ui`; "": code, or not recorded.
    """

    node: int
    values: tuple[Any, ...]
    fence: int | None = None
    unvalidated: bool = False
    by: str = ""


@dataclass(slots=True)
class CancelRequested:
    """The run is to end: nothing more is started, and running attempts are cancelled."""

    reason: str = ""
    by: str = ""


@dataclass(slots=True)
class TimedOut:
    """The run's deadline passed: it fails, whatever still runs."""

    error: str


@dataclass(slots=True)
class Paused:
    """The run is paused by request: nothing more is started until it is resumed."""

    reason: str = ""
    by: str = ""


@dataclass(slots=True)
class Resumed:
    """A paused run goes on; of one that failed or was cancelled, what failed or was cancelled is tried again.

    `inputs`: given anew; what has read them, and all behind it, is done again, also in a completed run.  `start_node`:
    a node of a sequence: from there everything is done (again), and what stands before and is not done never will be.
    `release`: the one it is moved to, CODE_RELEASE for code of a runner's own process; None: it stays where it is.
    """

    reason: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    start_node: int | None = None
    by: str = ""
    release: str | None = None


Event = (
    InputsOverridden
    | Started
    | Succeeded
    | Failed
    | AttemptLost
    | Cancelled
    | Deferred
    | InputRequested
    | ChildRunsRequested
    | ChildStatusChanged
    | RuleEvaluated
    | TimerSet
    | TimerFired
    | InputProvided
    | CancelRequested
    | TimedOut
    | Paused
    | Resumed
)

STEERING_EVENTS: Final = (InputProvided, CancelRequested, Paused, Resumed)
"""requests of people and programs, with their authors"""
