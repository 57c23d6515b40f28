"""`@trigger` of cloaca: what it starts, and when, in a time the tests make."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import holdwater
import holdwater.engine.engine
from holdwater.compat import cloaca
from holdwater.compat.cloaca import triggers as room
from holdwater.errors import ScheduleError
from holdwater.model.triggers import triggers
from tests.engine.fake_clock import ContextRecorder, FakeClock, wait_until_idle

Module = Callable[[str], dict[str, Any]]
START = "2026-11-21T00:00:00"

WORKFLOW = """
with cloaca.WorkflowBuilder({name!r}):
    @cloaca.task(id="a")
    def a(context):
        ran(context)
"""
TRIGGER = """
@cloaca.trigger({arguments})
def {name}():
    asked.append({name!r})
    return cloaca.TriggerResult.fire(cloaca.Context({{"by": {name!r}}}))
"""
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClock]:
    made = FakeClock(START)
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    yield made
    for known in triggers.list_triggers():
        triggers.unregister(known.name)
    for name in [*room._cron_triggers, *[name for _, name in room._pending_bindings]]:
        room.unregister(name)


@pytest.fixture
def ran() -> ContextRecorder:
    return ContextRecorder()


@pytest.fixture
def module(ran: ContextRecorder) -> Module:
    """Executes sources as one module of its own, part by part."""
    scope: dict[str, Any] = {"__name__": f"made_{next(_numbers)}", "cloaca": cloaca, "ran": ran, "asked": []}

    def execute(source: str) -> dict[str, Any]:
        exec(source, scope)
        return scope

    return execute


def workflow(name: str) -> str:
    return WORKFLOW.format(name=name)


def trigger(name: str, arguments: str = "") -> str:
    return TRIGGER.format(name=name, arguments=arguments)


def inside(name: str, of: str) -> str:
    """A trigger in the block of a workflow."""
    body = TRIGGER.format(name=name, arguments="").replace("\n", "\n    ")
    return workflow(of) + body


# -- what it starts

BOUND = {
    "first argument": [workflow("w"), trigger("t", "'w'")],
    "workflow=": [workflow("w"), trigger("t", "workflow='w'")],
    "on=": [workflow("w"), trigger("t", "on='w'")],
    "on= of a workflow that comes later": [trigger("t", "on='w'"), workflow("w")],
    "in its block": [inside("t", "w")],
    "in a block, of another module workflow": [workflow("other"), inside("t", "w")],
    "after the workflow of its module": [workflow("w"), trigger("t")],
    "before the workflow of its module": [trigger("t"), workflow("w")],
    "before several workflows of its module": [trigger("t"), workflow("w"), workflow("other")],
    "defined again": [trigger("t"), trigger("t"), workflow("w")],
    "with everything else": [workflow("w"), trigger("t", "poll_interval='1s', allow_concurrent=True")],
}


@pytest.mark.parametrize("case", BOUND)
def test_which_workflow_it_starts(case: str, module: Module, ran: ContextRecorder, url: str) -> None:
    for part in BOUND[case]:
        scope = module(part)
    with cloaca.DefaultRunner(url) as runner:
        ran.wait_for_runs(1)
        row = runner.get_trigger_schedule("t")
        assert row is not None
        assert (row["workflow_name"], len(runner.list_trigger_schedules())) == ("w", 1)
    assert {*scope["asked"]} == {"t"}
    assert (ran.contexts[0]["by"], ran.contexts[0]["trigger_name"]) == ("t", "t")


def test_its_name(module: Module) -> None:
    scope = module(workflow("w") + trigger("t", "name='inbox', poll_interval='500ms'"))
    found = triggers.find("inbox")
    assert found is not None
    assert (found.workflow, found.poll_interval_us, triggers.find("t")) == ("w", 500_000, None)
    assert found.function is scope["t"]


def test_another_modules_workflow_is_not_meant(module: Module, ran: ContextRecorder, url: str) -> None:
    other: dict[str, Any] = {"__name__": "another_module", "cloaca": cloaca, "ran": ran}
    module(trigger("t"))
    exec(workflow("theirs"), other)
    assert triggers.find("t") is None
    with pytest.warns(UserWarning, match="trigger 't' starts nothing yet") as told:
        cloaca.DefaultRunner(url).shutdown()
    assert len(told) == 1
    module(workflow("ours"))
    assert [found.workflow for found in triggers.list_triggers()] == ["ours"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloaca.DefaultRunner(url).shutdown()


def test_bound_while_a_runner_runs(module: Module, ran: ContextRecorder, url: str) -> None:
    with cloaca.DefaultRunner(url):
        module(trigger("t"))
        module(workflow("w"))
        ran.wait_for_runs(1)


# -- by the clock


def test_by_the_clock(module: Module, ran: ContextRecorder, clock: FakeClock, url: str) -> None:
    before = "on='w', cron='0 2 * * *', timezone='Europe/Berlin'"
    scope = module(trigger("nightly", before) + workflow("w"))
    with cloaca.DefaultRunner(url) as runner:
        module(trigger("hourly", "'w', name='each hour', cron='30 * * * *'"))  # while it runs
        rows = {row["name"]: row for row in runner.list_cron_schedules()}
        assert {
            name: (row["workflow_name"], row["timezone"], row["next_run_at"][:19]) for name, row in rows.items()
        } == {
            "nightly": ("w", "Europe/Berlin", "2026-11-21T01:00:00"),
            "each hour": ("w", "UTC", "2026-11-21T00:30:00"),
        }
        for instant in ("2026-11-21T00:30:00", "2026-11-21T01:00:00"):
            clock.set(instant)
            wait_until_idle(runner)
            ran.wait_for_runs(1)
        assert ran.times == ["2026-11-21T00:30:00", "2026-11-21T01:00:00"]
        ids = {row["id"] for row in rows.values()}
    assert scope["asked"] == []
    clock.set("2026-11-21T01:10:00")
    with cloaca.DefaultRunner(url) as runner:  # started again: the same schedules, none twice
        assert {row["id"] for row in runner.list_cron_schedules()} == ids
        module(trigger("nightly", "on='w', cron='0 3 * * *', timezone='UTC'"))  # the code was changed
        changed = {row["name"]: row["next_run_at"][:19] for row in runner.list_cron_schedules()}
        assert changed == {"nightly": "2026-11-21T03:00:00", "each hour": "2026-11-21T01:30:00"}
        assert runner.list_trigger_schedules() == []


def test_a_runner_that_is_shut_down_is_left_alone(module: Module, url: str) -> None:
    runner = cloaca.DefaultRunner(url)
    runner.shutdown()
    module(workflow("w") + trigger("t", "on='w', cron='@daily'"))
    with cloaca.DefaultRunner(url) as again:
        assert [row["name"] for row in again.list_cron_schedules()] == ["t"]


# -- what is refused

REFUSED = {
    "both ways to say when": (trigger("t", "on='w', cron='@daily', poll_interval='5s'"), "not both"),
    "a clock without a workflow": (trigger("t", "cron='@daily'"), "which workflow"),
    "a clock in a block, without a workflow": (
        inside("t", "w").replace("trigger()", "trigger(cron='@daily')"),
        "which",
    ),
    "a zone without a clock": (trigger("t", "on='w', timezone='UTC'"), "goes with cron="),
    "no expression": (trigger("t", "on='w', cron='daily'"), "daily"),
    "no zone": (trigger("t", "on='w', cron='@daily', timezone='Mars/Olympus'"), "Mars/Olympus"),
    "both ways to say what": (trigger("t", "'w', on='w'"), "not both"),
    "both ways to say what, by the clock": (trigger("t", "'w', on='w', cron='@daily'"), "not both"),
    "no interval": (trigger("t", "poll_interval='soon'"), "soon"),
    "no workflow": (trigger("t", "on=7, cron='@daily'"), "7"),
    "an empty name of a workflow": (trigger("t", "on=''"), "workflow"),
    "several workflows": (workflow("v") + workflow("w") + trigger("t"), r"several: 'v', 'w'"),
    "no function": ("cloaca.trigger()(7)", "function"),
    "no function, by the clock": ("cloaca.trigger(on='w', cron='@daily')(7)", "name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense(case: str, module: Module) -> None:
    source, says = REFUSED[case]
    with pytest.raises(ScheduleError, match=says) as caught:
        module(source)
    assert isinstance(caught.value, ValueError)
    assert (triggers.list_triggers(), room._cron_triggers, room._pending_bindings) == ([], {}, {})
