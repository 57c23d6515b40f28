"""A runner of graphs, as far as a graph knows one."""

from __future__ import annotations

from typing import Protocol


class SupportedFeatures(Protocol):
    """What a runner can do with graphs."""

    @property
    def supports_cycles(self) -> bool: ...
    @property
    def supports_gates(self) -> bool: ...
    @property
    def supports_interrupts(self) -> bool: ...
    @property
    def supports_async_nodes(self) -> bool: ...


class CapableRunner(Protocol):
    """A runner of graphs, as far as a graph knows one."""

    @property
    def capabilities(self) -> SupportedFeatures: ...
