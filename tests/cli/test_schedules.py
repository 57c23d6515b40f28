"""`holdwater schedules`: written down here, fired by a runner elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from holdwater import DefaultRunner, TriggerResult, WorkflowBuilder, task, trigger
from holdwater.model.registry import registry
from holdwater.model.triggers import triggers
from tests.cli.conftest import Shell
from tests.suite.waiting import poll_pause


def run_schedules_command(shell: Shell, *arguments: str, code: int = 0) -> str:
    done = shell("schedules", *arguments)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def runner(shell: Shell) -> Iterator[DefaultRunner]:
    """A runner beside the commands."""
    with WorkflowBuilder("report"):

        @task()
        def write(context: dict[str, object]) -> None: ...

    with DefaultRunner(f"sqlite:///{shell.home}/holdwater.db") as made:
        yield made
    registry.unregister("report")
    triggers.unregister("inbox")


def test_the_life_of_a_schedule(shell: Shell) -> None:
    said = run_schedules_command(
        shell, "add", "report", "0 3 * * *", "--timezone", "Europe/Berlin", "--allow-unknown", "--json",
        "--context", '{"a": 1}', "--overlap", "skip", "--catchup", "run_once", "--start", "2126-01-01",
    )  # fmt: skip
    row = json.loads(said)
    assert (row["context"], row["overlap"], row["catchup_policy"]) == ({"a": 1}, "skip", "run_once")
    assert row["next_run_at"] == "2126-01-01T02:00:00.000000Z"
    named = run_schedules_command(shell, "add", "report", "@daily", "--name", "daily", "--allow-unknown")
    assert named.startswith("schedule daily of report fires at @daily, UTC\n")
    again = run_schedules_command(shell, "add", "report", "@hourly", "--name", "daily", "--allow-unknown")
    assert again.splitlines()[-1] == named.splitlines()[-1], "the id is the same"
    assert run_schedules_command(shell, "list").splitlines()[-1].startswith("daily")
    assert [r["cron_expression"] for r in json.loads(run_schedules_command(shell, "list", "--json"))] == [
        "0 3 * * *",
        "@hourly",
    ]
    assert "0 3 * * * Europe/Berlin" in run_schedules_command(shell, "list")

    assert "is paused" in run_schedules_command(shell, "pause", "daily")
    assert "paused" in run_schedules_command(shell, "list")
    assert len(json.loads(run_schedules_command(shell, "list", "--enabled", "--json"))) == 1
    assert "goes on" in run_schedules_command(shell, "resume", "daily")
    shown = json.loads(run_schedules_command(shell, "show", row["id"][:8], "--json"))
    assert (shown["id"], shown["history"]) == (row["id"], [])
    assert "Europe/Berlin" in run_schedules_command(shell, "show", row["id"])
    described = run_schedules_command(shell, "show", row["id"]).splitlines()
    assert described[0].split() == ["schedule", row["id"]]
    assert not [line for line in described if "_" in line.split()[0]], "labels are for people"
    assert "is deleted" in run_schedules_command(shell, "remove", "daily")
    assert json.loads(run_schedules_command(shell, "remove", row["id"], "--json"))["id"] == row["id"]
    assert run_schedules_command(shell, "list") == "no schedules\n"


def test_a_runner_is_notified(shell: Shell, runner: DefaultRunner) -> None:
    row = json.loads(
        run_schedules_command(shell, "add", "report", "* * * * * *", "--json")
    )  # the runner has announced it
    while not (fires := runner.get_cron_execution_history(row["id"])):  # bounded by the test's time-out
        poll_pause()
    assert runner.handle(fires[0]["pipeline_execution_id"]).result(60).status == "Completed"
    assert "Completed" in run_schedules_command(shell, "show", row["id"], "--limit", "100")
    run_schedules_command(shell, "pause", row["id"])
    assert runner.get_cron_schedule(row["id"])["enabled"] is False
    said = run_schedules_command(shell, "run-now", row["id"])
    assert runner.handle(said.split()[1]).result(60).status == "Completed"


def test_nobody_is_there_to_run_it(shell: Shell) -> None:
    run_schedules_command(shell, "add", "report", "@daily", "--name", "daily", "--allow-unknown")
    assert "is asked for" in run_schedules_command(shell, "run-now", "daily")
    assert json.loads(run_schedules_command(shell, "run-now", "daily", "--json"))["status"] == "Queued"


def test_triggers(shell: Shell, runner: DefaultRunner) -> None:
    @trigger("report", poll_interval="1h")
    def inbox() -> TriggerResult:
        return TriggerResult.skip()

    while not (runner.get_trigger_schedule("inbox") or {}).get("last_poll_at"):  # bounded by the test's time-out
        poll_pause()
    assert "asked every 3600 s" in run_schedules_command(shell, "list")
    assert "inbox" in run_schedules_command(shell, "show", "inbox")
    run_schedules_command(shell, "pause", "inbox")
    row = runner.get_trigger_schedule("inbox")
    assert row is not None
    assert row["enabled"] is False
    run_schedules_command(shell, "resume", "inbox")
    assert "is a trigger" in run_schedules_command(shell, "next", "inbox", code=2)


def test_coming_times(shell: Shell) -> None:
    berlin = ("next", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--count", "2")
    out = run_schedules_command(shell, *berlin, "--after", "2027-03-27T12:00:00Z")
    first, second = out.splitlines()
    assert first.startswith("2027-03-28 01:00:00Z  2027-03-28 03:00:00+02:00  02:30 is skipped")
    assert second == "2027-03-29 00:30:00Z  2027-03-29 02:30:00+02:00"
    rows = json.loads(run_schedules_command(shell, *berlin, "--after", "2027-10-30T12:00:00Z", "--json"))
    assert rows[0]["utc"] == "2027-10-31T00:30:00.000000Z"
    assert "comes twice" in rows[0]["note"]
    run_schedules_command(shell, "add", "w", "@hourly", "--name", "hourly", "--allow-unknown")
    assert len(run_schedules_command(shell, "next", "hourly").splitlines()) == 5
    assert "is paused" not in shell("schedules", "next", "hourly").stderr
    run_schedules_command(shell, "pause", "hourly")
    assert "is paused" in shell("schedules", "next", "hourly").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "w", "* *", "--allow-unknown"), 2, "field"),
        (("add", "w", "* * * * *"), 3, "--allow-unknown"),
        (("add", "w", "* * * * *", "--timezone", "Berlin", "--allow-unknown"), 2, "Europe/Berlin"),
        (("add", "w", "* * * * *", "--context", "{", "--allow-unknown"), 2, "JSON"),
        (("list", "--database", "sqlite:///none.db"), 3, "no database"),
        (("pause", "x", "--database", "sqlite:///none.db"), 3, "no database"),
        (("add", "w", "* * * * *", "--grace", "-1", "--allow-unknown"), 2, "--grace -1 is not between 0 and"),
        (("add", "w", "* * * * *", "--grace", "nan", "--allow-unknown"), 2, "--grace nan is not between 0 and"),
        (("add", "w", "* * * * *", "--jitter", "inf", "--allow-unknown"), 2, "--jitter inf is not between 0 and"),
        (("add", "w", "* * * * *", "--start", "soon", "--allow-unknown"), 2, "--start soon is no instant"),
        (("add", "w", "* * * * *", "--end", "soon", "--allow-unknown"), 2, "--end soon is no instant"),
        (("next", "--cron", "* * * * *", "--after", "soon"), 2, "--after soon is no instant"),
        (("next",), 2, "--cron"),
        (("next", "--cron", "0 0 31 2 *"), 2, "never fires"),
    ],
)
def test_errors(shell: Shell, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run_schedules_command(shell, *arguments, code=code)


def test_which_schedule(shell: Shell) -> None:
    for _ in range(20):
        run_schedules_command(shell, "add", "w", "@daily", "--allow-unknown")
    for verb in ("show", "pause", "resume", "remove", "run-now", "next"):
        assert "there is no schedule 'nobody'" in run_schedules_command(shell, verb, "nobody", code=3)
    run_schedules_command(shell, "add", "w", "@daily", "--name", "orders/nightly", "--allow-unknown")
    assert "did you mean 'orders/nightly'?" in run_schedules_command(shell, "show", "nightly", code=3)
    ids = [row["id"] for row in json.loads(run_schedules_command(shell, "list", "--json"))]
    first = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in ids) > 1)
    assert "several schedules" in run_schedules_command(shell, "show", first, code=2)
