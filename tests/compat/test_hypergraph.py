"""The room for code of "hypergraph": its names, what is translated, and whole scripts."""

from __future__ import annotations

import asyncio
import importlib
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdwater
from holdwater import caching, errors, graphs
from holdwater import checkpointers as our_checkpointers
from holdwater import events as our_events
from holdwater.checkpointers import Checkpointer, SqliteCheckpointer
from holdwater.compat import hypergraph, install
from holdwater.compat.hypergraph import cache, checkpointers, events, exceptions, nodes, runners, unsupported
from holdwater.errors import RunInProgress, StructureChanged
from holdwater.events import RunStartEvent
from holdwater.runners import graphs as graph_runners
from tests.compat.test_install import run

SCRIPTS = Path(__file__).parent / "scripts"
HOMES = (graph_runners, graphs, our_events, caching, our_checkpointers, errors, holdwater)

ROOT = """
node route ifelse interrupt END FunctionNode GraphNode GateNode IfElseNode RouteNode InterruptNode HyperNode
GraphNodeMapExecutionConfig Graph InputSpec GraphConfigError RenameError SyncRunner AsyncRunner DaftRunner BaseRunner
SyncHandle AsyncHandle RunResult MapResult RunStatus PauseInfo FailureEvidence RunLog MapLog NodeRecord NodeStats
InspectionDisplay ErrorHandling CacheBackend InMemoryCache DiskCache Checkpointer CheckpointPolicy SqliteCheckpointer
RetryPolicy RetryAfterError ProcessLocalLimiter NodeContext NodeSpanRef current_node_span set_display_mode
get_display_mode MissingInputError InfiniteLoopError IncompatibleRunnerError ExecutionError
WorkflowAlreadyCompletedError WorkflowAlreadyRunningError WorkflowStoppedError WorkflowForkError
InputOverrideRequiresForkError GraphChangedError RetryPolicyChangedError CompactedRetentionError AttemptTimeoutError
RetryWindowExpiredError AttemptOutcomeUnknownError BaseEvent RunStartEvent RunEndEvent SuperstepStartEvent
NodeStartEvent NodeEndEvent NodeErrorEvent StreamingChunkEvent CacheHitEvent RouteDecisionEvent InterruptEvent
StopRequestedEvent NodeAttemptStartEvent NodeAttemptEndEvent InnerCacheEvent EventProcessor AsyncEventProcessor
TypedEventProcessor EventDispatcher RichProgressProcessor OpenTelemetryProcessor
""".split()  # noqa: SIM905
SEED = """
Graph SyncRunner AsyncRunner BaseRunner RunnerCapabilities RunResult RunStatus PauseInfo PauseReason RunHandle
MemoryCache DiskCache Checkpointer Event GraphConfigError ConflictError MissingInputError InfiniteLoopError
IncompatibleRunnerError
""".split()  # noqa: SIM905
TRANSLATED = {
    "AsyncRunner", "DaftRunner", "DiskCache", "Graph", "InterruptNode", "MapResult", "RetryPolicy", "RunResult",
    "SqliteCheckpointer", "SyncRunner", "node", "MemoryCheckpointer",
}  # fmt: skip
STUBS = [
    name
    for name, found in vars(unsupported).items()
    if "Not in this version" in str(getattr(found, "__doc__", "")) or type(found).__name__ == "Refusing"
]


@pytest.fixture
def installed() -> Iterator[None]:
    """The original's names lead to the room, for one test."""

    def forget() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "hypergraph"}

    before = forget()
    assert install("hypergraph") == ("hypergraph",)
    yield
    forget()
    sys.modules.update(before)


# -- names


@pytest.mark.parametrize("name", sorted({*ROOT, *SEED}))
def test_every_name_is_there(name: str) -> None:
    assert name in hypergraph.__all__
    found = getattr(hypergraph, name)
    if name not in TRANSLATED:
        assert found is next((getattr(home, name) for home in HOMES if hasattr(home, name)), found)


def test_what_is_translated_is_holdwaters_underneath() -> None:
    for name in TRANSLATED - {"node", "InterruptNode"}:
        ours = next(getattr(home, name) for home in HOMES if hasattr(home, name))
        assert issubclass(getattr(hypergraph, name), ours)


@pytest.mark.parametrize("name", ["nodes", "graph", "runners", "events", "checkpointers", "exceptions", "cache"])
def test_modules_of_the_original(name: str, installed: None) -> None:
    module = importlib.import_module(f"hypergraph.{name}")
    assert module is importlib.import_module(f"holdwater.compat.hypergraph.{name}")
    for public in module.__all__:
        assert getattr(module, public) is getattr(hypergraph, public, getattr(module, public))


