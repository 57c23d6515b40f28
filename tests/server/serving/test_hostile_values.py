"""Values that no well-meaning caller sends, to every operation that takes some; code that is no guest of the server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, interrupt, node
from holdwater.model.registry import registry
from tests.server.serving.hostile import JSON, assert_typed, make_tenant
from tests.server.serving.packages import archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

TENANT: Final = "hostile_values"
BASE: Final = f"/v1/tenants/{TENANT}"
TAGS: Final[dict[str, str]] = {
    "dataclass": '{"$t": "dataclass", "c": "this:x", "v": {}}',
    "enum": '{"$t": "enum", "c": "antigravity:x", "v": 1}',
    "pydantic": '{"$t": "pydantic", "c": "this:x", "v": {}}',
    "exception": '{"$t": "exception", "c": "os:system", "v": ["id"]}',
    "unknown tag": '{"$t": "py/object", "v": "os.system"}',
    "list as a tag": '{"$t": ["deep"], "v": null}',
    "tag without a value": '{"$t": "set"}',
}
TEXTS: Final[dict[str, str]] = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "too large": "1e400",
    "duplicate key": '{"a": 1, "a": 2}',
    "depth": "[" * 120 + "]" * 120,
    "great depth": "[" * 100_000,
    "digits": "9" * 4_301,
    "cut": '{"a": ',
    "comment": "1 /* x */",
    "single quotes": "{'a': 1}",
    "hexadecimal": "0x10",
}
RAW: Final[dict[str, bytes]] = {"not UTF-8": b'"\xff"', "UTF-16": '"x"'.encode("utf-16"), "two": b'"a" "b"'}
VALUES: Final = {**{kind: text.encode() for kind, text in {**TAGS, **TEXTS}.items()}, **RAW}
PICKLE: Final = "\"cos\\nsystem\\n(S'id'\\ntR.\""


@node(output_name="doubled")
def double(amount: int) -> int:
    return amount * 2


@interrupt(answer_name="approved", name="ask")
def ask(doubled: int) -> str:
    return f"is {doubled} right?"


@pytest.fixture(scope="module")
def client(served: ServedHere) -> Iterator[httpx.Client]:
    with make_tenant(served, TENANT) as made:
        yield made


@pytest.fixture(scope="module")
def requests(served: ServedHere, client: httpx.Client) -> Iterator[dict[str, tuple[str, str, str]]]:
    """Method, path and body of what takes values; `{value}` is where they are."""
    with DefaultRunner.with_schema(served.database_url, TENANT) as runner:
        handle = runner.submit(Graph([double, ask], name="asks"), {"amount": 4})
        wait_until(lambda: runner.get_run(handle.run_id).status == "Paused")
        wait_until(lambda: client.get(f"{BASE}/workflows/asks").status_code == 200)
    cron = '"workflow_name": "asks", "cron_expression": "0 3 1 1 *"'
    made = client.post(f"{BASE}/triggers", content=f'{{"name": "kept", {cron}}}', headers={"content-type": JSON})
    assert made.status_code == 201, made.text
    run = f"{BASE}/executions/{handle.run_id}"
    yield {
        "execute": ("POST", f"{BASE}/workflows/asks/execute", '{"context": {"amount": {value}}}'),
        "fork": ("POST", f"{run}/fork", '{"from_task": "double", "context": {"amount": {value}}}'),
        "answer": ("POST", f"{run}/answers", '{"value": {value}}'),
        "create trigger": (
            "POST",
            f"{BASE}/triggers",
            f'{{"name": "never", {cron}, "context": {{"amount": {{value}}}}}}',
        ),
        "change trigger": ("PATCH", f"{BASE}/triggers/kept", '{"context": {"amount": {value}}}'),
        "fire": ("POST", f"{BASE}/triggers/kept/fire", '{"event": {"amount": {value}}}'),
    }
    registry.unregister("asks")


def state(client: httpx.Client) -> Any:
    """What there is: runs with their places, and schedules."""
    runs = [
        client.get(f"{BASE}/executions/{one['id']}/events").json()
        for one in client.get(f"{BASE}/executions").json()["items"]
    ]
    return runs, client.get(f"{BASE}/triggers").json()["items"]


@pytest.mark.parametrize("operation", ["execute", "fork", "answer", "create trigger", "change trigger", "fire"])
def test_values_that_are_none(client: httpx.Client, requests: dict[str, tuple[str, str, str]], operation: str) -> None:
    """Each is refused with its place, whatever operation it is sent to; nothing is changed, and nothing imported."""
    method, path, template = requests[operation]
    before, modules = state(client), set(sys.modules)
    begin, end = (part.encode() for part in template.split("{value}"))
    for kind, value in VALUES.items():
        content = begin + value + end
        answer = client.request(method, path, content=content, headers={"content-type": JSON})
        assert_typed(answer, kind)
        assert answer.status_code == 400, (kind, answer.text)
        told = answer.json()
        assert told["code"] in ("invalid_request", "value_invalid"), (kind, told)
        if kind in TAGS:
            assert "amount" in told["error"] or "value" in told["error"], (kind, told)
        elif kind not in ("NaN", "infinity", "digits", "duplicate key", "depth", "great depth", "too large"):
            assert any(word in told["error"] for word in ("line", "byte")), (kind, told)
    assert state(client) == before
    assert {"this", "antigravity"}.isdisjoint(set(sys.modules) - modules)


@pytest.mark.parametrize("tag", list(TAGS))
def test_parts_of_a_body_are_judged_alike(
    client: httpx.Client, requests: dict[str, tuple[str, str, str]], tag: str
) -> None:
    method, path, _ = requests["execute"]
    parts: Any = {"context": (None, f'{{"amount": {TAGS[tag]}}}')}
    answer = client.request(method, path, files=parts)
    assert (answer.status_code, answer.json()["code"]) == (400, "value_invalid"), answer.text


def test_what_another_library_would_load_is_text(
    client: httpx.Client, requests: dict[str, tuple[str, str, str]]
) -> None:
    """Pickles, YAML and names of classes of other formats are nothing here: they are kept as they are."""
    _, path, _ = requests["create trigger"]
    values = [
        json.loads(PICKLE),
        "!!python/object/apply:os.system ['id']",
        {"py/object": "os.system"},
        {"__class__": "os.system"},
    ]
    body = {
        "name": "text",
        "workflow_name": "other",
        "cron_expression": "0 3 1 1 *",
        "allow_unknown": True,
        "context": {"x": values},
    }
    made = client.post(path, json=body)
    assert made.status_code == 201, made.text
    assert client.get(f"{path}/text").json()["context"] == {"x": values}
    client.delete(f"{path}/text").raise_for_status()


HOSTILE_PACKAGE: Final = """
import antigravity
import sys
import this

import {name}_more
from holdwater import WorkflowBuilder, task

sys.modules["holdwater.server"] = sys.modules["this"]

with WorkflowBuilder("{name}"):

    @task()
    def send(context):
        context["x"] = 1
"""


def test_modules_of_a_package_stay_out_of_the_server(client: httpx.Client) -> None:
    """The server runs in this process: what a package imports, or replaces, is imported and replaced in its host."""
    modules = dict(sys.modules)
    data = archive("intruder", flows=HOSTILE_PACKAGE, files={"workflow/intruder_more.py": "import turtledemo\n"})
    made = upload(client, data, tenant=TENANT)
    assert made.status_code in (201, 202), made.text
    wait_for_state(client, made.json()["package_id"], "active", tenant=TENANT)
    found = {name for name, module in sys.modules.items() if modules.get(name) is not module}
    assert found.isdisjoint(
        {"this", "antigravity", "turtledemo", "intruder_flows", "intruder_more", "holdwater.server"}
    )
    assert not [name for name in found if "intruder" in name]
