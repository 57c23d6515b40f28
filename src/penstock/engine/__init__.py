"""The composition root: opens a store, wires the driver to it, and reads runs back."""

from penstock.engine.engine import Engine

__all__ = ["Engine"]
