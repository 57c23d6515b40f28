"""Secrets by the API: what is known of them, and never a text."""

from __future__ import annotations

import logging

import httpx
import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key

TEXT = "tr0ub4dor-and-3"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, generate_key())


def test_secrets_are_created_read_replaced_and_deleted(api: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert api.get("/secrets").json() == {"tenant_id": "public", "items": [], "total": 0}
    made = api.post("/secrets", json={"name": "smtp", "fields": {"user": "mail", "password": TEXT}})
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["name"], body["field_names"], body["created_by"]) == ("smtp", ["password", "user"], "api")
    again = api.post("/secrets", json={"name": "smtp", "fields": {"value": TEXT}})
    assert (again.status_code, again.json()["code"]) == (409, "secret_exists")
    assert api.get("/secrets/smtp").json() == body
    assert api.get("/secrets").json()["items"] == [body]
    new = api.put("/secrets/smtp", json={"fields": {"value": TEXT}})
    assert (new.json()["id"], new.json()["field_names"]) == (body["id"], ["value"])
    assert api.delete("/secrets/smtp").json() == {"name": "smtp", "status": "deleted"}
    for missing in (
        api.get("/secrets/smtp"),
        api.put("/secrets/smtp", json={"fields": {"value": TEXT}}),
        api.delete("/secrets/smtp"),
    ):
        assert (missing.status_code, missing.json()["code"]) == (404, "secret_not_found")
    for answer in (made, again, new):
        assert TEXT not in answer.text
    assert TEXT not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a b", "fields": {"value": TEXT}},
        {"name": "smtp", "fields": {"value": TEXT}, "more": 1},
        {"name": "smtp", "fields": {"a b": TEXT}},
        {"name": "smtp", "fields": {}},
        {"name": "smtp", "fields": {"value": [TEXT]}},
        {"name": "smtp", "fields": [TEXT]},
        {"name": "smtp", "fields": TEXT},
        {"name": "smtp", "fields": {"value": TEXT + "x" * 65_536}},
        {"name": [TEXT], "fields": {"value": TEXT}},
    ],
)
def test_a_refusal_shows_no_text(api: httpx.Client, body: object) -> None:
    refused = api.post("/secrets", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert TEXT not in refused.text


def test_a_server_without_a_key_says_so(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    refused = api.post("/secrets", json={"name": "smtp", "fields": {"value": TEXT}})
    assert (refused.status_code, refused.json()["code"]) == (503, "secrets_unavailable")
    assert VARIABLE in refused.json()["error"]
    assert api.get("/secrets").status_code == 200
