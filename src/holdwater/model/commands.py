"""Commands: what a machine wants done.  Each is an entry of `Machine.todo`, which is a state and not a message."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.model.time import Micros


@dataclass(slots=True)
class Execute:
    """Run the body of a node.  `attempt`: 1 plus the failures of this firing.  `fence` comes back with the result.

    `reissue_count`: how often this very attempt was issued before, by processes that died.
    """

    node: int
    fence: int
    attempt: int
    reissue_count: int = 0

    @property
    def first_fence(self) -> int:
        """The fence under which this attempt was issued first: the same however many processes die in it."""
        return self.fence - self.reissue_count


@dataclass(slots=True)
class Evaluate:
    """Tell the truth of each value predicate in the node's rule."""

    node: int


@dataclass(slots=True)
class StartTimer:
    """Come back at an instant; `at` None: `after_seconds` from now, to be fixed."""

    node: int
    after_seconds: float = 0.0
    at: Micros | None = None


@dataclass(slots=True)
class AwaitChildren:
    """See to the children of a node: those that are to run are running, and who has ended is reported."""

    node: int
    generation: int


@dataclass(slots=True)
class Cancel:
    """Tell a running attempt that its run has halted.  It still ends with an event of its own."""

    node: int


Command = Execute | Evaluate | StartTimer | AwaitChildren | Cancel
