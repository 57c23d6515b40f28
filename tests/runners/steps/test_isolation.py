"""What a step writes into its configuration or its context variables, and what it raises, stays with its attempt."""

from __future__ import annotations

import contextvars
import decimal
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from holdwater import RetryPolicy, Step, StepResult, WorkflowRunner
from holdwater.steps import Workflow
from holdwater.steps.step_config import copy_containers
from tests.model.hostile_exceptions import HOSTILE

tenant = contextvars.ContextVar("tenant", default="default")


@dataclass
class Options:
    seen: list[int] = field(default_factory=list)


class Pair(NamedTuple):
    left: list[int]
    right: list[int]


MUTABLE_VALUES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "list": (list, lambda v: v),
    "nested": (lambda: {"a": [{"b": ([],)}]}, lambda v: v["a"][0]["b"][0]),
    "named tuple": (lambda: Pair([], []), lambda v: v.right),
    "defaultdict": (lambda: defaultdict(list), lambda v: v["new"]),
    "ordered": (lambda: OrderedDict(a=[]), lambda v: v["a"]),
    "deque": (deque, lambda v: v),
    "dataclass": (Options, lambda v: v.seen),
    "in a dataclass": (lambda: Options([]), lambda v: v.seen),
}


@pytest.mark.parametrize("kind", MUTABLE_VALUES)
def test_configuration_is_the_attempts_own(kind: str) -> None:
    make, inner = MUTABLE_VALUES[kind]
    given = make()

    def handler(context: Any, config: dict[str, Any]) -> dict[str, int]:
        inner(config["value"]).append(1)
        config["more"] = config.get("more", 0) + 1
        n = len(inner(config["value"])) + config["more"]
        if context.params["attempts"].append(0) is None and not FAILED.get(context.run_id):
            FAILED[context.run_id] = True
            raise ValueError("once more")
        return {"n": n}

    FAILED: dict[str, bool] = {}
    step = Step.lambda_("a", handler, config={"value": given}, retry=RetryPolicy(max_attempts=2, initial_delay=0))
    items = Step.map("m", [1, 2, 3], step=step)
    inner(given).append(7)  # after the definition was made
    runner = WorkflowRunner()
    for _ in range(2):
        result = runner.execute(Workflow("w", [step, items]), params={"attempts": []})
        assert result.status == "completed", result.error
        assert result.context.get_output("a", "n") == 2
        assert [one["n"] for one in result.context.get_output("m", "results")] == [2, 2, 2]
    assert len(inner(step.config["value"])) == 0


def test_middleware_has_the_attempts_own_configuration_too() -> None:
    def around(step: Any, context: Any, following: Any) -> StepResult:
        step.config["seen"].append("middleware")
        given: StepResult = following(step, context)
        return given

    def handler(context: Any, config: Any) -> dict[str, Any]:
        return {"seen": config["seen"]}

    runner = WorkflowRunner()
    runner.middleware(around)
    step = Step.lambda_("a", handler, config={"seen": []})
    for _ in range(2):
        assert runner.execute(Workflow("w", [step])).context.get_output("a", "seen") == ["middleware"]
    assert step.config == {"seen": []}


def test_defaults_of_a_workflow_are_the_runs_own() -> None:
    def handler(context: Any, config: Any) -> dict[str, int]:
        context.params["rows"].append(1)
        return {"n": len(context.params["rows"])}

    given: dict[str, Any] = {"rows": [0]}
    workflow = Workflow("w", [Step.lambda_("a", handler)], defaults=given)
    given["rows"].append(0)  # after the definition was made
    assert [WorkflowRunner().execute(workflow).context.get_output("a", "n") for _ in range(2)] == [2, 2]


def test_what_is_no_data_is_shared_and_a_list_may_contain_itself() -> None:
    lock, knot = threading.Lock(), []  # type: ignore[var-annotated]
    knot.append(knot)
    copied = copy_containers({"lock": lock, "call": print, "knot": knot, "twice": [knot, knot]})
    assert copied["lock"] is lock
    assert copied["call"] is print
    assert copied["knot"] is not knot
    assert copied["knot"][0] is copied["knot"]
    assert copied["twice"][0] is copied["twice"][1] is copied["knot"]


