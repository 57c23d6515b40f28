"""Whatever a caller passes is taken, or refused by a typed error where it comes in; others' runs never notice."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from holdwater import (
    Context,
    DefaultRunner,
    DefaultRunnerConfig,
    Graph,
    RetryPolicy,
    Step,
    TaskHandle,
    TriggerResult,
    WorkflowBuilder,
    WorkflowRunnerConfig,
    node,
    register_graph,
    task,
    trigger,
)
from holdwater.errors import HoldwaterError, InvalidArgument
from holdwater.executors import ProcessExecutor
from holdwater.model import validation
from holdwater.model.registry import registry
from holdwater.runners.tasks.config import OPTIONS
from holdwater.steps import Workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

INF, NAN = float("inf"), float("nan")


class BrokenRepr:
    """Nothing that looks at it gets an answer."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


INVALID_TIMES: list[Any] = [
    INF,
    -INF,
    NAN,
    -1,
    -0.5,
    1e13,
    1e300,
    10**400,
    True,
    "1",
    b"1",
    [],
    BrokenRepr(),
    timedelta(1),
]
"""none of these is a length of time"""
INVALID_COUNTS: list[Any] = [-1, 1.5, NAN, INF, 10**400, 2**63, True, "1", b"1", [], BrokenRepr()]
INVALID_TEXTS: list[Any] = [
    b"k", 1, True, ["k"], {}, BrokenRepr(), "", "  ", "\0", "a\0b", "\ud800", "a\udfffb", "é" * 60_000, "x" * 200_000,
]  # fmt: skip


def assert_rejected(call: Callable[..., Any], value: Any) -> None:
    """The call raises an error of the tree whose text is short and says what is wrong."""
    try:
        call()
    except HoldwaterError as raised:
        error = raised
    else:
        raise AssertionError(f"{validation.shorten_repr(value)} was accepted")
    assert isinstance(error, (ValueError, TypeError)), error
    assert error.message
    assert len(str(error)) < 1_000, str(error)[:3_000]


# -- times and counts of definitions and configurations


def node_with_timeout(timeout: Any) -> Any:
    @node(output_name="y", timeout=timeout)
    def f(x: int) -> int:
        return x

    return f


def defer_in_task(value: Any, **given: Any) -> Any:
    from holdwater.runtime.handle import _validate_wait_options

    return _validate_wait_options(**{"poll_interval_ms": 1, "timeout_ms": None, **given, **dict.fromkeys(given, value)})


def runner_with_option(name: str, value: Any) -> Any:
    return DefaultRunnerConfig(**{name: value})


TIMES: dict[str, Callable[[Any], Any]] = {
    "@task timeout_seconds": lambda v: task(timeout_seconds=v),
    "@task retry_delay_ms": lambda v: task(retry_delay_ms=v if v != 1e13 else 1e17),
    "@task retry_max_delay_ms": lambda v: task(retry_max_delay_ms=v if v != 1e13 else 1e17),
    "RetryPolicy initial_delay": lambda v: RetryPolicy(initial_delay=v),
    "RetryPolicy max_delay": lambda v: RetryPolicy(max_delay=v),
    "RetryPolicy factor": lambda v: RetryPolicy(factor=v),
    "RetryPolicy multiplier": lambda v: RetryPolicy(multiplier=v),
    "@node timeout": node_with_timeout,
    "Step timeout": lambda v: Step.lambda_("a", lambda c, k: {}, timeout=v),
    "Step config timeout": lambda v: Step.lambda_("a", lambda c, k: {}, config={"timeout": v}),
    "Step.wait seconds": lambda v: Step.wait("a", seconds=v),
    "default_step_timeout": lambda v: WorkflowRunnerConfig(default_step_timeout=v),
    "workflow_timeout": lambda v: WorkflowRunnerConfig(workflow_timeout=v),
    "max_inline_wait_seconds": lambda v: WorkflowRunnerConfig(max_inline_wait_seconds=v),
    "idle_seconds": lambda v: ProcessExecutor(1, idle_seconds=v),
    "defer_until poll_interval_ms": lambda v: defer_in_task(v if v != 1e13 else 1e17, poll_interval_ms=v),
    **{
        name: partial(runner_with_option, name)
        for name, option in OPTIONS.items()
        if option.value_type is float or name.endswith("_seconds")
    },
}

COUNTS: dict[str, Callable[[Any], Any]] = {
    "@task retry_attempts": lambda v: task(retry_attempts=v),
    "RetryPolicy max_attempts": lambda v: RetryPolicy(max_attempts=v),
    "ProcessExecutor max_workers": lambda v: ProcessExecutor(v),
    "ProcessExecutor max_tasks_per_worker": lambda v: ProcessExecutor(1, max_tasks_per_worker=v),
    **{
        name: partial(runner_with_option, name)
        for name, option in OPTIONS.items()
        if option.value_type is int and not name.endswith("_seconds")
    },
}


