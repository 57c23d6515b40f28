"""Nodes of a run by state and name, page by page: the same for the table and the timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.drawing.marks import MarkName
from holdwater.runs.nodes import NodeView

PAGE_NODES: Final = 200
Sort = Literal["order", "start", "duration", "attempts", "name"]
_LATE: Final = 1 << 62
_SORT_KEYS: Final[dict[Sort, Callable[[NodeView], Any]]] = {
    "start": lambda node: node.started_at or _LATE,
    "duration": lambda node: -((node.ended_at or 0) - (node.started_at or 0)) if node.started_at else _LATE,
    "attempts": lambda node: -node.attempt_count,
    "name": lambda node: node.name.casefold(),
}


@dataclass(frozen=True, slots=True)
class NodeFilter:
    """Selection of nodes.  `state`: "" for all.  `text`: a part of the name, in any case.  `page`: from 1."""

    state: str = ""
    text: str = ""
    sort: Sort = "order"
    page: int = 1

    @property
    def is_set(self) -> bool:
        """Some nodes may be left out."""
        return bool(self.state or self.text)


@dataclass(frozen=True, slots=True)
class NodePage:
    """One page of the nodes that match.  `first`, `last`: places of its nodes among them, from 1; 0: there are none."""

    nodes: tuple[NodeView, ...]
    matching: int
    total: int
    first: int
    last: int
    page: int

    @property
    def has_next(self) -> bool:
        return self.last < self.matching


def select_nodes(
    nodes: Sequence[NodeView], marks: Mapping[str, MarkName], which: NodeFilter, page_nodes: int = PAGE_NODES
) -> NodePage:
    """Select one page of nodes; one behind the last is the last."""
    text = which.text.casefold()
    found = [
        node
        for node in nodes
        if (not which.state or marks[node.name] == which.state) and (not text or text in node.name.casefold())
    ]
    if which.sort in _SORT_KEYS:
        found.sort(key=_SORT_KEYS[which.sort])
    page = max(1, min(which.page, -(-len(found) // page_nodes)))
    start = (page - 1) * page_nodes
    shown = found[start : start + page_nodes]
    return NodePage(tuple(shown), len(found), len(nodes), start + 1 if shown else 0, start + len(shown), page)
