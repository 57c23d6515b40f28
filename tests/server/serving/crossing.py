"""Tenants that have the same names of everything, each with a mark that must be in no answer to another one."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.engine.secret_keys import VARIABLE, generate_key
from holdwater.graphs import Graph, interrupt, node
from tests.server.serving.packages import archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
PACKED = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("packed"):

    @task()
    def only(context):
        context["package"] = "{mark}"
"""
logger = logging.getLogger("crossing")


@dataclass
class Marked:
    """A tenant whose data has its mark.  `ids`: what it has that others must not reach, by parameter of a path.

    `key`: of its administrator.
    """

    name: str
    key: str
    mark: str
    ids: dict[str, str] = field(default_factory=dict)

    def path_of(self, template: str, owner: Marked) -> str:
        """The path of an operation in the own tenant, with the ids of another."""
        values = {"tenant": self.name, **owner.ids}
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], template)

    def with_other_ids(self, names: Sequence[str]) -> Marked:
        """The same with ids of the same form that nothing has."""
        return Marked(self.name, self.key, self.mark, {**self.ids, **{one: different(self.ids[one]) for one in names}})

    def assert_not_in(self, text: str, where: object) -> None:
        """Nothing that only this tenant has is in a text."""
        for own in (self.mark, *[self.ids[name] for name in UNIQUE]):
            assert own not in text, where


UNIQUE = ("run_id", "bulk_id", "key_id", "schedule_id", "release", "fingerprint")
"""parameters of paths whose values differ from tenant to tenant; all others are the same names in all of them"""


def different(text: str) -> str:
    """An id of the same form that nothing has."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@node(output_name="doubled")
def double(amount: int, note: str) -> int:
    logger.warning("the log says %s", note)
    return amount * 2


@interrupt(answer_name="approved", name="ask")
def ask(doubled: int) -> str:
    return f"is {doubled} right?"


def fill(served: ServedHere, god: httpx.Client, name: str) -> Marked:
    """Make a tenant with a run that waits, a package, a schedule, a limit, a secret and a bulk job, all marked."""
    mark = f"mark-of-{name}"
    made = god.post("/v1/tenants", json={"schema_name": name, "username": name, "description": mark})
    assert made.status_code == 201, made.text
    key = god.post(f"/v1/tenants/{name}/keys", json={"name": mark, "role": "admin"})
    assert key.status_code == 201, key.text
    tenant = Marked(name, key.json()["key"], mark)
    tenant.ids |= {"key_id": key.json()["id"], "task": "ask", "name": "same", "key": "same", "version": "1.0"}
    tenant.ids["kind"] = "workflow"
    base = f"/v1/tenants/{name}"
    config = DefaultRunnerConfig(capture_logs=True)
    with (
        DefaultRunner(served.database_url, schema=name, config=config) as runner,
        served.client(tenant.key) as client,
    ):
        # announces the workflow, and leaves a question behind
        inputs = {"amount": 4, "note": mark}
        handle = runner.submit(Graph([double, ask], name="same"), inputs, labels={"mark": mark})
        wait_until(lambda: runner.get_run(handle.run_id).status == "Paused")
        tenant.ids["run_id"] = handle.run_id
        wait_until(lambda: client.get(f"{base}/workflows/same").status_code == 200)
    with served.client(tenant.key) as client:
        trigger = {"name": "same", "workflow_name": "same", "cron_expression": "0 3 1 1 *"}
        scheduled = client.post(f"{base}/triggers", json={**trigger, "context": {"amount": 1, "note": mark}})
        assert scheduled.status_code == 201, scheduled.text
        tenant.ids["schedule_id"] = scheduled.json()["id"]
        assert client.put(f"{base}/limits/same", json={"max": 7}).status_code in (200, 201)
        bulk = client.post(f"{base}/executions/bulk", json={"verb": "cancel", "ids": ["0" * 36], "reason": mark})
        assert bulk.status_code == 202, bulk.text
        tenant.ids["bulk_id"] = bulk.json()["bulk_id"]
        wait_until(lambda: client.get(f"{base}/bulk/{tenant.ids['bulk_id']}").json()["state"] == "completed")
        public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        trusted = {"name": mark, "public_key": base64.b64encode(public).decode()}
        trust = client.post(f"{base}/trusted-keys", json=trusted)
        assert trust.status_code == 201, trust.text
        tenant.ids["fingerprint"] = trust.json()["fingerprint"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, generate_key())
            assert client.post(f"{base}/secrets", json={"name": "same", "fields": {"text": mark}}).status_code == 201
        package = upload(client, archive("same", flows=PACKED.replace("{mark}", mark)), tenant=name)
        assert package.status_code in (201, 202), package.text
        tenant.ids["release"] = package.json()["package_id"]
        wait_for_state(client, tenant.ids["release"], "active", tenant=name)
    return tenant


def pairs(tenants: Sequence[Marked]) -> Iterator[tuple[Marked, Marked]]:
    for one in tenants:
        yield from ((one, other) for other in tenants if other is not one)


def without_request(text: str) -> str:
    """A text without what differs from request to request."""
    return re.sub(r'"request_id":\s*"[^"]*"|\b[0-9a-f]{32}\b', "", text)


@contextmanager
def signed_in(served: ServedHere, tenant: Marked) -> Iterator[tuple[httpx.Client, str]]:
    """A browser with a session of a tenant's administrator, and the token of its forms."""
    with served.stranger(headers=SAME_ORIGIN) as browser:
        assert browser.post("/ui/login", data={"key": tenant.key}).status_code == 303
        page = browser.get(f"/ui/{tenant.name}/schedules").text
        found = re.search('name="csrf_token" value="([^"]+)"', page)
        assert found is not None
        yield browser, found[1]
