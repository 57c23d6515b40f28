"""The part of a runner that graphs use."""

from __future__ import annotations

from typing import Protocol


class SupportedFeatures(Protocol):
    """The features of graphs a runner supports."""

    @property
    def supports_cycles(self) -> bool: ...
    @property
    def supports_gates(self) -> bool: ...
    @property
    def supports_interrupts(self) -> bool: ...
    @property
    def supports_async_nodes(self) -> bool: ...


class CapableRunner(Protocol):
    """A runner with a description of the features it supports."""

    @property
    def capabilities(self) -> SupportedFeatures: ...
