"""`start_by_name` in a process that has the code, `submit_many`, and runs whose inputs are converted later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import EncodingError, IdempotencyConflict, InputError, InvalidArgument
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.provenance import Provenance
from holdwater.model.registry import registry
from holdwater.operations import fork_run, open_for_control, start_by_name, start_many
from holdwater.steps import Step, StepResult, Workflow, register_workflow
from tests.suite.runners import Define, define

__all__ = ["define"]


@node(output_name="text")
def show(day: dt.date, count: int = 1) -> str:
    return f"{day!r} {count}"


@node(output_name="length")
def measure(text: str) -> int:
    return len(text)


@pytest.fixture(autouse=True)
def graph() -> Iterator[str]:
    register_graph(Graph([show, measure], name="dated"))
    yield "dated"
    registry.unregister("dated")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def announce(url: str) -> None:
    with DefaultRunner(url) as runner:
        runner.announce()


def test_with_the_code_inputs_are_converted_at_once(url: str) -> None:
    with DefaultRunner(url) as runner:
        runner.announce()
        engine = runner._engine
        started = start_by_name(engine, "dated", {"day": "2026-01-02"}, provenance=Provenance("api", "api:x"))
        view = started.future.result(20)
        assert view.result["text"].copy() == "datetime.date(2026, 1, 2) 1"
        assert (started.info.origin, started.info.started_by) == ("api", "api:x")
        typed = start_by_name(engine, "dated", {"day": dt.date(2026, 1, 2)}).future.result(20)
        assert typed.result["text"].copy() == "datetime.date(2026, 1, 2) 1"


def test_a_value_that_only_the_code_can_refuse_is_refused_at_once_where_the_code_is(url: str) -> None:
    @node(output_name="seen")
    def see(even: Even) -> int:
        return even.number

    register_graph(Graph([see], name="even"))
    try:
        with DefaultRunner(url) as runner:
            runner.announce()
            with pytest.raises(InputError, match=r"input 'even' is .* odd"):
                start_by_name(runner._engine, "even", {"even": {"number": 3}})
        with open_for_control(url) as engine:
            started = start_by_name(engine, "even", {"even": {"number": 3}})
        with DefaultRunner(url) as runner:
            result = runner.handle(started.info.id).result(20)
            assert result.status == "Failed"
            assert "odd" in (result.error_message or "")
    finally:
        registry.unregister("even")


class Even:
    """A value that refuses what its schema, which is unknown, cannot."""

    def __init__(self, number: int) -> None:
        self.number = number

    __pydantic_core_schema__ = None

    @classmethod
    def model_validate(cls, value: dict[str, int]) -> Even:
        if value["number"] % 2:
            raise ValueError("odd")
        return cls(value["number"])


def test_a_fork_of_a_run_that_was_started_without_its_code(url: str) -> None:
    announce(url)
    with open_for_control(url) as engine:
        started = start_by_name(engine, "dated", {"day": "2026-01-02"})
        forked = fork_run(engine, started.info.id, "show", {"count": 5}).run
    with DefaultRunner(url) as runner:
        texts = [runner.handle(run_id).result(20).final_context["text"] for run_id in (started.info.id, forked.id)]
        assert texts == ["datetime.date(2026, 1, 2) 1", "datetime.date(2026, 1, 2) 5"]


def test_a_runner_that_gets_the_code_later_converts_them_too(url: str) -> None:
    announce(url)
    definition = registry.get("dated")
    registry.unregister("dated")
    with DefaultRunner(url) as runner:
        handle = runner.handle(start_by_name(runner._engine, "dated", {"day": "2026-01-02"}).info.id)
        assert handle.status == "Running"
        registry.register(definition)
        assert handle.result(20).final_context["text"] == "datetime.date(2026, 1, 2) 1"


def test_defaults_of_steps_apply_without_the_code(url: str) -> None:
    def read(ctx: object, config: object) -> StepResult:
        params = getattr(ctx, "params")  # noqa: B009
        return StepResult.ok({"day": str(params["day"]), "n": params["n"]})

    register_workflow(
        Workflow("defaulted", [Step.lambda_("read", read)], defaults={"day": dt.date(2026, 1, 2), "n": 1})
    )
    try:
        announce(url)
        with open_for_control(url) as engine:
            run_id = start_by_name(engine, "defaulted", {"n": 2}).info.id
        with DefaultRunner(url) as runner:
            assert runner.handle(run_id).result(20).final_context["read"] == {"day": "2026-01-02", "n": 2}
    finally:
        registry.unregister("defaulted")


def test_a_time_limit_and_none(url: str) -> None:
    announce(url)
    with open_for_control(url) as engine:
        limited = start_by_name(engine, "dated", {"day": "2026-01-02"}, timeout_seconds=60)
        assert limited.info.deadline_at == limited.info.created_at + 60_000_000
        assert start_by_name(engine, "dated", {"day": "2026-01-02"}, timeout_seconds=None).info.deadline_at is None
        for seconds in (0, -1, float("nan")):
            with pytest.raises(InvalidArgument):
                start_many(engine, "dated", [{"day": "2026-01-02"}], timeout_seconds=seconds)


def test_many_runs_with_their_code(url: str, define: Define) -> None:
    define("doubles", ("a", lambda context: context.set("y", context["x"] * 2), {}))
    config = DefaultRunnerConfig(max_concurrent_tasks=2)
    with DefaultRunner(url, config=config) as runner:
        keys = [f"k{i}" for i in range(700)]
        handles = runner.submit_many(
            "doubles", [{"x": i} for i in range(700)], idempotency_keys=keys, labels={"a": "b"}
        )
        assert [handle.result(60).final_context["y"] for handle in handles] == [2 * i for i in range(700)]
        again = runner.submit_many("doubles", [{"x": 0}, {"x": 700}], idempotency_keys=["k0", "k700"])
        assert [handle.is_new for handle in again] == [False, True]
        assert runner.find_run(handles[0].run_id).labels == {"a": "b"}
        with pytest.raises(IdempotencyConflict):
            runner.submit_many("doubles", [{"x": 1}], idempotency_keys=["k0"])
        before = len(runner.list_runs(limit=1000))
        with pytest.raises(EncodingError):
            runner.submit_many("doubles", [{"x": 1}, {"x": object()}])
        with pytest.raises(InvalidArgument):
            runner.submit_many("doubles", [{"x": 1}], idempotency_keys=[])
        assert len(runner.list_runs(limit=1000)) == before