def test_params_of_a_pipeline_are_its_own() -> None:
    def pipeline(params: dict[str, Any]) -> dict[str, int]:
        params["rows"].append(1)
        return {"n": len(params["rows"])}

    workflow = Workflow("w", [Step.pipeline("p", pipeline, params={"rows": []})])
    assert [WorkflowRunner().execute(workflow).context.get_output("p", "n") for _ in range(2)] == [1, 1]


def test_steps_see_the_callers_variables_and_change_nobodys() -> None:
    def handler(context: Any, config: Any) -> dict[str, Any]:
        seen = [tenant.get(), decimal.getcontext().prec]
        tenant.set("a step's")
        decimal.getcontext().prec = 3
        return {"seen": seen}

    async def handler_async(context: Any, config: Any) -> Any:
        return handler(context, config)

    steps = [Step.lambda_("a", handler), Step.lambda_("b", handler), Step.lambda_("c", handler_async)]

    def call() -> None:
        tenant.set("the caller's")
        decimal.getcontext().prec = 9
        result = WorkflowRunner().execute(
            Workflow("w", [*steps, Step.map("m", [1, 2], step=Step.lambda_("d", handler))])
        )
        outputs = [result.context.get_output(name) for name in "abc"] + result.context.get_output("m", "results")
        assert [output["seen"] for output in outputs] == [["the caller's", 9]] * 5
        assert (tenant.get(), decimal.getcontext().prec) == ("the caller's", 9)

    contextvars.Context().run(call)


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_step_raises(name: str) -> None:
    def handler(context: Any, config: Any) -> None:
        raise HOSTILE[name]()

    async def handler_async(context: Any, config: Any) -> None:
        raise HOSTILE[name]()

    def condition(context: Any) -> bool:
        raise HOSTILE[name]()

    def around(step: Any, context: Any, following: Any) -> StepResult:
        raise HOSTILE[name]()

    runner = WorkflowRunner()
    done = [
        runner.execute(Workflow("w", [Step.lambda_("a", handler)])),
        runner.execute(Workflow("w", [Step.choice("a", condition, "b"), Step.lambda_("b", lambda c, k: None)])),
    ]
    if name not in ("StopIteration", "GeneratorExit"):  # a coroutine cannot raise them, or is closed by it
        done.append(runner.execute(Workflow("w", [Step.lambda_("a", handler_async)])))
    guarded = WorkflowRunner()
    guarded.middleware(around)
    done.append(guarded.execute(Workflow("w", [Step.lambda_("a", lambda c, k: None)])))
    for result in done:
        assert (result.status, result.error_step) == ("failed", "a")
        assert name in (result.error or "")
        assert "raise HOSTILE[name]()" in (result.traceback or "")
        assert result.step_metrics[0].traceback == result.to_dict()["traceback"] == result.traceback
        assert result.error_category in ("INTERNAL", "TRANSIENT", "TIMEOUT")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_span_tells_whatever_middleware_raises(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    runner = WorkflowRunner()

    def around(step: Any, context: Any, following: Any) -> StepResult:
        raise HOSTILE[name]()

    runner.middleware(around)
    result = runner.execute(Workflow("w", [Step.lambda_("a", lambda c, k: None)]))
    assert name in (result.error or "")
    span = next(span for span in exporter.get_finished_spans() if span.name == "step:a")
    assert name in (span.status.description or "")
    assert name in str((span.events[0].attributes or {})["exception.type"])


def test_a_category_no_database_could_hold(tmp_path: Any) -> None:
    class Odd(Exception):
        category = "nul \x00 and surrogate \ud800"

    def handler(context: Any, config: Any) -> None:
        raise Odd("m")

    result = WorkflowRunner(f"sqlite:///{tmp_path}/runs.db").execute(Workflow("w", [Step.lambda_("a", handler)]))
    assert result.error_category == r"nul \x00 and surrogate \ud800"
