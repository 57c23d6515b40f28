"""Concurrency limits by the API."""

from __future__ import annotations

from urllib.parse import quote

import httpx


def test_limits_are_set_read_and_removed(api: httpx.Client) -> None:
    assert api.get("/limits").json()["items"] == []
    for number, key in enumerate(["openai", "workflow:orders", "label:env=a/b ü"]):
        made = api.put(f"/limits/{quote(key, safe='')}", json={"max": number})
        assert (made.status_code, made.json()["key"], made.json()["max"]) == (200, key, number), made.text
        assert (made.json()["used"], made.json()["holders"], made.json()["set_by"]) == (0, [], "api")
    listed = api.get("/limits").json()
    assert [one["key"] for one in listed["items"]] == ["label:env=a/b ü", "openai", "workflow:orders"]
    assert (listed["tenant_id"], listed["total"]) == ("public", 3)
    assert api.get("/limits/workflow:orders").json()["max"] == 1
    for key in ("openai", "workflow:orders", "label:env=a/b ü"):
        gone = api.delete(f"/limits/{quote(key, safe='')}")
        assert gone.json() == {"tenant_id": "public", "key": key, "status": "removed"}


def test_bad_limits_are_refused(api: httpx.Client) -> None:
    for key, body in [
        ("a b", {"max": 1}),
        ("ok", {"max": -1}),
        ("ok", {"max": 1.5}),
        ("ok", {}),
        ("ok", {"max": True}),
    ]:
        refused = api.put(f"/limits/{quote(key, safe='')}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), (key, body)
    for request in (api.get("/limits/none"), api.delete("/limits/none")):
        assert (request.status_code, request.json()["code"]) == (404, "limit_not_found")
    assert api.get("/limits").json()["items"] == []