@pytest.mark.parametrize("name", STUBS)
def test_what_is_absent_says_what_takes_its_place(name: str) -> None:
    with pytest.raises(hypergraph.NotInThisVersion, match=name) as caught:
        getattr(unsupported, name)("anything", at="all")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("of", "methods"),
    [
        (hypergraph.SyncRunner(), unsupported.UnsupportedRunnerMethods),
        (hypergraph.AsyncRunner(), unsupported.UnsupportedRunnerMethods),
        (hypergraph.Graph([]), unsupported.UnsupportedGraphMethods),
        (checkpointers.MemoryCheckpointer(), unsupported.UnsupportedCheckpointerMethods),
    ],
)
def test_absent_methods(of: Any, methods: type) -> None:
    for name in [name for name in vars(methods) if not name.startswith("_")]:
        with pytest.raises(hypergraph.NotInThisVersion, match=name):
            getattr(of, name)("anything", at="all")


def test_a_stand_in_goes_when_holdwater_has_the_thing() -> None:
    assert not {name for name in STUBS for home in HOMES if hasattr(home, name)}, "delete these from absent"
    for methods, kind in (
        (unsupported.UnsupportedRunnerMethods, holdwater.AsyncRunner),
        (unsupported.UnsupportedGraphMethods, holdwater.Graph),
        (unsupported.UnsupportedCheckpointerMethods, Checkpointer),
    ):
        assert not {name for name in vars(methods) if not name.startswith("_") and hasattr(kind, name)}


def test_hosts_and_diagnostics() -> None:
    for name in ("HostClient", "DiagnosticSink"):
        with pytest.raises(hypergraph.NotInThisVersion, match=name):
            getattr(hypergraph, name)()
    with pytest.raises(AttributeError):
        hypergraph.NoSuchThing


def test_errors_that_never_come_can_be_caught() -> None:
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), Exception)
    assert exceptions.WorkflowAlreadyRunningError is RunInProgress
    assert exceptions.GraphChangedError is StructureChanged


def test_events_that_never_come() -> None:
    assert not isinstance(RunStartEvent(run_id="r"), events.SuperstepStartEvent)


# -- what is translated


def double(x: int) -> int:
    return 2 * x


def test_nodes() -> None:
    made = hypergraph.node(double, "y", trace_io=True)
    assert isinstance(made, graphs.FunctionNode)
    assert made.outputs == hypergraph.node(output_name="y")(double).outputs == ("y",)
    with pytest.raises(hypergraph.NotInThisVersion, match="provider_limit"):
        hypergraph.node(double, "y", provider_limit="openai")


def test_both_forms_of_interrupts() -> None:
    make: Any = hypergraph.InterruptNode
    shown = make(double, "ask", answer_name="answer")
    named = make(double, name="ask", answer_name="answer")
    declared = make("ask", "x", "answer", int)
    by_names = make(name="ask", input_param="x", response_param="answer", response_type=int)
    source = make(source=double, name="ask", answer_name="answer")
    for made in (
        shown,
        named,
        declared,
        by_names,
        source,
        hypergraph.interrupt(answer_name="answer")(double).with_name("ask"),
    ):
        assert isinstance(made, graphs.InterruptNode)
        assert isinstance(made, hypergraph.InterruptNode)
        assert (made.name, made.inputs, made.answer_name) == ("ask", ("x",), "answer")
    assert declared.response_type is by_names.response_type is int
    assert issubclass(graphs.InterruptNode, nodes.InterruptNode)
    assert not isinstance(hypergraph.node(double, "y"), hypergraph.InterruptNode)
    for wrong in ({}, {"name": "ask"}, {"source": double}, {"source": double, "answer_name": 7}):
        with pytest.raises(TypeError):
            make(**wrong)
    with pytest.raises(TypeError, match="name"):
        make(double)


def test_maps_are_recorded_under_a_workflow_id() -> None:
    graph = hypergraph.Graph([hypergraph.node(double, "y")])
    with checkpointers.MemoryCheckpointer() as kept:
        results = hypergraph.SyncRunner(checkpointer=kept).map(graph, {"x": [1]}, map_over="x", workflow_id="m")
        assert (results["y"], results.restored_count) == ([2], 0)
        runner = hypergraph.AsyncRunner(checkpointer=kept)
        results = asyncio.run(runner.map(graph, {"x": [1, 2]}, map_over="x", workflow_id="m"))
        assert (results["y"], results.restored_count, results.completed) == ([2, 4], 1, True)
        assert hypergraph.SyncRunner().map(graph, {"x": [1]}, map_over="x", workflow_id=None)["y"] == [2]


