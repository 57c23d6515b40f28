# mypy: ignore-errors
"""A text that a person has to approve, written for the library "hypergraph" and nothing else.

Usage: review.py DATABASE [ANSWER].  The first process asks, the second one answers.
"""

import asyncio
import sys
from dataclasses import dataclass, field

from hypergraph import (
    END,
    AsyncRunner,
    CheckpointPolicy,
    Graph,
    InterruptNode,
    RunStatus,
    SqliteCheckpointer,
    interrupt,
    node,
    route,
)
from hypergraph.checkpointers import JsonSerializer, StepStatus, WorkflowStatus


@dataclass
class Question:
    prompt: str
    options: tuple = ("yes", "no")
    evidence: tuple = field(default=())
    answer_type = str


@node(output_name="draft")
def write(topic: str, verdict: str = "") -> str:
    print("writing", topic, verdict)
    return f"{topic} {verdict}".strip()


@interrupt(answer_name="verdict")
def approve(draft: str) -> Question:
    return Question(f"is {draft!r} fine?")


@route(["write", "publish"])
def decide(verdict: str) -> str:
    return "publish" if verdict == "yes" else "write"


@node(output_name="published")
def publish(draft: str) -> str:
    return draft.upper()


graph = Graph([write, approve, decide, publish], name="review", entrypoint="write")


async def main(path: str, *answers: str) -> int:
    checkpointer = SqliteCheckpointer(path, serializer=JsonSerializer(), policy=CheckpointPolicy(durability="sync"))
    runner = AsyncRunner(checkpointer=checkpointer)
    values = {"verdict": answers[0]} if answers else {"topic": "rain"}
    result = await runner.run(graph, values, workflow_id="review-1")
    print("status", result.status is RunStatus.PAUSED, result.paused, result.workflow_id)
    if result.pause:
        print("pause", result.pause.node_name, result.pause.response_key, result.pause.value.prompt)
    else:
        print("published", result["published"])
    steps = await checkpointer.get_steps("review-1")
    print("steps", [step.node_name for step in steps if step.status == StepStatus.COMPLETED])
    print("state", (await checkpointer.get_state("review-1"))["draft"], checkpointer.values("review-1", "topic"))
    run = checkpointer.get_run("review-1")
    print("run", run.status == (WorkflowStatus.PAUSED if result.paused else WorkflowStatus.COMPLETED), run.graph_name)
    print("runs", [run.id for run in checkpointer.runs()], await checkpointer.count_runs())
    checkpointer.close()
    return 0 if result.completed else 3


assert isinstance(approve, InterruptNode)
assert END != "END"
if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
