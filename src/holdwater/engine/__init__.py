"""The composition root: opens a store, wires the driver to it, and reads runs back."""

from holdwater.engine.engine import Engine

__all__ = ["Engine"]
