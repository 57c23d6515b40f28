"""I12: the same scenario has the same history on every store."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import (
    Context,
    DefaultRunner,
    DefaultRunnerConfig,
    WorkflowHandle,
    all_of,
    always,
    context_value,
    task_failed,
    task_skipped,
    task_success,
)
from holdwater.errors import InvalidTransition
from holdwater.model.registry import registry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate


class HistoryScene:
    """A runner with one slot, so that there is one order of events, and what its runs leave in the journal."""

    def __init__(self, runner: DefaultRunner, define: Define) -> None:
        self.runner, self.define = runner, define
        self.handles: list[WorkflowHandle] = []

    def run_and_record(self, name: str, **given: Any) -> WorkflowHandle:
        self.handles.append(self.runner.submit(name, given))
        return self.handles[-1]

    def history(self) -> list[list[Any]]:
        """Per run: its status, its data and its events, without what differs each time."""
        found = []
        for handle in self.handles:
            info = handle.result(SIGNAL_TIMEOUT_SECONDS)
            rows = self.runner._engine.store.read_journal(handle.run_id)
            events = [canonical_event(event) for row in rows for event in json.loads(row.entries)]
            found.append([info.status, info.error_message, info.final_context.to_dict(), events])
        return found


def canonical_event(event: list[Any]) -> list[Any]:
    """An event without instants: whatever is as large as one is one."""

    def plain(value: Any) -> Any:
        if type(value) is int and value > 10**14:
            return "instant"
        return [plain(item) for item in value] if type(value) is list else value

    return [plain(item) for item in event]


def does_nothing(context: Context) -> None:
    pass


def sets(**values: Any) -> Callable[[Context], None]:
    return lambda context: context.update_from_dict(values)


def fails_then_succeeds(times: int) -> Callable[[Context], None]:
    numbers = itertools.count(1)

    def body(context: Context) -> None:
        number = next(numbers)
        if number <= times:
            raise ConnectionError(f"failure {number}")
        context["attempts"] = number

    return body


def after(*names: str, **options: Any) -> dict[str, Any]:
    return {"dependencies": list(names), **options}


def linear(scene: HistoryScene) -> None:
    scene.define("w", ("a", sets(a=1), {}), ("b", sets(b=[1, None, "ü"]), after("a")), ("c", does_nothing, after("b")))
    scene.run_and_record("w", x=1)
    scene.run_and_record("w", x={"deep": [1.5]})


def diamond(scene: HistoryScene) -> None:
    scene.define(
        "w",
        ("start", sets(rows=[1], n=0, gone=1), {}),
        ("left", lambda c: c.update_from_dict({"rows": [*c["rows"], 2]}), after("start")),
        ("right", lambda c: c.update_from_dict({"rows": [*c["rows"], 3], "n": 7}), after("start")),
        ("end", sets(end=True), after("left", "right")),
    )
    scene.run_and_record("w")


def rules(scene: HistoryScene) -> None:
    scene.define(
        "w",
        ("a", sets(a=1), {}),
        ("big", does_nothing, after("a", trigger_rules=context_value("a", ">", 5))),
        ("behind", does_nothing, after("big")),
        ("small", does_nothing, after("a", trigger_rules=all_of(task_success("a"), context_value("a", "<", 5)))),
        ("seen", does_nothing, after("big", trigger_rules=task_skipped("big"))),
    )
    scene.run_and_record("w")


def retries(scene: HistoryScene) -> None:
    quick = dict(retry_attempts=4, retry_delay_ms=1, retry_backoff="fixed")
    scene.define("w", ("a", fails_then_succeeds(3), quick), ("b", does_nothing, after("a")))
    scene.run_and_record("w")


def failure(scene: HistoryScene) -> None:
    scene.define(
        "w",
        ("a", fails_then_succeeds(99), {"retry_attempts": 2, "retry_delay_ms": 1}),
        ("b", does_nothing, after("a")),
        ("alarm", sets(alarm=1), after("a", trigger_rules=task_failed("a"))),
        ("tidy", does_nothing, after("b", "alarm", trigger_rules=always())),
    )
    scene.run_and_record("w")


def cancel(scene: HistoryScene) -> None:
    gate = Gate()

    def body(context: Context) -> None:
        gate()

    scene.define("w", ("a", body, {}), ("b", does_nothing, after("a")))
    handle = scene.run_and_record("w")
    gate.wait_started()
    handle.cancel("enough")
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    with pytest.raises(InvalidTransition):
        handle.resume()


def pause_and_resume(scene: HistoryScene) -> None:
    gate = Gate()

    def body(context: Context) -> None:
        gate()

    scene.define("w", ("a", body, {}), ("b", does_nothing, after("a")))
    handle = scene.run_and_record("w")
    gate.wait_started()
    handle.pause("lunch")
    handle.resume()
    gate.open.set()


def retry(scene: HistoryScene) -> None:
    scene.define(
        "w",
        ("a", sets(a=1), {}),
        ("b", fails_then_succeeds(1), after("a", retry_attempts=1)),
        ("c", does_nothing, after("b")),
    )
    handle = scene.run_and_record("w")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    handle.retry("mended")


def fork(scene: HistoryScene) -> None:
    scene.define("w", ("a", sets(a=1), {}), ("b", sets(b=2), after("a")), ("c", does_nothing, after("b")))
    handle = scene.run_and_record("w", keep=1, drop=2)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    scene.handles.append(handle.fork("b", context={"new": 3}, remove=["drop"]))


SCENES = (linear, diamond, rules, retries, failure, cancel, pause_and_resume, retry, fork)


@pytest.fixture
def urls(tmp_path: Path, migrated_schema: Callable[[], str]) -> list[str]:
    return [f"sqlite:///{tmp_path}/runs.db", "memory://", migrated_schema()]


@pytest.mark.parametrize("scene", SCENES)
def test_the_same_history_everywhere(scene: Callable[[HistoryScene], None], urls: list[str], define: Define) -> None:
    histories = []
    for url in urls:
        with DefaultRunner(url, config=DefaultRunnerConfig(max_concurrent_tasks=1)) as runner:
            stage = HistoryScene(runner, define)
            scene(stage)
            histories.append(stage.history())
        registry.unregister("w")
    first, *others = histories
    assert first[0][3], "there is a history"
    for other in others:
        assert other == first
