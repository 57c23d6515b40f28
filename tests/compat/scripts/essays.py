# mypy: ignore-errors
"""What goes into a school paper, written for the library "hypergraph" and nothing else.  Prints a line per finding."""

import asyncio
import sys
import tempfile

from hypergraph import (
    END,
    AsyncRunner,
    CacheHitEvent,
    DiskCache,
    EventProcessor,
    FunctionNode,
    Graph,
    GraphConfigError,
    HyperNode,
    IncompatibleRunnerError,
    InfiniteLoopError,
    InMemoryCache,
    MissingInputError,
    RetryPolicy,
    RunLog,
    RunStatus,
    SyncRunner,
    TypedEventProcessor,
    ifelse,
    node,
    route,
)
from hypergraph.cache import CacheBackend
from hypergraph.events import BaseEvent, NodeEndEvent, StreamingChunkEvent, SuperstepStartEvent
from hypergraph.exceptions import ExecutionError, RenameError
from hypergraph.graph import InputSpec
from hypergraph.nodes import GraphNode
from hypergraph.runners import RunnerCapabilities

# -- a graph without decisions


@node(output_name="clean")
def tidy(text: str) -> str:
    return " ".join(text.split())


@node(output_name=("words", "letters"))
def count(clean: str) -> tuple[int, int]:
    return len(clean.split()), len(clean)


@node(output_name="line")
def report(clean: str, words: int, letters: int, unit: str = "letters") -> str:
    return f"{clean}: {words} words, {letters} {unit}"


essay = Graph([tidy, count, report], name="essay")
runner = SyncRunner()
result = runner.run(essay, {"text": " to  be or "})
print("dag", result["line"], result.status is RunStatus.COMPLETED, result.completed)
print("values", result.values["line"] == result.outputs["line"], list(result.values))
print("keywords", runner.run(essay, text="a b", unit="signs")["line"], runner.run(essay, values={"text": "c"})["line"])
print("select", runner.run(essay.select("words"), {"text": "a b"}).values)
print("bind", essay.bind(unit="x").inputs.required, essay.inputs.optional, isinstance(essay.inputs, InputSpec))
print("called as a function", tidy(" a  b "), isinstance(tidy, HyperNode), isinstance(tidy, FunctionNode))
print("log", isinstance(result.log, RunLog), [step.node_name for step in result.log.steps], result.log.errors)
print("positional", node(lambda text: text.upper(), "loud").outputs)

many = runner.map(essay, {"text": ["a", "b b"], "unit": "signs"}, map_over="text")
print("map", many["line"], [item["line"] for item in many] == many["line"], len(many.results), many.status)
print("map log", len(many.log.items))

# -- a loop with a gate


@node(output_name="draft")
def improve(draft: str) -> str:
    return draft + "!"


@route(["improve", END], default_open=True)
def good_enough(draft: str) -> str:
    return END if draft.endswith("!!!") else "improve"


loop = Graph([improve, good_enough], entrypoint="improve")
print("loop", runner.run(loop, {"draft": "x"})["draft"], loop.has_cycles, loop.entrypoints_config)
try:
    runner.run(loop, {"draft": "x"}, max_iterations=1)
except InfiniteLoopError as error:
    print("endless", error.max_iterations)


@ifelse(when_true="shout", when_false="whisper")
def is_short(text: str) -> bool:
    return len(text) < 3


@node(output_name="said")
def shout(text: str) -> str:
    return text.upper()


@node(output_name="said")
def whisper(text: str) -> str:
    return text.lower()


choice = Graph([is_short, shout, whisper])
print("ifelse", [runner.run(choice, text=text)["said"] for text in ("Ab", "Abc")])

# -- graphs in graphs


@node(output_name="total")
def add_up(counts: list[int]) -> int:
    return sum(counts)


pages = essay.as_node(name="pages").map_over("text").rename_outputs(words="counts").rename_inputs(text="texts")
book = Graph([pages, add_up], name="book")
print(
    "nested", runner.run(book, {"texts": ["a b", "c"]})["total"], isinstance(pages, GraphNode), pages.map_config.params
)
print("nested log", [log.graph_name for step in runner.run(book, {"texts": ["a"]}).log.steps for log in step.inner])

