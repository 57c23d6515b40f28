"""Concurrency limits and secrets of tenants on a server, for tasks of packages in hosts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

TEXT = "tr0ub4dor-and-3"
FLOWS = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("{name}"):

    @task(limit="smtp-server")
    def send(context):
        context["length"] = len(context.secret("smtp", "password"))
"""
_numbers = itertools.count()


@pytest.fixture
def god(served: ServedHere, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setenv(VARIABLE, generate_key())
    with served.client() as client:
        yield client


def new_tenant(god: httpx.Client) -> str:
    name = f"limited_{next(_numbers)}"
    assert god.post("/v1/tenants", json={"name": name}).status_code == 201
    return name


def test_a_task_of_a_package_waits_for_its_limit_and_reads_its_secret(god: httpx.Client) -> None:
    tenant, other = new_tenant(god), new_tenant(god)
    path = f"/v1/tenants/{tenant}"
    assert god.put(f"{path}/limits/smtp-server", json={"max": 0}).status_code == 200
    assert god.get(f"/v1/tenants/{other}/limits").json()["items"] == []
    made = god.post(f"{path}/secrets", json={"name": "smtp", "fields": {"password": TEXT}})
    assert (made.status_code, TEXT in made.text) == (201, False)
    assert god.get(f"/v1/tenants/{other}/secrets/smtp").status_code == 404
    data = archive("mails", flows=FLOWS, more='[execution]\nsecrets = ["smtp"]\n')
    release = upload(god, data, tenant=tenant).json()["package_id"]
    wait_for_state(god, release, "active", tenant=tenant)
    wait_until(lambda: god.get(f"{path}/workflows/mails").status_code == 200)
    started = god.post(f"{path}/workflows/mails/execute", json={}).json()["execution_id"]
    wait_until(lambda: god.get(f"{path}/limits/smtp-server").json()["waiting"] == 1)
    assert '"limit_full"' in god.get(f"{path}/executions/{started}/doctor").text
    assert god.put(f"{path}/limits/smtp-server", json={"max": 1}).status_code == 200
    wait_until(lambda: god.get(f"{path}/executions/{started}").json()["status"] == "completed")
    done = execute(god, "mails", tenant=tenant)
    assert (done["status"], done["context"]["length"]) == ("completed", len(TEXT))
    assert god.get(f"{path}/limits/smtp-server").json()["used"] == 0
