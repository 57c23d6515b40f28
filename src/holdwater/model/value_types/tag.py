"""The shape of a tagged value, and what its writers and readers agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

TAG: Final = "$t"
"""the key that makes a JSON object stand for another value; its text names the kind"""

MAX_DEPTH: Final = 150
"""levels of nesting a value with tags may have: what is written must be readable from a deeper stack than this one"""

INT_PLAIN_BITS: Final = 2000
"""larger ints are written in base 16: Python limits how many decimal digits it reads (640 at the least)"""

Tree = Any
"""data as `json.start_loads` gives it"""

ReviveFunction = Callable[[Tree], Any]


class NotStorable(Exception):
    """A value cannot be stored.  `steps` lead to it from the outside, innermost first; each container adds its own."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint
        self.path_steps: list[str] = []

    def add_step(self, step: str) -> None:
        """Add the place inside the next container: `[3]` or a name."""
        self.path_steps.append(step)

    @property
    def path(self) -> str:
        """`a.b[1]`; empty for the value itself."""
        path = ""
        for step in reversed(self.path_steps):
            path += step if step.startswith("[") or not path else f".{step}"
        return path


class ValueWriter(Protocol):
    """Writer of the values inside a container.

    `needs_verification`: the result must be proved by reading it.
    `hash_depth`: how many sets and keys what is written is in.
    """

    needs_verification: bool
    hash_depth: int

    def write(self, value: Any) -> Tree:
        """The tree of a value.  Raises Refused."""

    def write_items(self, values: Any) -> list[Tree]:
        """The trees of several values, in order.  Raises Refused."""

    def write_mapping(self, values: Any) -> dict[str, Tree]:
        """The tree of a mapping.  Raises Refused."""

    def write_pairs(self, values: Any) -> list[list[Tree]]:
        """Keys and values of a mapping, whatever the keys are.  Raises Refused."""

    def write_hashed(self, values: Any) -> list[Tree]:
        """The trees of elements of a set.  Raises Refused."""


WriteFunction = Callable[[Any, ValueWriter], Tree]
ReadFunction = Callable[[dict[str, Any], ReviveFunction], Any]
