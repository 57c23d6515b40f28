"""The parts of a client do the same on a server as on its database; what a database lacks says where it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from holdwater import Client
from holdwater.engine.secret_keys import VARIABLE, generate_key
from holdwater.errors import (
    LimitNotFound,
    ScheduleError,
    ScheduleNotFound,
    SecretNotFound,
    ServerRequired,
    WorkflowNotFound,
    WorkflowPaused,
)
from holdwater.model.retention import RetentionRule
from holdwater.operations.schedule_views import FireInfo
from tests.server.routes.conftest import Runs, runs
from tests.suite.waiting import wait_until

__all__ = ["runs"]


@pytest.fixture(params=["local", "remote"])
def client(request: pytest.FixtureRequest, runs: Runs) -> Client:
    """A client of the database, and one of its server."""
    found: Client = request.getfixturevalue(request.param)
    return found


def test_a_schedule_is_added_changed_paused_and_deleted(client: Client, local: Client) -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    made = client.schedules.register_cron(
        "sums", "0 2 * * *", "Europe/Berlin", name="nightly", context={"amount": 3}, end=end
    )
    changed = client.schedules.change_cron(made, expression="0 3 * * *", jitter_seconds=1.5)
    assert (changed.expression, changed.timezone, changed.jitter_us) == ("0 3 * * *", "Europe/Berlin", 1_500_000)
    assert (changed.inputs, changed.end_at, changed.id) == (made.inputs, made.end_at, made.id)
    assert client.schedules.change_cron(changed, end=None, context=None).end_at is None
    forecast = client.schedules.forecast(made, after=datetime(2029, 12, 31, tzinfo=UTC))
    assert [fire.utc.hour for fire in forecast.fires] == [1]  # the end of 2029 is the end of the schedule
    assert not client.schedules.pause(made).enabled
    assert client.schedules.resume(made).enabled
    assert client.schedules.find_schedule("nightly") == local.schedules.find_schedule("nightly")
    with pytest.raises(ScheduleError):
        client.schedules.change_cron(made, expression="no cron")
    client.schedules.delete_schedule(made)
    with pytest.raises(ScheduleNotFound):
        client.schedules.find_schedule("nightly")
    with pytest.raises(ScheduleNotFound):
        client.schedules.change_cron(made, expression="@daily")


def test_a_fire_by_hand_names_its_run(client: Client) -> None:
    wait_until(lambda: client.get_workflow("sums").runners)
    made = client.schedules.register_cron("sums", "0 2 1 1 *", name="yearly", context={"amount": 3, "other": 1})
    try:
        fired = client.schedules.fire(made)
        (run_id,) = fired.run_ids
        assert fired.fire is not None
        assert (fired.fire.state, fired.fire.run_id) == ("started", run_id)
        assert client.handle(run_id).result(30).final_context["doubled"] == 6
        told = client.schedules.fire(made, {"amount": 5})
        assert told.fire is None
        context = client.handle(told.run_ids[0]).result(30).final_context
        assert (context["doubled"], context["other"]) == (10, 1)
        history: list[FireInfo] = list(client.schedules.list_fires(made))
        assert [fire.run_id for fire in history] == [run_id]
    finally:
        client.schedules.delete_schedule(made)


def test_a_fire_of_a_workflow_that_no_runner_has_waits_for_one(client: Client) -> None:
    made = client.schedules.register_cron("of-the-future", "@yearly", name="future", is_known=True)
    try:
        fired = client.schedules.fire(made, pickup_seconds=0)
        assert fired.run_ids == ()
        assert fired.fire is not None
        assert fired.fire.state == "requested"
    finally:
        client.schedules.delete_schedule(made)


def test_a_workflow_is_paused_and_resumed(client: Client) -> None:
    client.pause_workflow("sums")
    try:
        assert client.list_paused_workflows() == ["sums"]
        with pytest.raises(WorkflowPaused):
            client.submit("sums")
    finally:
        client.resume_workflow("sums")
    assert client.list_paused_workflows() == []
    client.resume_workflow("sums")
    with pytest.raises(WorkflowNotFound):
        client.pause_workflow("nothing")


def test_limits_retention_and_secrets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, generate_key())
    assert client.limits.set_limit("label:site=eu/2", 3).max_running == 3
    assert [one.key for one in client.limits.list_limits()] == ["label:site=eu/2"]
    client.limits.remove_limit("label:site=eu/2")
    with pytest.raises(LimitNotFound):
        client.limits.remove_limit("label:site=eu/2")
    rule = RetentionRule(days=30.0, keep_labels=("audit",))
    assert client.retention.set_rule(rule).rule == rule
    assert client.retention.get_rule().rule == rule
    assert sum(one.count for one in client.retention.preview(rule).counts.values()) == 0
    assert client.retention.apply() == 0
    client.retention.set_rule(RetentionRule())
    made = client.secrets.put_secret("smtp", {"user": "u", "password": "tr0ub4dor"})
    assert made.field_names == ("password", "user")
    assert client.secrets.put_secret("smtp", {"value": "tr0ub4dor"}).field_names == ("value",)
    assert [one.name for one in client.secrets.list_secrets()] == ["smtp"]
    assert "tr0ub4dor" not in repr(client.secrets.list_secrets())
    client.secrets.remove_secret("smtp")
    with pytest.raises(SecretNotFound):
        client.secrets.remove_secret("smtp")


def test_questions_doctor_and_trusted_keys(client: Client, runs: Runs) -> None:
    assert [one.run_id for one in client.questions.list_questions()] == [runs.asking]
    assert client.doctor.diagnose_run(runs.asking)[0].run_id == runs.asking
    assert client.bulk_jobs.list() == []
    key = client.trusted_keys.trust_public_key("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "ops")
    assert [one.fingerprint for one in client.trusted_keys.list_keys() if one.name == "ops"] == [key.fingerprint]


ON_A_SERVER_ONLY: list[Callable[[Client], Any]] = [
    lambda client: client.keys.whoami(),
    lambda client: client.keys.list_keys(),
    lambda client: client.keys.create_key("ci"),
    lambda client: client.keys.rotate_key("k"),
    lambda client: client.keys.revoke_key("k"),
    lambda client: client.tenants.list_tenants(),
    lambda client: client.tenants.create_tenant("acme"),
    lambda client: client.tenants.remove_tenant("acme"),
    lambda client: client.tenants.upgrade_tenant("acme"),
    lambda client: client.audit.iter_records(),
    lambda client: client.packages.upload(b""),
    lambda client: client.packages.read_source("sums"),
]


@pytest.mark.parametrize("call", ON_A_SERVER_ONLY)
def test_a_database_says_where_the_rest_is(local: Client, call: Callable[[Client], Any]) -> None:
    with pytest.raises(ServerRequired, match="this client is on a database") as raised:
        call(local)
    assert raised.value.hint
