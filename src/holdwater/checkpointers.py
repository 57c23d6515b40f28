"""Checkpointers, which keep runs of graphs so that they go on after a pause or a crash."""

from holdwater.runners.graphs.durable.checkpointers import (
    Checkpointer,
    MemoryCheckpointer,
    PostgresCheckpointer,
    SqliteCheckpointer,
)

__all__ = ["Checkpointer", "MemoryCheckpointer", "PostgresCheckpointer", "SqliteCheckpointer"]