# -- a cache

spent = {"n": 0}


class Meter(EventProcessor):
    def on_event(self, event: BaseEvent) -> None:
        spent["n"] += isinstance(event, NodeEndEvent) and not event.cached


@node(output_name="vector", cache=True)
def embed(text: str) -> list[int]:
    return [ord(letter) for letter in text]


for cache in (InMemoryCache(max_size=10), DiskCache(cache_dir=tempfile.mkdtemp())):
    cached = SyncRunner(cache=cache)
    spent["n"] = 0
    for text in ("a", "b", "a"):
        cached.run(Graph([embed]), {"text": text}, event_processors=[Meter()])
    print("cache", spent["n"], isinstance(cache, CacheBackend))

# -- events


class Ear(TypedEventProcessor):
    def __init__(self) -> None:
        self.heard = []

    def on_run_start(self, event):
        self.heard.append("start")

    def on_node_end(self, event):
        self.heard.append(event.node_name)

    def on_cache_hit(self, event: CacheHitEvent):
        self.heard.append("hit")

    def on_superstep_start(self, event: SuperstepStartEvent):
        raise AssertionError("there are none")

    def on_run_end(self, event):
        self.heard.append("end")

    def shutdown(self):
        self.heard.append("over")


def length(of: list[int]) -> int:
    return len(of)


ear = Ear()
measure = FunctionNode(length, "measure", "size", rename_inputs={"of": "vector"})
cached.run(Graph([embed, measure]), text="a", event_processors=[ear])
print("events", *ear.heard)


# -- in a loop


@node(output_name="late")
async def later(clean: str) -> str:
    await asyncio.sleep(0)
    return clean


@node(output_name="chunks")
async def stream(late: str):
    for word in late.split():
        yield word


attempts = []


@node(output_name="sure", retry=RetryPolicy(max_attempts=3, retry_on=(OSError,), initial_delay=0.001, jitter="none"))
def flaky(clean: str) -> str:
    attempts.append(clean)
    if len(attempts) < 3:
        raise OSError("not yet")
    return clean


async def main() -> None:
    graph = Graph([tidy, later, stream, flaky])
    result = await AsyncRunner(max_concurrency=2).run(graph, {"text": " to  be "}, max_concurrency=4)
    print("async", result["chunks"], result["sure"], len(attempts), result.log.summary() != "")
    async with AsyncRunner().iter(graph, {"text": "to be"}) as run:
        chunks = [event.chunk async for event in run if isinstance(event, StreamingChunkEvent)]
    print("iter", chunks, run.result.values["chunks"])
    mapped = await AsyncRunner().map(graph, {"text": ["a", "b"]}, map_over="text")
    print("async map", mapped["chunks"], mapped.summary())
    print("all outputs", sorted(result.values), len(result.values()))
    failed = await AsyncRunner().run(Graph([broken]), {"text": "x"}, error_handling="continue")
    print("continue", failed.status, failed.failed, failed.error, failed.to_dict()["error"])


@node(output_name="y")
def broken(text: str) -> str:
    raise ValueError("mine")


asyncio.run(main())

# -- errors

for attempt in (
    lambda: runner.run(essay, {}),
    lambda: runner.run(Graph([later]), {"clean": "x"}),
    lambda: Graph([tidy, tidy]),
    lambda: tidy.rename_inputs(nothing="x"),
    lambda: runner.run(Graph([broken]), {"text": "x"}),
):
    try:
        attempt()
    except (
        MissingInputError,
        IncompatibleRunnerError,
        GraphConfigError,
        RenameError,
        ExecutionError,
        ValueError,
    ) as error:
        print("error", type(error).__name__)
print("capabilities", runner.capabilities == RunnerCapabilities())
print("drawn", str(essay.to_mermaid(separate_outputs=True)).splitlines()[0])
sys.exit(3)
