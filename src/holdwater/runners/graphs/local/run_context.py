"""What a run has besides its graph and inputs, and what it hands down to the graphs nested in it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from holdwater.runners.graphs.local.error_location import locate_item
from holdwater.runners.graphs.local.pending_inputs import Desk, PauseInfo

if TYPE_CHECKING:
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.node_call import Memo
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.event_sinks import Outlet
    from holdwater.runners.graphs.local.spans import Watch

Handler = Callable[[Any], Any]
"""takes what an interrupt shows and returns the answer, or an awaitable of it"""


class Capabilities(Protocol):
    """What nesting wants to know of a runner."""

    @property
    def returns_coroutine(self) -> bool: ...


class GraphRunner(Protocol):
    """A runner, as far as the graphs it runs know it."""

    @property
    def capabilities(self) -> Capabilities: ...

    def run_inside(self, node: GraphNode, inputs: dict[str, Any], setting: Setting) -> Ending | Awaitable[Ending]:
        """Run the graph of a node, once or per item, with the node's inputs; awaitable if the capabilities say so."""
        ...


class Above(Protocol):
    """Who waits for a nested graph in the same loop."""

    def rests(self) -> None:
        """The nested graph has nothing left but questions."""

    def wakes(self) -> None:
        """It has been answered."""


class Detached:
    """Above a nested graph that shares no loop with the outer one, and above the outermost."""

    def rests(self) -> None:
        pass

    def wakes(self) -> None:
        pass


@dataclass(slots=True)
class Ending:
    """How a run of a graph came to rest.  `pauses`: what it waits for; `iterations`: supersteps of its loops.

    `item_index`: of the item of a map that did not complete.
    """

    outputs: dict[str, Any]
    error: BaseException | None = None
    pauses: tuple[PauseInfo, ...] = ()
    iterations: int = 0
    item_index: int | None = None

    def of_item(self, index: int) -> Ending:
        """That of an item of a map: its error says which one, if it has one."""
        if self.error is not None or self.pauses:
            self.item_index = index
            if self.error is not None:
                locate_item(self.error, index)
        return self

    @property
    def status(self) -> str:
        """The value of the run's status."""
        return "failed" if self.error is not None else "paused" if self.pauses else "completed"


@dataclass(slots=True, kw_only=True)
class Setting:
    """One run's surroundings.

    `outlet`: where events go, None if nobody listens; `parent_span`: the span this run is in.  `path`: the nested nodes
    the run is in, with their numbers (`order`).  `answers`: given before the questions, by path of the interrupt; each
    is used once.
    """

    runner: GraphRunner
    memo: Memo | None = None
    outlet: Outlet | None = None
    run_id: str = ""
    workflow_id: str | None = None
    session_id: str | None = None
    parent_span: str | None = None
    item_index: int | None = None
    max_iterations: int | None = None
    path: tuple[GraphNode, ...] = ()
    order: tuple[int, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    desk: Desk = field(default_factory=lambda: Desk(live=False))
    above: Above = field(default_factory=Detached)
    stem: str = ""
    """the pause ids of this run begin with it"""

    def watch(self, graph: Graph) -> Watch | None:
        """Who listens to a run of this graph."""
        if self.outlet is None:
            return None
        from holdwater.runners.graphs.local.spans import Watch

        return Watch(self, self.outlet, graph.name)

    def inside(self, node: GraphNode, number: int, span_id: str | None, runner: GraphRunner, above: Above) -> Setting:
        """The surroundings of a graph nested in this run."""
        return replace(
            self,
            runner=runner,
            parent_span=span_id,
            item_index=None,
            path=(*self.path, node),
            order=(*self.order, number),
            above=above,
            stem=f"{self.stem}{node.name}/",
        )

    def item(self, index: int, map_span: str | None) -> Setting:
        """The surroundings of one item of a map."""
        return replace(
            self,
            parent_span=map_span,
            item_index=index,
            order=(*self.order, index),
            stem=f"{self.stem}{index}/",
        )


def new_run_id() -> str:
    """32 hex digits."""
    return os.urandom(16).hex()