def test_graphs() -> None:
    graph = hypergraph.Graph([hypergraph.node(double, "y")], name="g", trace_io=True).with_trace_io()
    assert isinstance(graph.bind(x=1), hypergraph.Graph)
    assert (graph.entrypoints_config, graph.default_event_processors) == (None, ())
    assert "double" in str(graph.to_mermaid(simplify=False, colors={}))
    assert "<svg" in graph.visualize(separate_outputs=True, show_bounded_inputs=True).svg
    assert isinstance(graph.as_node(name="inner"), hypergraph.GraphNode)
    with pytest.raises(hypergraph.NotInThisVersion, match="complete_on_stop"):
        graph.as_node(complete_on_stop=True)
    with pytest.raises(hypergraph.NotInThisVersion, match="nx_graph"):
        graph.nx_graph


@pytest.mark.parametrize("option", unsupported.UNSUPPORTED_OPTIONS)
def test_options_that_are_refused(option: str) -> None:
    graph = hypergraph.Graph([hypergraph.node(double, "y")])
    runner = hypergraph.SyncRunner()
    assert runner.run(graph, {"x": 1}, **{option: None})["y"] == 2
    with pytest.raises(hypergraph.NotInThisVersion, match=option):
        runner.run(graph, {"x": 1}, **{option: "r"})
    with pytest.raises(hypergraph.NotInThisVersion, match=option):
        asyncio.run(hypergraph.AsyncRunner().run(graph, {"x": 1}, **{option: "r"}))


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    graph = hypergraph.Graph([hypergraph.node(double, "y")], name="doubling")
    hypergraph.SyncRunner(show_progress=True).run(graph, {"x": 1})
    assert "doubling: 100 %" in capsys.readouterr().err
    hypergraph.SyncRunner(show_progress=True).run(graph, {"x": 1}, show_progress=False)
    assert capsys.readouterr().err == ""
    asyncio.run(hypergraph.AsyncRunner().map(graph, {"x": [1]}, map_over="x", show_progress=True))
    assert "doubling" in capsys.readouterr().err


def test_results_of_maps() -> None:
    def fail_at_two(x: int) -> int:
        if x == 2:
            raise ValueError("two")
        return x

    graph = hypergraph.Graph([hypergraph.node(fail_at_two, "y")])
    results = hypergraph.SyncRunner().map(graph, {"x": [1, 2]}, map_over="x", error_handling="continue")
    assert (results.partial, results.failed, results.paused, results.any_failed) == (True, False, False, True)
    assert [result.log.status for result in results.results] == ["completed", "failed"]  # type: ignore[attr-defined]
    assert results.log is not None
    assert results.summary() == "partial: 2 items, 1 failed"
    assert results["y"] == [1, None]
    assert hypergraph.SyncRunner().map(graph, {"x": []}, map_over="x").log is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, holdwater.RetryPolicy(max_attempts=3, jitter=True)),
        ({"jitter": "none", "backoff_multiplier": 3}, holdwater.RetryPolicy(max_attempts=3, factor=3)),
        ({"retry_on": (OSError,)}, holdwater.RetryPolicy(max_attempts=3, retry_on=(OSError,), jitter=True)),
    ],
)
def test_retries(given: dict[str, Any], meant: holdwater.RetryPolicy) -> None:
    policy = hypergraph.RetryPolicy(3, **given)
    for name in holdwater.RetryPolicy.__slots__:
        assert getattr(policy, name) == getattr(meant, name)


def test_retries_that_cannot_be() -> None:
    with pytest.raises(hypergraph.NotInThisVersion, match="retry_window"):
        hypergraph.RetryPolicy(3, retry_window=10)
    with pytest.raises(ValueError, match="max_attempts"):
        hypergraph.RetryPolicy(max_attempts=0)


def test_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.DiskCache().directory == tmp_path / ".cache" / "hypergraph"
    assert cache.DiskCache(tmp_path / "own", size_limit=1 << 20).max_bytes == 1 << 20


def test_checkpointers(tmp_path: Path) -> None:
    with pytest.raises(hypergraph.NotInThisVersion, match="retention"):
        hypergraph.SqliteCheckpointer(tmp_path / "a.db", retention="latest")
    with pytest.raises(hypergraph.NotInThisVersion, match="retention"):
        hypergraph.CheckpointPolicy(retention="windowed", window=3)
    with pytest.raises(ValueError, match="durability"):
        hypergraph.CheckpointPolicy(durability="never")  # type: ignore[arg-type]
    with pytest.raises(hypergraph.NotInThisVersion, match="serializer"):
        hypergraph.SqliteCheckpointer(tmp_path / "a.db", serializer=object())  # type: ignore[arg-type]

    async def read(kept: checkpointers.MemoryCheckpointer) -> None:
        assert await kept.get_state("w") == kept.state("w") == {"x": 1, "y": 2}
        assert [step.status for step in await kept.get_steps("w")] == [checkpointers.StepStatus.COMPLETED]
        assert (await kept.get_checkpoint("w")).values == kept.checkpoint("w").values == {"x": 1, "y": 2}
        run = await kept.get_run_async("w")
        assert run is not None
        assert run.status == checkpointers.WorkflowStatus.COMPLETED
        assert await kept.list_runs() == kept.runs(status=checkpointers.WorkflowStatus.COMPLETED) == [run]
        assert await kept.count_runs(status="failed") == 0
        assert kept.get_workflow("w") == kept.get_run("w") == run
        assert (run.parent_run_id, kept.get_run("other")) == (None, None)
        assert run.duration_ms is not None

    with checkpointers.MemoryCheckpointer(policy=hypergraph.CheckpointPolicy("exit")) as kept:
        graph = hypergraph.Graph([hypergraph.node(double, "y")], name="g")
        assert runners.SyncRunner(checkpointer=kept).run(graph, {"x": 1}, workflow_id="w")["y"] == 2
        asyncio.run(read(kept))


