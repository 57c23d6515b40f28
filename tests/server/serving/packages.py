"""Packages, as they are uploaded by tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.packages.archive_files import package
from tests.suite.waiting import wait_until

MANIFEST = """\
format = 1

[package]
name = "{name}"
version = "{version}"

[entry]
modules = ["{name}_flows"]
{more}"""
FLOWS = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("{name}"):

    @task()
    def load(context):
        context["version"] = "{version}"

    @task(dependencies=["load"])
    def save(context):
        context["saved"] = context.get("order_id", 0)
"""


def archive(
    name: str = "orders",
    version: str = "1.0",
    flows: str = FLOWS,
    *,
    more: str = "",
    files: Mapping[str, bytes | str] | None = None,
) -> bytes:
    """A package with one workflow of its name."""
    source = flows.replace("{name}", name).replace("{version}", version)
    contents = {f"workflow/{name}_flows.py": source, **(files or {})}
    return package(contents, MANIFEST.format(name=name, version=version, more=more), top=f"{name}-{version}")


def upload(
    client: httpx.Client, data: bytes, *, tenant: str = "public", signature: bytes | None = None
) -> httpx.Response:
    parts: dict[str, Any] = {"file": ("package.cloacina", data)}
    if signature is not None:
        parts["signature"] = ("package.cloacina.sig", signature)
    return client.post(f"/v1/tenants/{tenant}/workflows", files=parts)


def wait_for_state(client: httpx.Client, release: str, state: str, *, tenant: str = "public") -> dict[str, Any]:
    """Wait until a release is in a state; returns it."""
    path = f"/v1/tenants/{tenant}/releases/{release}"
    wait_until(lambda: client.get(path).json().get("state") == state)  # or it was asked too often
    found: dict[str, Any] = client.get(path).json()
    return found


def execute(client: httpx.Client, workflow: str, *, tenant: str = "public", **body: Any) -> dict[str, Any]:
    """Start a run, and wait for its end; returns it with its context."""
    path = f"/v1/tenants/{tenant}"
    wait_until(lambda: client.get(f"{path}/workflows/{workflow}").status_code == 200)
    started = client.post(f"{path}/workflows/{workflow}/execute", json=body)
    assert started.status_code == 202, started.text
    where = f"{path}/executions/{started.json()['execution_id']}?context=true"
    wait_until(lambda: client.get(where).json()["status"] not in ("running", "scheduled"))
    found: dict[str, Any] = client.get(where).json()
    return found
