"""The life of a package on a server: uploaded, listed, executed, replaced, removed; and its tenants."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.suite.waiting import wait_until


def test_what_is_said_to_be_active_can_be_started_at_once(god: httpx.Client, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/workflows"
    answer = upload(god, archive(), tenant=tenant)
    while answer.status_code == 202:  # a machine that is busy takes longer than the request waits
        assert answer.json()["state"] == "registering"
        answer = upload(god, archive(), tenant=tenant)
    assert answer.json()["state"] == "active", answer.text
    started = god.post(f"{path}/orders/execute", json={})
    assert started.status_code == 202, started.text
    run = god.get(f"/v1/tenants/{tenant}/executions/{started.json()['execution_id']}").json()
    assert run["release"] == answer.json()["package_id"]
    unknown = god.post(f"{path}/nothing-like-it/execute", json={}).json()
    assert unknown["code"] == "workflow_not_found"
    assert unknown["error"] == "no runner of this database has announced a workflow named 'nothing-like-it'"


def test_a_package_is_uploaded_executed_replaced_and_removed(god: httpx.Client, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}"
    first = upload(god, archive(), tenant=tenant)
    assert first.status_code in (201, 202), first.text
    body = first.json()
    assert (body["package_name"], body["version"], body["tenant_id"]) == ("orders", "1.0", tenant)
    wait_for_state(god, body["package_id"], "active", tenant=tenant)
    again = upload(god, archive(), tenant=tenant)
    assert again.status_code == 200, again.text
    assert again.json()["package_id"] == body["package_id"]
    assert again.json()["workflows"] == ["orders"]

    done = execute(god, "orders", tenant=tenant, context={"order_id": 17})
    assert (done["status"], done["context"]["saved"]) == ("completed", 17)
    assert done["release"] == body["package_id"]
    events = god.get(f"{path}/executions/{done['execution_id']}/events").json()["items"]
    assert events[0]["sequence_num"] == 1

    (listed,) = god.get(f"{path}/workflows").json()["items"]
    assert (listed["workflow_name"], listed["package_name"], listed["version"]) == ("orders", "orders", "1.0")
    assert (listed["state"], listed["paused"], listed["tasks"]) == ("active", False, ["load", "save"])
    shown = god.get(f"{path}/workflows/orders").json()
    assert [one["id"] for one in shown["task_graph"]] == ["load", "save"]
    assert [one["version"] for one in shown["versions"]] == ["1.0"]
    assert shown["build_status"] == "success"
    source = god.get(f"{path}/workflows/orders/source").json()
    assert "def save(context)" in {one["path"]: one["contents"] for one in source["files"]}["workflow/orders_flows.py"]
    assert god.get(f"{path}/workflows/orders/picture.svg").headers["content-type"] == "image/svg+xml"

    second = upload(god, archive(version="2.0"), tenant=tenant).json()
    wait_for_state(god, second["package_id"], "active", tenant=tenant)
    wait_until(lambda: god.get(f"{path}/workflows/orders").json()["version"] == "2.0")
    assert execute(god, "orders", tenant=tenant)["context"]["version"] == "2.0"
    assert execute(god, "orders", tenant=tenant, version="1.0")["context"]["version"] == "1.0"
    old = upload(god, archive(version="0.9"), tenant=tenant).json()
    wait_for_state(god, old["package_id"], "inactive", tenant=tenant)
    states = {one["version"]: one["state"] for one in god.get(f"{path}/workflows/orders").json()["versions"]}
    assert states == {"0.9": "inactive", "1.0": "inactive", "2.0": "active"}
    listed_inactive = god.get(f"{path}/workflows", params={"state": "inactive"}).json()["items"]
    assert [one["version"] for one in listed_inactive] == ["0.9", "1.0"]

    activated = god.post(f"{path}/workflows/orders/1.0/activate")
    assert activated.status_code == 200, activated.text
    wait_for_state(god, body["package_id"], "active", tenant=tenant)
    for version in ("1.0", "2.0", "0.9", "9.9"):
        removed = god.delete(f"{path}/workflows/orders/{version}")
        assert removed.json()["status"] == "deleted", removed.text
    wait_for_state(god, body["package_id"], "gone", tenant=tenant)
    assert god.get(f"{path}/workflows").json()["items"] == []
    assert god.post(f"{path}/workflows/orders/execute").status_code in (404, 409)


HELD = """
import time
from pathlib import Path
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task()
    def hold(context):
        Path(context["here"]).touch()
        while not Path(context["go"]).exists():
            time.sleep(0.01)
