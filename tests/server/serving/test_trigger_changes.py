"""Schedules and triggers are changed by requests; those of a package belong to it; a paused workflow fires nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.serving.packages import archive, upload, wait_for_state
from tests.suite.waiting import wait_until

FLOWS = """
from holdwater import TriggerResult, WorkflowBuilder, task, trigger

for name in ("orders", "witness"):
    with WorkflowBuilder(name):

        @task()
        def only(context):
            context["done"] = True

@trigger("orders", name="poll", poll_interval="100ms")
def poll():
    return TriggerResult.fire({})
"""
SCHEDULES = """
[[schedules]]
name = "yearly"
workflow = "orders"
cron = "0 0 1 1 *"
context = { amount = 3 }
"""
EVERY_SECOND = "* * * * * *"
NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "workflow_name": "orders",
    "cron_expression": "0 2 * * *",
    "context": {"amount": 3},
    "overlap": "queue",
    "allow_unknown": True,
}
OF_PACKAGE = ("orders~1yearly", "orders~1poll")


@pytest.fixture
def packaged(god: httpx.Client, tenant: str) -> str:
    """The path of a tenant with a package that has a schedule and a trigger."""
    made = upload(god, archive(flows=FLOWS, more=SCHEDULES), tenant=tenant).json()
    wait_for_state(god, made["package_id"], "active", tenant=tenant)
    path = f"/v1/tenants/{tenant}"
    wait_until(lambda: statuses(god, path) == {200})
    return path


def statuses(god: httpx.Client, path: str) -> set[int]:
    """The answers to requests for what is of the package."""
    return {god.get(f"{path}/triggers/{name}").status_code for name in OF_PACKAGE}


def test_what_is_left_out_of_a_change_stays(god: httpx.Client, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/triggers"
    before = god.post(path, json=NIGHTLY).json()
    changes: tuple[dict[str, Any], ...] = (
        {"cron_expression": "30 4 * * *"},
        {"timezone": "Asia/Tokyo"},
        {"context": {"amount": 5, "tags": ["a"]}},
        {"catchup": "run_all", "overlap": "skip"},
        {"context": None},
    )
    for change in changes:
        changed = god.patch(f"{path}/nightly", json=change)
        assert changed.status_code == 200, changed.text
        after = changed.json()
        own = {*change, "updated_at", "next_run_at", "schedule"}
        assert {name: after[name] for name in change} == change
        assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
        before = god.get(f"{path}/nightly").json()
        assert before == after
    assert god.get(f"{path}/nightly/next", params={"count": 1}).json()["items"][0]["local"].endswith("04:30:00+09:00")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cron_expression": "61 * * * *"}, "schedule_invalid"),
        ({"cron_expression": "0 0 30 2 *"}, "schedule_invalid"),
        ({"cron_expression": "0 2 * * *\0"}, "invalid_request"),
        ({"timezone": "Mars/Base"}, "schedule_invalid"),
        ({"end_at": "2001-01-01T00:00:00Z"}, "schedule_invalid"),
        ({"context": [1]}, "invalid_request"),
        ({"context": {"x": {"$t": "enum", "c": "os:x", "v": "y"}}}, "value_invalid"),
        ({"name": "other"}, "invalid_request"),
        ({"workflow_name": "other"}, "invalid_request"),
        ({"enabled": False}, "invalid_request"),
    ],
)
def test_changes_that_cannot_be(god: httpx.Client, change: dict[str, Any], code: str) -> None:
    path = "/v1/tenants/public/triggers"
    god.post(path, json=NIGHTLY)
    before = god.get(f"{path}/nightly").json()
    refused = god.patch(f"{path}/nightly", json={"catchup": "run_all", **change})
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    assert god.get(f"{path}/nightly").json() == before


def test_what_is_of_a_package_is_changed_there(god: httpx.Client, packaged: str) -> None:
    path = f"{packaged}/triggers"
    in_code = god.patch(f"{path}/orders~1poll", json={"context": {"amount": 9}})
    assert (in_code.status_code, in_code.json()["code"]) == (400, "schedule_invalid")
    assert "in its code" in in_code.json()["error"]
    for method, name in (("PATCH", "orders~1yearly"), ("DELETE", "orders~1yearly"), ("DELETE", "orders~1poll")):
        refused = god.request(method, f"{path}/{name}", json={"context": {"amount": 9}} if method == "PATCH" else None)
        assert (refused.status_code, refused.json()["code"]) == (409, "trigger_of_package"), (name, method)
        assert "package 'orders'" in refused.json()["error"]
    for name in OF_PACKAGE:
        assert god.post(f"{path}/{name}/pause").json()["enabled"] is False
        assert god.post(f"{path}/{name}/resume").json()["enabled"] is True
    taken = god.post(path, json={**NIGHTLY, "name": "orders/mine"})
    assert (taken.status_code, taken.json()["code"]) == (409, "trigger_of_package")
    assert god.post(path, json={**NIGHTLY, "name": "others/mine"}).status_code == 201
    assert god.get(f"{path}/orders~1yearly").json()["context"] == {"amount": 3}
    god.delete(f"{packaged}/workflows/orders/1.0", params={"force": "true"})
    wait_until(lambda: statuses(god, packaged) == {404})
    mine = god.post(path, json={**NIGHTLY, "name": "orders/mine"})
    assert mine.status_code == 201, mine.text
    assert god.delete(f"{path}/orders~1mine").status_code == 200


def test_a_paused_workflow_fires_nothing_and_makes_up_for_it_as_its_policies_say(
    god: httpx.Client, packaged: str
) -> None:
    path = f"{packaged}/triggers"

    def started(name: str) -> list[str]:
        """Instants of the fires with a run, oldest first."""
        items = god.get(f"{path}/{name}/history", params={"limit": 1000}).json()["items"]
        return sorted(one["scheduled_time"] for one in items if one["execution_id"] is not None)

    def wait_for_more(name: str, count: int) -> None:
        enough = len(started(name)) + count
        wait_until(lambda: len(started(name)) >= enough)

    for name, workflow, catchup in (
        ("all", "orders", "run_all"),
        ("latest", "orders", "skip"),
        ("witness",) * 2 + ("skip",),
    ):
        body = {"name": name, "workflow_name": workflow, "cron_expression": EVERY_SECOND, "catchup": catchup}
        assert god.post(path, json=body).status_code == 201
    fired = ("all", "latest", "orders~1poll")
    wait_until(lambda: all([started(name) for name in fired]))
    assert god.post(f"{packaged}/workflows/orders/pause").json()["paused"] is True
    wait_for_more("witness", 2)  # what was on its way has come
    before = {name: started(name) for name in fired}
    wait_for_more("witness", 3)
    assert {name: started(name) for name in fired} == before
    for name in fired:
        assert god.get(f"{path}/{name}").json()["enabled"] is True

    assert god.post(f"{packaged}/workflows/orders/resume").json()["paused"] is False
    wait_until(lambda: all([len(started(name)) > len(before[name]) for name in fired]))
    wait_until(lambda: len(started("all")) >= len(before["all"]) + 3)
    missed = started("all")[len(before["all"]) :]
    assert int(missed[0][17:19]) == (int(before["all"][-1][17:19]) + 1) % 60  # the first that was missed
    assert started("latest")[len(before["latest"])] > missed[1]  # the latest alone
