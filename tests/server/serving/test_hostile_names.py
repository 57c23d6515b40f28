"""Names that no well-meaning caller sends, in every path parameter and every text of every body of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from tests.server.serving.hostile import ENDLESS, NAMES, Operation, assert_typed, make_tenant, operations_of, with_text
from tests.server.serving.server_process import ServedHere
from tests.suite.effort import sample_cases

TENANT: Final = "hostile_names"
LEFT_OUT: Final = {"remove_tenant", "upload_package"}
"""it would end the test; archives are tried by `test_uploads.py`"""
CHOSEN: Final = {"create_trigger": "trigger_name", "create_tenant_key": "name", "trust_key": "name"}
"""what a caller gives a name to, and the field of the answer that has it"""


@pytest.fixture(scope="module")
def operations(served: ServedHere) -> list[Operation]:
    return [one for one in operations_of(served) if one.id not in LEFT_OUT]


@pytest.fixture(scope="module")
def client(served: ServedHere) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch, make_tenant(served, TENANT) as made:
        patch.setenv(VARIABLE, generate_key())
        yield made


def strange_files(home: Path) -> set[Path]:
    """What is beside the home of the server, or in it but in none of its folders."""
    return {*home.parent.iterdir(), *home.iterdir()} - {home / "tenants", home / "hostlib"}


@pytest.mark.parametrize("kind", sample_cases(14, list(NAMES)))
def test_names_in_paths_and_bodies(
    served: ServedHere, client: httpx.Client, operations: list[Operation], kind: str
) -> None:
    name, before = NAMES[kind], strange_files(served.home)
    for one in operations:
        for parameter in one.parameters:
            if one.id in ENDLESS and parameter == "tenant":
                continue
            path = one.path(TENANT, **{parameter: name})
            answer = client.request(one.method, path, json=one.body)
            assert_typed(answer, (one.id, parameter, kind))
            if one.method == "GET" and kind != "empty" and one.id != "get_secret":
                assert answer.status_code in (400, 403, 404, 405, 414), (one.id, parameter, answer.text)
            elif one.id == "set_limit" and parameter == "key" and answer.status_code == 200:
                assert answer.json()["key"] == name
        for body in [] if one.body is None else with_text(one.body, name):
            content = json.dumps(body).encode()
            answer = client.request(
                one.method, one.path(TENANT), content=content, headers={"content-type": "application/json"}
            )
            assert_typed(answer, (one.id, str(body)[:300]))
            if answer.status_code < 300 and one.id in CHOSEN:
                assert answer.json()[CHOSEN[one.id]] == body["name"].strip(), (one.id, body)
    assert strange_files(served.home) == before
    assert client.get(f"/v1/tenants/{TENANT}/executions").json()["items"] == [], "the tables are there"


TWINS: Final = ("twin", "Twin", "tw\u0131n", "\uff54win", "twin\u200b")


def test_twins_are_refused_or_distinct(client: httpx.Client) -> None:
    """Names that look alike are never taken for each other."""
    base = f"/v1/tenants/{TENANT}"
    trigger = {"workflow_name": "x", "cron_expression": "0 3 1 1 *", "allow_unknown": True}
    for noun, body in (
        ("triggers", trigger),
        ("secrets", {"fields": {"a": "b"}}),
        ("keys", {"role": "read"}),
    ):
        field = "trigger_name" if noun == "triggers" else "name"
        made = {}
        for name in TWINS:
            answer = client.post(f"{base}/{noun}", json={**body, "name": name})
            assert answer.status_code in (201, 400), (noun, name, answer.text)
            if answer.status_code == 201:
                made[name] = answer.json()[field]
        assert made, noun
        assert all(name == found for name, found in made.items()), (noun, made)
        listed = [one[field] for one in client.get(f"{base}/{noun}").json()["items"]]
        assert all(listed.count(name) == 1 for name in made), (noun, listed)
    for number, name in enumerate(TWINS):
        client.put(f"{base}/limits/{name}", json={"max": number + 1})
    limits = {one["key"]: one["max"] for one in client.get(f"{base}/limits").json()["items"]}
    assert all(limits.get(name, number) == number for number, name in enumerate(TWINS, 1)), limits


@pytest.mark.parametrize(
    "name",
    [
        "public; DROP SCHEMA x", 'a"b', "x" * 64, "pg_temp", "pg_catalog", "information_schema", "\u00dcnicode", "",
        "\u0430cme", "search_path", "a.b", "a b", "a\0b", "1a", "$user", "template1",
    ],
)  # fmt: skip
def test_tenants_that_cannot_be(served: ServedHere, name: str) -> None:
    with served.client() as god:
        before = [one["name"] for one in god.get("/v1/tenants").json()["items"]]
        for body in ({"name": name}, {"schema_name": name}, {"name": "fits", "username": name}):
            answer = god.post("/v1/tenants", json=body)
            if name in ("search_path", "template1") and answer.status_code == 201:  # names as any other here
                god.delete(f"/v1/tenants/{next(iter(body.values()))}").raise_for_status()
                continue
            assert answer.status_code == 400, (body, answer.text)
        assert [one["name"] for one in god.get("/v1/tenants").json()["items"]] == before


def test_tenants_that_differ_in_case_or_length(served: ServedHere) -> None:
    """A name that the database would cut or fold is refused, or another schema."""
    with served.client() as god:
        long = "t" * 62
        answers = [god.post("/v1/tenants", json={"name": name}) for name in ("cased", "Cased", long + "a", long + "b")]
        made = {one.json()["schema_name"] for one in answers if one.status_code == 201}
        assert len(made) == len([one for one in answers if one.status_code == 201]) >= 1
        assert all(one.status_code in (201, 400) for one in answers), [one.text for one in answers]
        for schema in made:
            god.delete(f"/v1/tenants/{schema}").raise_for_status()
