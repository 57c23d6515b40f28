"""What users write, with types.  Checkers must have nothing to say about it."""

from __future__ import annotations

import asyncio
from typing import assert_type

from holdwater import AsyncRunner, Context, DefaultRunner, RunResult, SyncRunner, WorkflowBuilder, WorkflowRunner, task
from holdwater.graphs import END, FunctionNode, Graph, GraphNode, ifelse, interrupt, node, route
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


@node
def shout(text: str, times: int = 1) -> None:
    print(text.upper() * times)


@node(output_name=("low", "high"))
async def bounds(doubled: int) -> tuple[int, int]:
    return doubled - 1, doubled + 1


@route(["double", END])
def again(high: int) -> str:
    return END if high > 100 else "double"


@ifelse("double", END)
def small(x: int) -> bool:
    return x < 10


@interrupt(answer_name="approved", response_type=bool)
def ask(high: int) -> str:
    return f"is {high} fine?"


# Decorated functions stay functions, with their types.
assert_type(double(2), int)
assert_type(double(x=2), int)
assert_type(shout("a", times=2), None)
assert_type(again(3), str)
assert_type(small(3), bool)
assert_type(ask(3), str)
assert_type(double.with_name("twice").name, str)

inner: Graph = Graph([double], name="inner")
nested: GraphNode = inner.as_node().map_over("x")
graph = Graph([nested, shout])


def one_run() -> int:
    result = SyncRunner().run(inner, {"x": 1})
    assert_type(result, RunResult)
    return int(result["doubled"])


async def many() -> list[int]:
    runner = AsyncRunner(max_concurrency=4)
    result = await runner.run(Graph([double, bounds]), {"x": 1}, select=["low"])
    async with runner.iter(inner, {"x": 1}) as run:
        async for event in run:
            assert_type(event.timestamp, float)
    return [int(result["low"])]


def nodes(one: FunctionNode[[int], int]) -> int:
    return one(3)


def load(ctx: WorkflowContext, config: dict[str, object]) -> StepResult:
    return StepResult.ok(output={"rows": ctx.get_output("extract", "rows", 0)})


steps = Workflow(name="typed", steps=[Step.lambda_("load", load), Step.wait("rest", seconds=0)])


def stepwise() -> str:
    with WorkflowRunner() as runner:
        return runner.execute(steps, params={"a": 1}).status


with WorkflowBuilder("typed_tasks"):

    @task()
    def first(context: Context) -> None:
        context["n"] = nodes(double)

    @task(dependencies=[first], retry_attempts=2)
    def second(context: Context) -> dict[str, int]:
        return {"m": int(context["n"])}


def durable() -> str:
    with DefaultRunner("sqlite:///:memory:") as runner:
        return runner.execute("typed_tasks", {"x": 1}).status


if __name__ == "__main__":
    print(one_run(), asyncio.run(many()), stepwise(), durable())