"""


def test_a_version_with_open_runs_drains(god: httpx.Client, tenant: str, tmp_path: Path) -> None:
    path = f"/v1/tenants/{tenant}"
    made = upload(god, archive(flows=HELD), tenant=tenant).json()
    wait_for_state(god, made["package_id"], "active", tenant=tenant)
    wait_until(lambda: god.get(f"{path}/workflows/orders").status_code == 200)
    context = {"here": str(tmp_path / "here"), "go": str(tmp_path / "go")}
    started = god.post(f"{path}/workflows/orders/execute", json={"context": context}).json()
    wait_until((tmp_path / "here").exists)
    in_use = god.delete(path)
    assert (in_use.status_code, in_use.json()["code"]) == (409, "tenant_in_use")
    removed = god.delete(f"{path}/workflows/orders/1.0").json()
    assert (removed["status"], removed["open_runs"]) == ("draining", 1)
    assert god.post(f"{path}/workflows/orders/execute").status_code == 409
    (tmp_path / "go").touch()
    wait_until(lambda: god.get(f"{path}/executions/{started['execution_id']}").json()["status"] == "completed")
    wait_for_state(god, made["package_id"], "gone", tenant=tenant)


def test_a_paused_workflow_starts_nothing(god: httpx.Client, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/workflows/orders"
    made = upload(god, archive(), tenant=tenant).json()
    wait_for_state(god, made["package_id"], "active", tenant=tenant)
    wait_until(lambda: god.get(path).status_code == 200)
    assert god.post(f"{path}/pause").json()["paused"] is True
    assert god.get(path).json()["paused"] is True
    refused = god.post(f"{path}/execute")
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_paused")
    assert god.post(f"{path}/resume").json()["paused"] is False
    assert execute(god, "orders", tenant=tenant)["status"] == "completed"


def test_tenants_with_packages_of_the_same_names_do_not_see_each_other(god: httpx.Client, tenant: str) -> None:
    other = f"{tenant}_too"
    assert god.post("/v1/tenants", json={"schema_name": other}).status_code == 201
    for name, version in ((tenant, "1.0"), (other, "2.0")):
        made = upload(god, archive(version=version), tenant=name).json()
        wait_for_state(god, made["package_id"], "active", tenant=name)
    runs = {name: execute(god, "orders", tenant=name) for name in (tenant, other)}
    assert [run["context"]["version"] for run in runs.values()] == ["1.0", "2.0"]
    for name, version in ((tenant, "1.0"), (other, "2.0")):
        shown = god.get(f"/v1/tenants/{name}/workflows/orders").json()
        assert [one["version"] for one in shown["versions"]] == [version]
        assert god.get(f"/v1/tenants/{name}/executions").json()["total"] == 1
        assert god.get(f"/v1/tenants/{name}/workflows/orders", params={"version": "1.0"}).status_code == (
            200 if version == "1.0" else 404
        )
    foreign = runs[tenant]["execution_id"]
    assert god.get(f"/v1/tenants/{other}/executions/{foreign}").status_code == 404
    removed = god.delete(f"/v1/tenants/{tenant}")
    assert removed.status_code == 200, removed.text
    assert god.get(f"/v1/tenants/{tenant}/executions").status_code == 404
    assert execute(god, "orders", tenant=other)["status"] == "completed"
