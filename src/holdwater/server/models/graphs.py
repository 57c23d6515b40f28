"""Graphs of runs: boxes with states, and arrows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.drawing.marks import MARKS
from holdwater.operations.graphs import RunGraph

State = Literal[
    "pending", "queued", "running", "waiting", "awaiting_input", "paused", "completed", "failed", "skipped",
    "cancelled", "orphaned",
]  # fmt: skip


class ExecutionGraphNode(BaseModel):
    """One task.  `about`: what matters now, in words.  `turn`: of a loop, 0 outside of one.

    `items_done`, `items_total`: of its child runs.
    """

    name: str
    kind: Literal["function", "route", "question", "graph", "wait"] = Field(description="route: a gate, or a choice")
    state: State
    word: str = Field(examples=["Completed"])
    about: str = Field(examples=["attempt 2 of 3, 1.20 s"])
    items_done: int
    items_total: int
    turn: int


class GraphEdge(BaseModel):
    """An arrow; one to "END" leads to the end of the run.

    `label`: the decision or the outcomes that take it.  `state`: taken, or faded as a way that is not gone any more.
    """

    source: str
    target: str
    kind: Literal["data", "control", "ordering"]
    label: str
    names: list[str] = Field(description="the values it carries")
    state: Literal["", "taken", "faded"]


class ExecutionGraph(BaseModel):
    """The graph of a run with the states of its tasks.  `counts`: of tasks by state."""

    tenant_id: str
    execution_id: str
    structure: str
    counts: dict[str, int]
    nodes: list[ExecutionGraphNode]
    edges: list[GraphEdge]

    @classmethod
    def of(cls, tenant_id: str, execution_id: str, graph: RunGraph) -> ExecutionGraph:
        """Create it from the graph of a run."""
        states = graph.state.boxes
        nodes = [
            ExecutionGraphNode(
                name=key,
                kind=box.kind,
                state=states[key].mark,
                word=MARKS[states[key].mark].word,
                about=states[key].about,
                items_done=states[key].done,
                items_total=states[key].total,
                turn=states[key].turn,
            )
            for key, box in graph.picture.boxes.items()
            if key in states
        ]
        edges = [
            GraphEdge(
                source=arrow.source,
                target=arrow.target,
                kind=arrow.kind,
                label=arrow.label,
                names=list(arrow.names),
                state=graph.state.arrow_state(arrow),
            )
            for arrow in graph.picture.arrows
        ]
        return cls(
            tenant_id=tenant_id,
            execution_id=execution_id,
            structure=graph.structure,
            counts={str(mark): count for mark, count in graph.state.counts().items()},
            nodes=nodes,
            edges=edges,
        )
