"""A package whose tasks wait for files, and put there what they have done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.daemon.packages import archive
from tests.suite.waiting import wait_until

FLOWS = """
import os
import time
from pathlib import Path

from holdwater import WorkflowBuilder, task

with WorkflowBuilder("gated"):

    @task(id="before")
    def before(context):
        context["before"] = True

    @task(id="waits", dependencies=["before"])
    def waits(context):
        folder = Path(context["folder"])
        (folder / f"began-{os.getpid()}").touch()
        while not (folder / "go").exists():
            time.sleep(0.005)
        (folder / f"ended-{os.getpid()}").touch()

    @task(id="after", dependencies=["waits"])
    def after(context):
        context["after"] = True

with WorkflowBuilder("quick"):

    @task(id="only")
    def only(context):
        context["done"] = context["number"]
"""
PUBLIC = "/v1/tenants/public"


def put_package(database_url: str) -> None:
    """Put the package into the tenant `public`, as an upload does."""
    store = open_store(database_url)
    try:
        DatabaseWorkflowRegistry(store, SystemClock()).register(archive("flows", "1.0", FLOWS))
    finally:
        store.close()


def wait_for_workflows(client: httpx.Client) -> None:
    """Wait until a server can start runs of the package."""

    def is_known() -> bool:
        return client.get(f"{PUBLIC}/workflows/quick").status_code == 200

    wait_until(is_known)


def execute(client: httpx.Client, workflow: str, key: str = "", **context: Any) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    return client.post(f"{PUBLIC}/workflows/{workflow}/execute", json={"context": context}, headers=headers)


def start(client: httpx.Client, workflow: str, **context: Any) -> str:
    """Start a run; gives its id."""
    answer = execute(client, workflow, **context)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["execution_id"])


def status_of(client: httpx.Client, run_id: str) -> str:
    return str(client.get(f"{PUBLIC}/executions/{run_id}").json()["status"]).lower()


def iter_events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Events of a stream: id, name, data."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            if "event" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields.get("data") or "null")
            fields = {}


def files(folder: Path, prefix: str) -> list[Path]:
    return sorted(folder.glob(f"{prefix}-*"))
