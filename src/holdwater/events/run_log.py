"""The log of a run as data: one record per execution of a node, with its duration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class NodeRecord:
    """One execution of a node.  `duration_ms` has three decimals; `inner` are the runs of a nested graph."""

    node_name: str
    status: str = "running"
    duration_ms: float = 0.0
    cached: bool = False
    error: str | None = None
    decision: str | list[str] | None = None
    inner: list[RunLog | MapLog] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "node_name": self.node_name,
            "status": self.status,
            "duration_ms": self.duration_ms,
            "cached": self.cached,
            "error": self.error,
            "decision": self.decision,
            "inner": [log.to_dict() for log in self.inner],
        }


@dataclass(slots=True)
class NodeStats:
    """All executions of one node in a run, in milliseconds."""

    count: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0
    errors: int = 0
    cached: int = 0

    @property
    def avg_ms(self) -> float:
        return round(self.total_ms / self.count, 3) if self.count else 0.0

    def add(self, record: NodeRecord) -> None:
        self.count += 1
        self.total_ms = round(self.total_ms + record.duration_ms, 3)
        self.max_ms = max(self.max_ms, record.duration_ms)
        self.errors += record.status == "failed"
        self.cached += record.cached


@dataclass(slots=True)
class RunLog:
    """One run of a graph.  `str()` is a table of its steps in the order they began."""

    graph_name: str
    run_id: str
    status: str = "running"
    total_duration_ms: float = 0.0
    steps: list[NodeRecord] = field(default_factory=list)
    item_index: int | None = None

    @property
    def errors(self) -> list[NodeRecord]:
        return [step for step in self.steps if step.status == "failed"]

    @property
    def timing(self) -> dict[str, float]:
        """Milliseconds spent in each node, over all its executions."""
        return {name: stats.total_ms for name, stats in self.node_stats.items()}

    @property
    def node_stats(self) -> dict[str, NodeStats]:
        return _node_stats(self.steps)

    def summary(self) -> str:
        """One line."""
        parts = [
            f"{self.graph_name}: {self.status}",
            _pluralize(len(self.steps), "step"),
            f"{self.total_duration_ms:.1f} ms",
        ]
        if self.errors:
            parts.append(_pluralize(len(self.errors), "error"))
        timing = self.timing
        if len(timing) > 1:
            slowest = max(timing, key=timing.__getitem__)
            parts.append(f"slowest {slowest} ({timing[slowest]:.1f} ms)")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: no values, errors as text."""
        return {
            "graph_name": self.graph_name,
            "run_id": self.run_id,
            "status": self.status,
            "total_duration_ms": self.total_duration_ms,
            "item_index": self.item_index,
            "steps": [step.to_dict() for step in self.steps],
        }

    def __str__(self) -> str:
        rows = [("node", "status", "ms", "")]
        for depth, step in _iter_with_depth(self):
            rows.append(("  " * depth + step.node_name, step.status, f"{step.duration_ms:.3f}", _step_remarks(step)))
        names, states, times = (max(len(row[i]) for row in rows) for i in range(3))
        lines = [f"{name:<{names}}  {status:<{states}}  {ms:>{times}}  {rest}" for name, status, ms, rest in rows]
        return "\n".join([self.summary(), *(f"  {line}".rstrip() for line in lines)])


@dataclass(slots=True)
class MapLog:
    """A map: a log per item, in the order they began."""

    graph_name: str
    run_id: str
    status: str = "running"
    total_duration_ms: float = 0.0
    items: list[RunLog] = field(default_factory=list)

    @property
    def errors(self) -> list[NodeRecord]:
        return [step for item in self.items for step in item.errors]

    @property
    def timing(self) -> dict[str, float]:
        """Milliseconds spent in each node, over all items."""
        return {name: stats.total_ms for name, stats in self.node_stats.items()}

    @property
    def node_stats(self) -> dict[str, NodeStats]:
        return _node_stats(step for item in self.items for step in item.steps)

    def summary(self) -> str:
        """One line."""
        failed = sum(item.status == "failed" for item in self.items)
        parts = [
            f"{self.graph_name}: {self.status}",
            _pluralize(len(self.items), "item"),
            f"{self.total_duration_ms:.1f} ms",
        ]
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: no values, errors as text."""
        return {
            "graph_name": self.graph_name,
            "run_id": self.run_id,
            "status": self.status,
            "total_duration_ms": self.total_duration_ms,
            "items": [item.to_dict() for item in self.items],
        }

    def __str__(self) -> str:
        rows = [("node", "calls", "ms", "ms each", "errors")]
        for name, stats in self.node_stats.items():
            rows.append(
                (name, str(stats.count), f"{stats.total_ms:.3f}", f"{stats.avg_ms:.3f}", str(stats.errors or ""))
            )
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))
            for row in rows
        ]
        return "\n".join([self.summary(), *(f"  {line}".rstrip() for line in lines)])


def _node_stats(steps: Iterator[NodeRecord] | list[NodeRecord]) -> dict[str, NodeStats]:
    found: dict[str, NodeStats] = {}
    for step in steps:
        found.setdefault(step.node_name, NodeStats()).add(step)
    return found


def _iter_with_depth(log: RunLog) -> Iterator[tuple[int, NodeRecord]]:
    """List the steps of a run with those of its nested runs below them; a nested map is not unfolded."""
    stack = [(0, step) for step in reversed(log.steps)]
    while stack:
        depth, step = stack.pop()
        yield depth, step
        for inner in reversed(step.inner):
            if isinstance(inner, RunLog):
                stack.extend((depth + 1, below) for below in reversed(inner.steps))


def _step_remarks(step: NodeRecord) -> str:
    parts = ["cached"] if step.cached else []
    if step.decision is not None:
        parts.append("-> " + (step.decision if isinstance(step.decision, str) else ", ".join(step.decision)))
    parts += [f"({inner.summary()})" for inner in step.inner if isinstance(inner, MapLog)]
    if step.error:
        parts.append(step.error.splitlines()[0])
    return " ".join(parts)


def _pluralize(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
