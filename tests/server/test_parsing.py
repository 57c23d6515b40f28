"""Strict bodies."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from holdwater.server.parsing import MAX_DEPTH, MAX_DIGITS, parse_strict_json
from holdwater.server.refusals import RequestError
from tests.server.live import Live

PATH = "/v1/tenants/public/executions/x/fork"


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "value",
    [{}, [], None, True, 1.5, "é😀", {"a": [{"b": None}]}, 10**100, -1, "", json.loads(nested(MAX_DEPTH))],
)
def test_what_other_parsers_read_is_read(value: Any) -> None:
    assert parse_strict_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": NaN}', "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"[1e999]", "1e999"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c'"),
        (b'{"a": 1', "line 1 column 8"),
        (b"", "line 1 column 1"),
        (b"[1] [2]", "Extra data"),
        (b"\xff\xfe[\x001\x00]\x00", "UTF-8 at byte 0"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'"\xc3("', "UTF-8 at byte 1"),
        (b"[" + b"1" * (MAX_DIGITS + 1) + b"]", "digits"),
        (nested(MAX_DEPTH + 1).encode(), "levels"),
        (nested(200_000).encode(), "levels"),
        (b'{"a":' * 200_000, "levels"),
        (b"{'a': 1}", "not JSON"),
        (b"[1,]", "not JSON"),
    ],
)
def test_what_has_two_meanings_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_strict_json(data)
    assert caught.value.status_code == 400
    assert said in str(caught.value.detail)


def test_digits_are_counted_as_python_counts_them() -> None:
    assert parse_strict_json(b"-" + b"1" * MAX_DIGITS) == -int("1" * MAX_DIGITS)


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"content-type": "application/json"}, b'{"from_task": NaN}', 400, "invalid_request"),
        ({"content-type": "application/json"}, b'{"from_task": "x", "more": 1}', 400, "invalid_request"),
        ({"content-type": "application/json"}, b'{"from_task": 1}', 400, "invalid_request"),
        ({"content-type": "application/json"}, b"[]", 400, "invalid_request"),
        ({"content-type": "application/json"}, b"", 400, "invalid_request"),
        ({"content-type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"from_task=x", 415, "unsupported_media_type"),
        ({}, b"{}", 415, "unsupported_media_type"),
        ({"content-type": "application/json; charset=latin-1"}, b"{}", 415, "unsupported_media_type"),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            b"\x1f\x8b",
            415,
            "unsupported_media_type",
        ),
        ({"content-type": "application/json"}, b"[" * (17 * 1024 * 1024), 413, "too_large"),
    ],
)
def test_bodies_are_refused_as_they_come_in(
    live: Live, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    with live.client() as client:
        refused = client.post(PATH, content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_long_body_without_a_length_is_refused(live: Live) -> None:
    def chunks() -> Any:
        for _ in range(17):
            yield b" " * 1024 * 1024

    with live.client() as client:
        try:
            refused = client.post(PATH, content=chunks(), headers={"content-type": "application/json"})
        except httpx.WriteError:  # the connection is closed while the client still sends
            return
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_reason_is_no_place_for_much(live: Live) -> None:
    with live.client() as client:
        path = "/v1/tenants/public/executions/x/cancel"
        assert client.post(path, json={"reason": "x" * 10_001}).status_code == 400
        large = client.post(path, json={"reason": "x" * 2_000_000})
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
