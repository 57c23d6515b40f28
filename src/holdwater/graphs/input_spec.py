"""Inputs of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The inputs of a graph, in the order of its nodes and their parameters.

    - `required`: every run must give them.  `optional`: bound, or with a default at all readers, or one of several
      alternatives to start a loop.
    - `bound`: bound values by name, uncopied.
    - `seeds`: inputs that start a loop, whose nodes write them later.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    bound: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    seeds: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Required inputs, then optional ones."""
        return self.required + self.optional
