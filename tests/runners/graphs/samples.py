"""Graphs that several tests use, and who listens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from holdwater.events import EventProcessor
from holdwater.events.types import BaseEvent
from holdwater.graphs import END, Graph, InterruptNode, node, route

T = TypeVar("T")


def run_with_timeout(coroutine: Coroutine[Any, Any, T], timeout_seconds: float = 20.0) -> T:
    """Run to the end in a loop of its own; a deadlock fails instead of hanging."""

    async def limited() -> T:
        async with asyncio.timeout(timeout_seconds):
            return await coroutine

    return asyncio.run(limited())


class RecordingProcessor(EventProcessor):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[BaseEvent] = []
        self.shutdowns = 0

    def on_event(self, event: BaseEvent) -> None:
        self.events.append(event)

    def shutdown(self) -> None:
        self.shutdowns += 1

    @property
    def event_names(self) -> list[str]:
        """Class and node of each event, shortly: `NodeStart double`."""
        return [f"{type(e).__name__.removesuffix('Event')} {getattr(e, 'node_name', '')}".strip() for e in self.events]

    def of_type(self, event_type: type[BaseEvent]) -> list[Any]:
        return [event for event in self.events if type(event) is event_type]


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def add(doubled: int, y: int = 1) -> int:
    return doubled + y


def small_graph() -> Graph:
    """x -> doubled -> total, with y added."""
    return Graph([double, add], name="small")


def counter_graph(limit: int = 3) -> Graph:
    """A loop of two nodes and a gate."""

    @node(output_name="n")
    def bump(m: int) -> int:
        return m + 1

    @node(output_name="m")
    def keep(n: int) -> int:
        return n

    @route(["bump", END])
    def more(m: int) -> Any:
        return "bump" if m < limit else END

    return Graph([bump, keep, more], name="counter")


@node(output_name="draft")
def write(topic: str) -> str:
    return f"about {topic}"


@node(output_name="final")
def publish(draft: str, verdict: str) -> str:
    return f"{draft}: {verdict}"


def review_graph() -> Graph:
    """topic -> draft -> a person's verdict -> final."""
    return Graph([write, InterruptNode("ask", "draft", "verdict", str), publish], name="reviewed")
