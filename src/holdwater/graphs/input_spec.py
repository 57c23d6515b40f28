"""What a graph takes from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Names in the order in which nodes take them.

    - `required`: a run needs them.  `optional`: bound, or all who take them have a default, or one of several ways to
      start a loop.
    - `bound`: values by name, the objects themselves.
    - `seeds`: those among them that start a loop, which writes them later.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    bound: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    seeds: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The required ones, then the optional ones."""
        return self.required + self.optional
