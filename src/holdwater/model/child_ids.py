"""Ids of the child runs of a node: the parent's, with the node, the generation and the item behind it."""

from __future__ import annotations

from typing import Protocol


def child_run_id(parent_id: str, node: str, generation: int, item: int) -> str:
    """The id of a child run."""
    return f"{parent_id}/{node}.{generation}.{item}"


class RunWithParent(Protocol):
    """A run, as far as it says what started it."""

    @property
    def id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...


def child_ref(row: RunWithParent) -> tuple[str, str, int, int] | None:
    """Parent run, node's name, generation and item of a child; None for a run that no node has fanned out to."""
    if row.parent_id is None or not row.id.startswith(f"{row.parent_id}/"):
        return None
    node, generation, item = row.id[len(row.parent_id) + 1 :].rsplit(".", 2)
    return row.parent_id, node, int(generation), int(item)


def is_run_or_fan_out(run_id: str, top_id: str) -> bool:
    """Return True for a run, its child runs of nodes, and theirs; not for those that task functions have started."""
    return run_id == top_id or run_id.startswith(f"{top_id}/")
