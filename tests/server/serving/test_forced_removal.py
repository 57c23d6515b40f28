"""A version that is removed by force does not wait for its runs: they are paused, say why, and can go on later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.server.serving.packages import archive, upload, wait_for_state
from tests.suite.waiting import wait_until

FLOWS = """
from pathlib import Path
import time
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task(retry_attempts=3, retry_delay_ms=3_600_000)
    def check(context):
        if not Path(context["go"]).exists():
            raise ValueError("not yet")
        context["version"] = "{version}"

with WorkflowBuilder("holding"):

    @task()
    def hold(context):
        Path(context["here"]).touch()
        while not Path(context["go"]).exists():
            time.sleep(0.01)

    @task(dependencies=["hold"])
    def after(context):
        context["after"] = True
"""
REASON = "orders==1.0 was removed by force"


def test_its_open_runs_are_paused_and_say_why(god: httpx.Client, tenant: str, tmp_path: Path) -> None:
    path = f"/v1/tenants/{tenant}"
    made = upload(god, archive(flows=FLOWS), tenant=tenant).json()
    wait_for_state(god, made["package_id"], "active", tenant=tenant)
    wait_until(lambda: god.get(f"{path}/workflows/holding").status_code == 200)
    context = {"here": str(tmp_path / "here"), "go": str(tmp_path / "go")}
    waiting, holding = [
        god.post(f"{path}/workflows/{name}/execute", json={"context": context}).json()["execution_id"]
        for name in ("orders", "holding")
    ]

    def shown(run: str) -> dict[str, object]:
        return dict(god.get(f"{path}/executions/{run}?context=true").json())

    wait_until(lambda: "task_failed" in god.get(f"{path}/executions/{waiting}/events").text)
    wait_until((tmp_path / "here").exists)
    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(god.delete, f"{path}/workflows/orders/1.0", params={"force": "true"})
        wait_until(lambda: shown(waiting)["status"] == "paused")  # while a function of the other one goes on
        (tmp_path / "go").touch()
        removed = removal.result()
    assert removed.status_code == 200, removed.text
    assert removed.json()["status"] in ("deleted", "draining")  # a machine that is busy takes longer than it waits
    wait_for_state(god, made["package_id"], "gone", tenant=tenant)
    for run in (waiting, holding):
        found = shown(run)
        assert (found["status"], found["reason"]) == ("paused", REASON), found
    assert god.get(f"{path}/workflows").json()["items"] == []
    assert god.post(f"{path}/workflows/orders/execute").status_code in (404, 409)
    again = god.delete(f"{path}/workflows/orders/1.0", params={"force": "true"}).json()
    assert again == {"status": "deleted", "package_name": "orders", "version": "1.0", "open_runs": 0}

    back = upload(god, archive(flows=FLOWS), tenant=tenant).json()
    wait_for_state(god, back["package_id"], "active", tenant=tenant)
    assert god.post(f"{path}/executions/{holding}/resume", json={}).status_code == 202
    wait_until(lambda: shown(holding)["status"] == "completed")
