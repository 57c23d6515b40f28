# mypy: ignore-errors
"""A support desk, written for the library "hypergraph" with the modules below its name.  Prints a line per finding."""

import asyncio
import pathlib
import sys
from dataclasses import dataclass

from hypergraph import NodeContext
from hypergraph.cache import InMemoryCache
from hypergraph.checkpointers.base import CheckpointPolicy
from hypergraph.checkpointers.sqlite import SqliteCheckpointer
from hypergraph.checkpointers.types import StepStatus, WorkflowStatus
from hypergraph.events.processor import TypedEventProcessor
from hypergraph.events.types import StreamingChunkEvent
from hypergraph.exceptions import InputOverrideRequiresForkError, WorkflowAlreadyCompletedError
from hypergraph.graph import Graph
from hypergraph.nodes.function import node
from hypergraph.nodes.gate import END, ifelse, route
from hypergraph.nodes.interrupt import interrupt
from hypergraph.runners import RunStatus
from hypergraph.runners.async_.runner import AsyncRunner
from hypergraph.runners.sync import SyncRunner


@dataclass
class Ticket:
    id: int
    text: str


@dataclass
class Approval:
    prompt: str
    options: tuple = ("send", "redo")
    evidence: tuple = ()
    answer_type = str


@node(output_name="category", cache=True)
def classify(ticket: Ticket) -> str:
    return "billing" if "invoice" in ticket.text else "other"


@route(targets={"billing": "money", "tech": "machines", END: "nothing"}, fallback="tech")
def dispatch(category: str) -> str | None:
    return category if category == "billing" else None


@node(output_name="answer")
def billing(ticket: Ticket) -> str:
    return f"refund {ticket.id}"


@node(output_name="answer")
async def tech(ticket: Ticket, ctx: NodeContext, greeting: str = "hi") -> str:
    for word in (greeting, "reboot"):
        ctx.stream(word)
    return f"{greeting}, reboot"


@node(output_name="draft")
def write(topic: str, feedback: str = "") -> str:
    return f"{topic}{'!' if feedback else ''}"


@interrupt(answer_name="feedback")
def review(draft: str) -> Approval:
    return Approval(prompt=f"ok? {draft}")


@ifelse(when_true=END, when_false="write")
def good(feedback: str) -> bool:
    return feedback == "send"


class Trace(TypedEventProcessor):
    def __init__(self):
        self.lines = []

    def on_run_start(self, event):
        self.lines.append(f"start {event.graph_name} {event.is_resume}")

    def on_node_end(self, event):
        self.lines.append(event.node_name)

    def on_route_decision(self, event):
        self.lines.append(f"{event.node_name} -> {event.decision}")

    def on_streaming_chunk(self, event):
        self.lines.append(f"chunk {event.chunk}")

    def on_interrupt(self, event):
        self.lines.append(f"{event.node_name} asks")

    def on_run_end(self, event):
        self.lines.append(f"end {event.status}")


desk = Graph([classify, dispatch, billing, tech], name="desk")
letters = Graph([write, review, good], name="letters", entrypoint="write")


async def main():
    trace = Trace()
    runner = AsyncRunner(cache=InMemoryCache(max_size=10), event_processors=[trace])
    result = await runner.run(desk, ticket=Ticket(1, "my invoice"))
    print("run", result.status == "completed", result.values, result.checkpoint_ok, result.failure)
    await runner.run(desk, {"ticket": Ticket(2, "broken")})
    print("events", *trace.lines, sep="; ")
    mapped = await runner.map(desk, {"ticket": [Ticket(1, "invoice"), Ticket(2, "x")]}, map_over="ticket")
    print(
        "map",
        mapped["answer"],
        mapped["category"],
        mapped.requested_count,
        mapped.graph_name,
        mapped.to_dict()["status"],
    )
    async with AsyncRunner().iter(desk, {"ticket": Ticket(3, "x")}, buffer_size=64) as handle:
        print("chunks", [event.chunk async for event in handle if isinstance(event, StreamingChunkEvent)])
        print("result", (await handle.result(raise_on_failure=True))["answer"], handle.result["answer"])

    trace.lines.clear()
    path = pathlib.Path("letters.db")
    async with SqliteCheckpointer(path, policy=CheckpointPolicy(durability="sync", retention="full")) as kept:
        runner = AsyncRunner(checkpointer=kept, event_processors=[trace])
        result = await runner.run(letters, {"topic": "a"}, workflow_id="l-1")
        print("asks", result.status is RunStatus.PAUSED, result.pause.node_name, result.pause.value.options)
        result = await runner.run(letters, {result.pause.response_key: "redo"}, workflow_id="l-1")
        print(
            "again", result.paused, result["draft"], (await kept.get_run_async("l-1")).status is WorkflowStatus.PAUSED
        )
    kept = SqliteCheckpointer(path)
    runner = AsyncRunner(checkpointer=kept, event_processors=[trace])
    result = await runner.run(letters, feedback="send", workflow_id="l-1")
    print("sent", result.values)
    print("events", *trace.lines, sep="; ")
    run = kept.get_run("l-1")
    print("record", run.status.name, run.status == "completed", run.graph_name, run.duration_ms > 0, run.parent_run_id)
    steps = await kept.get_steps("l-1")
    print(
        "steps",
        [(step.superstep, step.node_name) for step in steps],
        {step.status for step in steps} == {StepStatus.COMPLETED},
    )
    try:
        result = await runner.run(letters, {"topic": "b"}, workflow_id="l-1")
        print("goes on", result.paused, result["draft"])
    except (WorkflowAlreadyCompletedError, InputOverrideRequiresForkError):
        print("refused")
    await kept.close()


asyncio.run(main())
print("sync", SyncRunner().run(Graph([classify]), ticket=Ticket(4, "x"))["category"])
sys.exit(3)
