"""A real worker process that sends forged frames: its attempt fails, and nothing else happens."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TaskHandle
from holdwater.errors import DecodingError
from holdwater.executors import ProcessExecutor, Router
from holdwater.graphs import END, Graph, interrupt, node, register_graph, route
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow
from tests.runtime.executors import hostile_worker
from tests.runtime.executors.hostile_worker import CASES, IMPORTED, answers_with
from tests.suite.effort import LONG
from tests.suite.runners import Define


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DefaultRunner]:
    path = tmp_path_factory.mktemp("hostile") / "runs.db"
    config = DefaultRunnerConfig(
        executors={"cpu": ProcessExecutor(1)}, routing=Router([("**::waits::**", "default"), ("**", "cpu")])
    )
    with DefaultRunner(f"sqlite:///{path}", config=config) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_else_happens(runner: DefaultRunner, define: Define) -> Iterator[None]:
    """The runner has imported nothing, recorded nothing forged, and goes on."""
    before = set(sys.modules)
    yield
    assert IMPORTED not in sys.modules
    assert {name for name in set(sys.modules) - before if name.startswith(("tests.", "evil"))} == set()
    define("honest", ("a", lambda context: {"pid": os.getpid()}, {}))
    assert runner.execute("honest").status == "Completed"


def read_events(runner: DefaultRunner, run_id: str) -> list[list[Any]]:
    return [event for row in runner._engine.store.read_journal(run_id) for event in json.loads(row.entries)]


def sampled(cases: Iterable[str], every: int) -> list[Any]:
    """Each case needs a process of its own: all of them are tried in the long tests only."""
    return [pytest.param(case, marks=() if k % every == 0 else LONG) for k, case in enumerate(cases)]


@pytest.mark.parametrize("case", sampled(CASES, 4))
def test_a_forged_message_fails_its_attempt(case: str, runner: DefaultRunner, define: Define) -> None:
    def waits(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: False, 10)

    define("waits", ("a", waits, {}))
    define("hostile", ("a", hostile_worker.attack, {}))
    result = runner.execute("hostile", {"case": case})
    assert result.status == "Failed"
    assert str(result.error_message).startswith("task 'a' failed: BadAnswer: the worker process ")
    assert [event[0] for event in read_events(runner, result.run_id)] == ["started", "failed"]


def test_a_class_that_a_worker_names_is_not_imported(runner: DefaultRunner, define: Define) -> None:
    """Its value stays a text until code asks for it."""
    define("hostile", ("a", hostile_worker.forges_class, {}))
    result = runner.execute("hostile")
    assert result.status == "Completed", result.error_message
    context = result.final_context
    assert context["n"] == 1
    assert IMPORTED not in sys.modules
    with pytest.raises(DecodingError, match="whose module is not imported here"):
        context["thing"]
    assert result.to_plain_context()["thing"]


def test_an_answer_after_the_end_costs_the_next_task_nothing(runner: DefaultRunner, define: Define) -> None:
    define("hostile", ("a", hostile_worker.answers_twice, {}))
    define("next", ("a", lambda context: {"pid": os.getpid(), "n": 7}, {}))
    first = runner.execute("hostile")
    second = runner.execute("next")
    assert (first.status, second.status) == ("Completed", "Completed")
    assert second.final_context["n"] == 7
    assert second.final_context["pid"] != first.final_context["pid"]
    assert second.task_results[0].attempt_count == 1


def test_a_worker_that_reads_nothing_holds_up_only_itself(runner: DefaultRunner, define: Define) -> None:
    define("hostile", ("a", hostile_worker.stops_reading, {}))
    result = runner.execute("hostile")
    assert str(result.error_message).startswith("task 'a' failed: WorkerCrashed: ")


@route(["low", END])
def gate(n: int) -> Any:
    answers_with(decision=["elsewhere"])


@route(["low", END])
def undecided(n: int) -> Any:
    answers_with()


@route(["low", END])
def both(n: int) -> Any:
    answers_with(decision=["low", "END"])


@node(output_name="low")
def low(n: int) -> int:
    return n


@node(output_name="out")
def decides(n: int) -> int:
    answers_with("1", decision=["low"])


@node(output_name="out")
def misses(n: int) -> int:
    answers_with('{"$t":"missing"}')


@node(output_name="out")
def asks(n: int) -> int:
    answers_with('"?"', head={"kind": "question"})


@interrupt(answer_name="out")
def answers_itself(n: int) -> int:
    answers_with("1")


@interrupt(answer_name="out")
def asks_twice(n: int) -> int:
    answers_with("1", "2", head={"kind": "question"})


GRAPHS: dict[str, Callable[[], Graph]] = {
    "a gate opens a node that is none of its targets": lambda: Graph([gate, low], name="forging"),
    "a gate does not decide": lambda: Graph([undecided, low], name="forging"),
    "a gate with one target opens two": lambda: Graph([both, low], name="forging"),
    "a node decides": lambda: Graph([decides, low], name="forging"),
    "a node gives a missing value": lambda: Graph([misses], name="forging"),
    "a node asks": lambda: Graph([asks], name="forging"),
    "an interrupt answers itself": lambda: Graph([answers_itself], name="forging"),
    "an interrupt asks twice": lambda: Graph([asks_twice], name="forging"),
}


@pytest.mark.parametrize("case", sampled(GRAPHS, 3))
def test_a_node_of_a_graph_gives_only_what_is_its_own(case: str, runner: DefaultRunner) -> None:
    register_graph(GRAPHS[case]())
    result = runner.execute("forging", {"n": 1})
    assert result.status == "Failed"
    assert "BadAnswer: the worker process " in str(result.error_message)


def handler(*texts: str, **options: Any) -> Callable[[WorkflowContext, dict[str, Any]], Any]:
    return lambda context, config: answers_with(*texts, **options)


DELTA = '{"set":{}}'
CHILDREN = {"kind": "child_runs", "max_concurrency": 1, "fail_fast": True}


def items(head: Any, *texts: str) -> Callable[[WorkflowContext], Any]:
    return lambda context: answers_with(*texts, head=head)


def forging_map(head: Any, *texts: str) -> Step:
    return Step.map("a", items=items(head, *texts), step=Step.lambda_("inner", lambda context, config: None))


def forging_wait(until: Any) -> Step:
    return Step.wait("a", until=lambda context: answers_with(head={"kind": "wait", "until": until}))


STEPS: dict[str, Callable[[], Step]] = {
    "it skips itself": lambda: Step.lambda_("a", handler(DELTA, decision=["a", "last"])),
    "it skips what there is not": lambda: Step.lambda_("a", handler(DELTA, decision=["elsewhere", "last"])),
    "it skips backwards": lambda: Step.lambda_("a", handler(DELTA, decision=["last", "next"])),
    "it skips half a range": lambda: Step.lambda_("a", handler(DELTA, decision=["next"])),
    "it skips nothing at length": lambda: Step.lambda_("a", handler(DELTA, decision=[])),
    "it has an output that is a text": lambda: Step.lambda_("a", handler('{"set":{},"output":"x"}')),
    "it has one more field": lambda: Step.lambda_("a", handler('{"set":{},"journal":[]}')),
    "it marks a checkpoint with a number": lambda: Step.lambda_("a", handler('{"set":{},"checkpoint":1}')),
    "it waits": lambda: Step.lambda_("a", handler(head={"kind": "wait", "until": 2_000_000_000_000_000})),
    "it has child runs": lambda: Step.lambda_("a", handler(head={**CHILDREN, "inputs": []})),
    "it waits for a text": lambda: forging_wait("x"),
    "it waits for ever": lambda: forging_wait(10**18),
    "its children have inputs of others": lambda: forging_map({**CHILDREN, "inputs": [["other"]]}, "{}"),
    "its children have more values than inputs": lambda: forging_map({**CHILDREN, "inputs": [["*"]]}),
    "its children are no list": lambda: forging_map({**CHILDREN, "inputs": {"*": 1}}),
    "its children have one more field": lambda: forging_map({**CHILDREN, "inputs": [["*"]]}, '{"params":{},"x":1}'),
    "its children run at minus one": lambda: forging_map({**CHILDREN, "inputs": [], "max_concurrency": -1}),
}  # fmt: skip


@pytest.mark.parametrize("case", sampled(STEPS, 4))
def test_a_step_gives_only_what_is_its_own(case: str, runner: DefaultRunner) -> None:
    others = [Step.lambda_(name, lambda context, config: {}) for name in ("next", "last")]
    register_workflow(Workflow("forging", [STEPS[case](), *others]))
    result = runner.execute("forging")
    assert result.status == "Failed"
    assert "BadAnswer: the worker process " in str(result.error_message)