@pytest.mark.parametrize("where", TIMES)
def test_a_time_is_finite_and_not_below_0(where: str) -> None:
    for value in INVALID_TIMES:
        if where != "Step.wait seconds" or not isinstance(value, timedelta):
            assert_rejected(partial(TIMES[where], value), value)


@pytest.mark.parametrize("where", COUNTS)
def test_a_count_is_a_whole_number(where: str) -> None:
    for value in INVALID_COUNTS:
        assert_rejected(partial(COUNTS[where], value), value)


@pytest.mark.parametrize(
    "given",
    [
        {"retry_on": [1]}, {"retry_on": ["ValueError"]}, {"retry_on": [int]}, {"retry_on": ValueError},
        {"retryable_errors": [1]}, {"patterns": [None]}, {"patterns": "timeout"}, {"backoff": ["fixed"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_policy_compares_can_be_compared(given: dict[str, Any]) -> None:
    assert_rejected(lambda: RetryPolicy(**given), given)


@pytest.mark.parametrize("factor", [1e300, validation.MAX_SECONDS, 0, 1])
def test_a_delay_is_never_more_than_the_longest(factor: float) -> None:
    if factor > validation.MAX_SECONDS:
        return assert_rejected(lambda: RetryPolicy(factor=factor), factor)
    policy = RetryPolicy(max_attempts=100, factor=factor, multiplier=validation.MAX_SECONDS, max_delay=7)
    assert all(0 <= policy.delay_seconds(n) <= 7 for n in (1, 2, 60, 1000))
    return None


# -- texts


def build_workflow_named(name: Any) -> None:
    with WorkflowBuilder(name):
        task(id="a")(lambda context: None)


def build_task_named(name: Any) -> None:
    with WorkflowBuilder("names_a_task"):
        task(id=name)(lambda context: None)


def build_graph_named(name: Any) -> None:
    if not name:
        raise InvalidArgument("a graph without a name is another subject")
    register_graph(Graph([node_with_timeout(None)], name=name))


def build_steps_named(name: Any) -> None:
    registry.register(Workflow(name, [Step.lambda_("a", lambda c, k: {})]).program())


DEFINITIONS: dict[str, Callable[[Any], Any]] = {
    "workflow": build_workflow_named,
    "task": build_task_named,
    "graph": build_graph_named,
    "workflow of steps": build_steps_named,
    "executor=": lambda v: task(executor=v) if v is not None else None,
    "executors": lambda v: (
        DefaultRunnerConfig(executors={v: ProcessExecutor(1)}) if _hashable(v) else raise_from_task()
    ),
    "trigger": lambda v: trigger("ok", name=v)(TriggerResult.skip),
    "trigger's workflow": lambda v: trigger(v),
}


def _hashable(value: Any) -> bool:
    return not isinstance(value, (list, dict))


def raise_from_task() -> None:
    raise InvalidArgument("a dictionary refuses it")


@pytest.mark.parametrize("where", DEFINITIONS)
def test_a_name_is_text_that_every_database_holds(where: str) -> None:
    for value in INVALID_TEXTS:
        assert_rejected(partial(DEFINITIONS[where], value), value)


NOT_SOUGHT = [v for v in INVALID_TEXTS if v not in ("", "é" * 60_000)]
"""an empty id is looked for, and not found; so is a long one"""

CALLS: dict[str, Callable[[DefaultRunner, str, Any], Any]] = {
    "submit": lambda r, run, v: r.submit(v),
    "key": lambda r, run, v: r.submit("ok", idempotency_key=v),
    "execute's key": lambda r, run, v: r.execute("ok", idempotency_key=v),
    "fork's key": lambda r, run, v: r.fork(run, "a", idempotency_key=v),
    "fork's task": lambda r, run, v: r.fork(run, v),
    "cancel's reason": lambda r, run, v: r.cancel(run, v) if v else raise_from_task(),
    "pause's reason": lambda r, run, v: r.pause(run, v) if v else raise_from_task(),
    "retry's reason": lambda r, run, v: r.retry(run, v) if v else raise_from_task(),
    "cancel": lambda r, run, v: r.cancel(v),
    "pause": lambda r, run, v: r.pause(v),
    "resume": lambda r, run, v: r.resume(v),
    "retry": lambda r, run, v: r.retry(v),
    "fork": lambda r, run, v: r.fork(v, "a"),
    "get_run": lambda r, run, v: r.get_run(v),
    "handle": lambda r, run, v: r.handle(v),
    "pauses": lambda r, run, v: r.pauses(v),
    "answer": lambda r, run, v: r.answer(v, None, 1),
    "before": lambda r, run, v: r.list_runs(before=v),
    "schedule's workflow": lambda r, run, v: r.register_cron_workflow(v, "0 0 * * *", allow_unknown=True),
    "schedule's name": lambda r, run, v: r.register_cron_workflow("ok", "0 0 * * *", name=v),
    "expression": lambda r, run, v: r.register_cron_workflow("ok", v),
    "zone": lambda r, run, v: r.register_cron_workflow("ok", "0 0 * * *", v),
    "start": lambda r, run, v: r.register_cron_workflow("ok", "0 0 * * *", start=v),
    "schedule": lambda r, run, v: r.get_cron_schedule(v),
    "executor": lambda r, run, v: r.has_capacity(v) if _hashable(v) else raise_from_task(),
}

NUMBERS: dict[str, Callable[[DefaultRunner, Any], Any]] = {
    "jitter": lambda r, v: r.register_cron_workflow("ok", "0 0 * * *", jitter_seconds=v),
    "grace": lambda r, v: r.register_cron_workflow("ok", "0 0 * * *", misfire_grace_seconds=v),
    "prune": lambda r, v: r.prune(older_than_days=v),
}
PAGES: dict[str, Callable[[DefaultRunner, Any], Any]] = {
    "limit": lambda r, v: r.list_runs(limit=v),
    "offset": lambda r, v: r.list_runs(offset=v),
    "schedules' limit": lambda r, v: r.list_cron_schedules(limit=v),
    "schedules' offset": lambda r, v: r.list_cron_schedules(offset=v),
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "memory"])
def test_what_a_runner_is_told_is_judged_before_it_is_done(
    kind: str, define: Define, migrated_schema: Callable[[], str]
) -> None:
    define("ok", ("a", lambda context: None, {}))
    place = {"sqlite": "sqlite:///:memory:", "memory": "memory://"}.get(kind) or migrated_schema()
    with DefaultRunner(place) as runner:
        run = runner.submit("ok")
        assert run.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        for name, call in CALLS.items():
            for value in INVALID_TEXTS:
                assert_rejected(partial(call, runner, run.run_id, value), (name, value))
        for name, number in NUMBERS.items():
            for value in INVALID_TIMES:
                assert_rejected(partial(number, runner, value), (name, value))
        for name, number in PAGES.items():
            for value in INVALID_COUNTS:
                assert_rejected(partial(number, runner, value), (name, value))
        for value in [v for v in INVALID_TIMES if v not in (INF,)]:
            fresh = runner.handle(run.run_id)
            assert_rejected(partial(fresh.result, value), value)
        assert len(runner.list_runs()) == 1  # nothing was started on the way
        assert runner.execute("ok").status == "Completed"
        assert runner.internal_errors() == ()


def longest(size: int) -> str:
    """Text of so many bytes that no database compresses into an index."""
    return "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "memory"])
def test_what_is_accepted_on_one_database_is_accepted_on_all(
    kind: str, define: Define, migrated_schema: Callable[[], str]
) -> None:
    name = longest(validation.MAX_NAME_BYTES)
    key = longest(validation.MAX_IDEMPOTENCY_KEY_BYTES - 4) + "\U0001f600"
    define(name, (longest(validation.MAX_NAME_BYTES - 1), lambda context: None, {}))
    place = {"sqlite": "sqlite:///:memory:", "memory": "memory://"}.get(kind) or migrated_schema()
    with DefaultRunner(place) as runner:
        handle = runner.submit(name, idempotency_key=key)
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert runner.submit(name, idempotency_key=key).run_id == handle.run_id
        schedule = runner.register_cron_workflow(name, "0 0 1 1 *", name=longest(validation.MAX_NAME_BYTES))
        assert runner.get_cron_schedule(schedule)["workflow_name"] == name
        failing = define("fails", ("a", lambda context: 1 / 0, {}))
        failed = runner.submit(failing)
        assert failed.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
        failed.retry("é" * (validation.MAX_REASON_BYTES // 2))
        assert failed.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"


@pytest.mark.parametrize(
    "text",
    ['{"x": 1e400}', '{"x": [1, {"a": -1e999}]}', '{"x": {"$t": "tuple", "v": [1e999]}}', '{"x": NaN}',
     '{"x": -Infinity}', '{"x": ' + "9" * 5000 + "}", '{"x": ' + "[" * 200_000 + "]" * 200_000 + "}", "[]", "1", "",
     "{"],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_json_has_numbers_that_exist(text: str) -> None:
    assert_rejected(lambda: Context.from_json(text), text)


def test_a_body_that_defers_for_no_time_fails_alone(runner: DefaultRunner, define: Define) -> None:
    def wait(value: Any) -> Callable[[Context, TaskHandle], None]:
        def body(context: Context, handle: TaskHandle) -> None:
            handle.defer_until(lambda: True, poll_interval_ms=value)

        return body

    for k, value in enumerate((NAN, INF, -1, 1e300, "1")):
        name = define(f"w{k}", ("a", wait(value), {}))
        result = runner.execute(name)
        assert result.status == "Failed"
        assert "poll_interval_ms" in (result.error_message or "")
