"""Progress of runs as a tree of bars, one per run, nested graph and map; without display and clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from holdwater.events.open_spans import OpenSpans
from holdwater.events.processors import TypedEventProcessor
from holdwater.events.types import (
    BaseEvent,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RunEndEvent,
    RunStartEvent,
)
from holdwater.model.error_report import describe_error


@dataclass(slots=True, eq=False)
class Bar:
    """Counts nodes, or items of a map.  A nested graph that runs again, in a loop or for another item, adds to it."""

    label: str
    unit: str
    depth: int = 0
    total: int | None = 0
    """None: not known"""
    done: int = 0
    calls: int = 0
    """executions of nodes; more than `done` where a loop comes back to one"""
    failed: int = 0
    active_runs: int = 0
    """runs under way that count here"""
    started: float | None = None
    ended: float | None = None
    status: str = "running"
    last_error: str = ""
    children: dict[str, Bar] = field(default_factory=dict)

    def start_run(self, total: int | None, now: float) -> None:
        if self.started is None:
            self.started = now
        self.active_runs += 1
        self.ended, self.status = None, "running"
        self.total = None if total is None or self.total is None else self.total + total

    def end_run(self, status: str, now: float) -> None:
        self.active_runs -= 1
        if self.active_runs:
            return
        self.ended, self.status = now, status
        if status == "completed":
            self.total = self.done  # what no branch led to was not to be done

    def walk(self) -> Iterator[Bar]:
        """Iterate over the bar and those under it, in display order."""
        stack = [self]
        while stack:
            bar = stack.pop()
            yield bar
            stack.extend(reversed(tuple(bar.children.values())))


@dataclass(slots=True, eq=False)
class _Run:
    bar: Bar
    root: Bar
    is_item: bool = False
    finished_nodes: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Node:
    name: str
    run: _Run


class ProgressTree(TypedEventProcessor):
    """Follows any number of runs.  `roots` are the bars of outermost runs under way, in the order they began."""

    def __init__(self) -> None:
        self._open_spans: OpenSpans[_Run, _Node] = OpenSpans()
        self._roots: dict[Bar, None] = {}

    @property
    def roots(self) -> tuple[Bar, ...]:
        return tuple(self._roots)

    def update(self, event: BaseEvent) -> Bar | None:
        """Take the event in.  The bar of the outermost run it belongs to, if that is known."""
        before = self._open_spans.run_for(event)
        self.on_event(event)
        run = before or self._open_spans.run_for(event)
        if run is None:
            return None
        if run.root.ended is not None:
            self._roots.pop(run.root, None)
        return run.root

    def on_run_start(self, event: RunStartEvent) -> None:
        around = self._open_spans.enclosing_map(event)
        if around is not None and not event.is_map:
            self._open_spans.begin_run(event, _Run(around.bar, around.root, is_item=True))
            return
        unit = "items" if event.is_map else "nodes"
        node = self._open_spans.enclosing_node(event)
        if node is None:
            bar = root = Bar(event.graph_name or "graph", unit)
            self._roots[root] = None
        else:
            parent, root = node.run.bar, node.run.root
            bar = parent.children.setdefault(node.name, Bar(node.name, unit, parent.depth + 1))
        bar.start_run(event.map_size if event.is_map else event.node_count, event.timestamp)
        self._open_spans.begin_run(event, _Run(bar, root))

    def on_node_start(self, event: NodeStartEvent) -> None:
        run = self._open_spans.run_for(event)
        if run is not None:
            self._open_spans.begin_node(event, _Node(event.node_name, run))

    def on_node_end(self, event: NodeEndEvent) -> None:
        self._finish_node(event)

    def on_node_error(self, event: NodeErrorEvent) -> None:
        if event.will_retry:
            retried = self._open_spans.end_node(event)
            if retried is not None and not retried.run.is_item:
                retried.run.bar.calls += 1
            return
        node = self._finish_node(event)
        if node is not None:
            node.run.bar.failed += not node.run.is_item
            node.run.root.last_error = f"{event.node_name}: {describe_error(event.error)}"

    def on_interrupt(self, event: InterruptEvent) -> None:
        self._open_spans.end_node(event)

    def on_run_end(self, event: RunEndEvent) -> None:
        run, _ = self._open_spans.end_run(event)
        if run is None:
            return
        if run.is_item:
            run.bar.done += 1
            run.bar.failed += event.status == "failed"
        else:
            run.bar.end_run(event.status, event.timestamp)

    def _finish_node(self, event: NodeEndEvent | NodeErrorEvent) -> _Node | None:
        node = self._open_spans.end_node(event)
        if node is not None and not node.run.is_item:
            node.run.bar.calls += 1
            if node.name not in node.run.finished_nodes:
                node.run.finished_nodes.add(node.name)
                node.run.bar.done += 1
        return node
