"""A tenant is removed in one replica of a server while another one executes its packages and sends its events."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.daemon_process import processes_with
from tests.server.serving.flows import iter_events
from tests.server.serving.packages import archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere, serve_here
from tests.suite.waiting import wait_until

HELD = """
import time
from pathlib import Path
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("held"):

    @task()
    def hold(context):
        Path(context["here"]).touch()
        time.sleep(3600)
"""
TENANT = "removed_elsewhere"


def test_streams_hosts_and_engine_of_another_replica_end_with_the_tenant(served: ServedHere, tmp_path: Path) -> None:
    path = f"/v1/tenants/{TENANT}"
    with serve_here(served.database_url, tmp_path / "other") as other, served.client() as god, other.client() as client:
        god.post("/v1/tenants", json={"name": TENANT}).raise_for_status()
        made = upload(client, archive("held", flows=HELD), tenant=TENANT).json()
        wait_for_state(client, made["package_id"], "active", tenant=TENANT)
        wait_until(lambda: client.get(f"{path}/workflows/held").status_code == 200)
        context = {"here": str(tmp_path / "here")}
        run = client.post(f"{path}/workflows/held/execute", json={"context": context}).json()["execution_id"]
        wait_until((tmp_path / "here").exists)
        assert TENANT in other.server.tenants.awake()
        assert processes_with(f"/tenants/{TENANT}")
        assert god.delete(path).json()["code"] == "tenant_in_use"
        with client.stream("GET", f"{path}/executions/{run}/stream") as stream:
            events = iter_events(stream.iter_lines())
            assert next(events)[1] == "workflow_started"
            removed = god.delete(path, params={"force": True})
            assert removed.status_code == 200, removed.text
            assert TENANT not in other.server.tenants.awake() + served.server.tenants.awake()
            assert processes_with(f"/tenants/{TENANT}") == []
            assert [name for _, name, _ in events][-1] == "bye"
        assert client.get(f"{path}/executions").status_code == 404
        god.post("/v1/tenants", json={"name": TENANT}).raise_for_status()
        assert client.get(f"{path}/executions").json()["items"] == []
        assert god.delete(path).status_code == 200
