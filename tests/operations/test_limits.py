"""Concurrency limits as people see and set them."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import InvalidArgument, LimitNotFound
from holdwater.operations.catalog import get_workflow
from holdwater.operations.databases import Database
from holdwater.operations.doctor import diagnose_run
from holdwater.operations.limits import LimitInfo, get_limit, list_limits, remove_limit, set_limit
from tests.suite.runners import (
    SIGNAL_TIMEOUT_SECONDS,
    Define,
    Gate,
    define,
    empty_registry,
    gate,
    open_runner,
    runner,
    url,
)  # fmt: skip
from tests.suite.waiting import wait_until

__all__ = ["define", "empty_registry", "gate", "open_runner", "runner", "url"]


def summary(limits: tuple[LimitInfo, ...]) -> list[tuple[str, int | None, int, int]]:
    return [(one.key, one.max_running, one.used_count, one.waiting_count) for one in limits]


def test_limits_are_listed_with_the_tasks_that_hold_them(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("limited", ("call", lambda context: gate(), {"limit": "openai"}))
    database = Database.of(runner._engine)
    assert list_limits(database) == ()
    limit = set_limit(database, "openai", 1, by="cli:alice")
    assert (limit.used_count, limit.is_full, limit.set_by) == (0, False, "cli:alice")
    set_limit(database, "workflow:other", 5)
    first, second = [runner.submit("limited", {}) for _ in range(2)]
    gate.wait_started()
    wait_until(lambda: get_limit(database, "openai").waiting_count == 1)
    found = list_limits(database)
    assert summary(found) == [("openai", 1, 1, 1), ("workflow:other", 5, 0, 0)]
    (holder,) = found[0].holders
    running = first if holder.run_id == first.run_id else second
    waiting = second if running is first else first
    assert (holder.workflow, holder.task, holder.runner) == ("limited", "call", runner._engine.owner)
    blocked = next(one for one in diagnose_run(database, waiting.run_id) if one.code == "limit_full")
    assert blocked.severity == "info"
    assert f"limit 'openai', which is full: 1 of 1, held by 'call' of run {running.run_id}" in blocked.sentence
    assert blocked.command == ("limits", "list")
    assert all(one.code != "limit_full" for one in diagnose_run(database, running.run_id))
    remove_limit(database, "openai")
    assert summary(list_limits(database))[0][:2] == ("openai", None), "tasks still name it"
    gate.open.set()
    for handle in (first, second):
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert summary(list_limits(database)) == [("workflow:other", 5, 0, 0)]


def test_the_catalog_says_which_tasks_name_a_limit(runner: DefaultRunner, define: Define) -> None:
    define("limited", ("call", lambda context: None, {"limit": "openai", "resources": {"num_cpus": 1}}))
    database = Database.of(runner._engine)
    runner._engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    (task,) = get_workflow(database, "limited").nodes
    assert task.limit == "openai"


def test_a_limit_of_zero_is_a_problem_of_the_runs_that_wait(runner: DefaultRunner, define: Define) -> None:
    define("limited", ("call", lambda context: None, {"limit": "openai"}))
    database = Database.of(runner._engine)
    set_limit(database, "openai", 0)
    handle = runner.submit("limited", {})
    (found,) = [one for one in diagnose_run(database, handle.run_id) if one.code == "limit_full"]
    assert (found.severity, found.facts["max"]) == ("problem", 0)
    set_limit(database, "openai", 1)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "a b",
        "a/b",
        "-a",
        "x" * 101,
        "workflow:",
        "workflow:a\nb",
        "label:env",
        "label:=x",
        "label:a b=x",
        None,
        3,
    ],
)
def test_keys_that_are_none_are_refused(runner: DefaultRunner, key: Any) -> None:
    with pytest.raises(InvalidArgument):
        set_limit(Database.of(runner._engine), key, 1)


@pytest.mark.parametrize("max_running", [-1, 1_000_001, True, 1.0, "1", None])
def test_numbers_that_are_none_are_refused(runner: DefaultRunner, max_running: Any) -> None:
    with pytest.raises(InvalidArgument):
        set_limit(Database.of(runner._engine), "openai", max_running)


def test_a_limit_that_is_not_there_is_not_found(runner: DefaultRunner) -> None:
    database = Database.of(runner._engine)
    set_limit(database, "openai", 1)
    with pytest.raises(LimitNotFound, match="opennai") as caught:
        remove_limit(database, "opennai")
    assert "openai" in caught.value.hint
    with pytest.raises(LimitNotFound):
        get_limit(database, "workflow:none")