# -- scripts


ESSAYS = [
    "dag to be or: 3 words, 8 letters True True",
    "values True ['clean', 'words', 'letters', 'line']",
    "keywords a b: 2 words, 3 signs c: 1 words, 1 letters",
    "select {'words': 2}",
    "bind ('text',) ('unit',) True",
    "called as a function a b True True",
    "log True ['tidy', 'count', 'report'] []",
    "positional ('loud',)",
    "map ['a: 1 words, 1 signs', 'b b: 2 words, 3 signs'] True 2 completed",
    "map log 2",
    "loop x!!! True ('improve',)",
    "endless 1",
    "ifelse ['AB', 'abc']",
    "nested 3 True ('texts',)",
    "nested log ['essay']",
    "cache 2 True",
    "cache 2 True",
    "events start hit embed measure end over",
    "async ['to', 'be'] to be 3 True",
    "iter ['to', 'be'] ['to', 'be']",
    "async map [['a'], ['b']] completed: 2 items, 0 failed",
    "all outputs ['chunks', 'clean', 'late', 'sure'] 4",
    "continue failed True mine ValueError: mine",
    "error MissingInputError",
    "error IncompatibleRunnerError",
    "error GraphConfigError",
    "error RenameError",
    "error ValueError",
    "capabilities True",
    "drawn flowchart TD",
]


def test_a_script_of_graphs(tmp_path: Path) -> None:
    done = run(str(SCRIPTS / "essays.py"), cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ESSAYS
    assert done.returncode == 3


def test_a_script_of_graphs_in_this_process(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / "essays.py"))
    assert capsys.readouterr().out.splitlines() == ESSAYS
    assert ended.value.code == 3


ASKED, REFUSED, DONE = (
    [
        "writing rain ",
        "status True True review-1",
        "pause approve verdict is 'rain' fine?",
        "steps ['write']",
        "state rain rain",
    ],
    [
        "writing rain no",
        "status True True review-1",
        "pause approve verdict is 'rain no' fine?",
        "steps ['write', 'decide']",
        "state rain no rain",
    ],
    [
        "status False False review-1",
        "published RAIN NO",
        "steps ['write', 'approve', 'decide', 'publish']",
        "state rain no rain",
    ],
)


def test_a_question_is_answered_by_other_processes(tmp_path: Path) -> None:
    for answers, lines, code in ((), ASKED, 3), (("no",), REFUSED, 3), (("yes",), DONE, 0):
        done = run(str(SCRIPTS / "review.py"), "runs.db", *answers, cwd=tmp_path)
        assert done.stderr == ""
        assert done.stdout.splitlines() == [*lines, "run True review", "runs ['review-1'] 1"]
        assert done.returncode == code
    with SqliteCheckpointer(tmp_path / "runs.db") as kept:  # what it left is a database of Holdwater
        assert kept.get_state("review-1")["published"] == "RAIN NO"


def test_every_spelling_of_the_inputs() -> None:
    graph = hypergraph.Graph([hypergraph.node(double, "doubled")])
    sync, loop = hypergraph.SyncRunner(), hypergraph.AsyncRunner()
    for given in ({"values": {"x": 2}}, {"inputs": {"x": 2}}, {"x": 2}):
        assert sync.run(graph, **given) == sync.run(graph, {"x": 2}) == {"doubled": 4}
    assert sync.map(graph, inputs={"x": [1, 2]}, map_over="x")["doubled"] == [2, 4]

    async def main() -> None:
        assert await loop.run(graph, inputs={"x": 2}) == {"doubled": 4}
        assert (await loop.map(graph, {"x": [1]}, map_over="x"))["doubled"] == [2]
        async with loop.iter(graph, inputs={"x": 3}) as run:
            assert [type(event).__name__ async for event in run][-1] == "RunEndEvent"
        assert run.result == {"doubled": 6}

    asyncio.run(main())
