"""Events: what happened to a run.  Journalled in order, each by whoever saw it happen.

One event per node on the straight way.  What the machine can derive from them (a skip, the finish, the next superstep)
is no event.  Nodes are numbers of the plan; instants are integer microseconds since the epoch, given by the driver,
because the machine has no clock.  `fence` counts the issues of a node in its run: a result is taken only with the fence
it was issued under.  The classes are plain slots dataclasses, immutable by convention: `frozen` triples their price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Edited:
    """A node sees its data changed by this, and leaves it behind changed.  Only before the run begins: a fork's birth.

    `values` is the style's, and opaque as every value is.
    """

    node: int
    values: Any


@dataclass(slots=True)
class Started:
    """The run began with these inputs, by name."""

    inputs: dict[str, Any]


@dataclass(slots=True)
class Succeeded:
    """A node's work is done.  `values`: one per cell it writes (may be fewer); `decision`: the targets a gate opens."""

    node: int
    fence: int
    values: tuple[Any, ...] = ()
    decision: tuple[str, ...] | None = None


@dataclass(slots=True)
class Failed:
    """An attempt failed.  `retry_at`: None when that was the last one, 0 to try again at once, else an instant.

    Whether to try again is decided by the driver (policy, error type, jitter) and recorded here, so that a journal
    folds the same under a changed policy.
    """

    node: int
    fence: int
    kind: str
    error: str
    retry_at: int | None = None


@dataclass(slots=True)
class Abandoned:
    """The process that held the attempt is gone.  `counted`: the body had begun, so that this is a crash of it."""

    node: int
    fence: int
    counted: bool = True


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
    until: int


@dataclass(slots=True)
class Evaluated:
    """The truth of each value predicate in the node's rule, in the rule's order."""

    node: int
    truths: tuple[bool, ...]


@dataclass(slots=True)
class TimerSet:
    """The driver's clock turned "in 5 s" into an instant."""

    node: int
    at: int


@dataclass(slots=True)
class TimerFired:
    """The instant a node waited for has come."""

    node: int


@dataclass(slots=True)
class Answered:
    """Somebody answered an asking node.  It may come before the question: then it is kept."""

    node: int
    values: tuple[Any, ...]


@dataclass(slots=True)
class CancelRequested:
    """Somebody wants the run to end: nothing more starts, what runs is told."""

    reason: str = ""


@dataclass(slots=True)
class TimedOut:
    """The run's deadline passed: it fails, whatever still runs."""

    error: str


@dataclass(slots=True)
class Paused:
    """Somebody wants nothing more to start for now."""

    reason: str = ""


@dataclass(slots=True)
class Resumed:
    """A paused run goes on; of one that failed or was cancelled, what failed or was cancelled is tried again."""

    reason: str = ""


Event = (
    Edited
    | Started
    | Succeeded
    | Failed
    | Abandoned
    | Cancelled
    | Deferred
    | Evaluated
    | TimerSet
    | TimerFired
    | Answered
    | CancelRequested
    | TimedOut
    | Paused
    | Resumed
)
