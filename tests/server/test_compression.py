"""Pages and files are compressed for clients that accept it; streams never are."""

from __future__ import annotations

import pytest

from tests.server.live import Live


@pytest.mark.parametrize("path", ["/ui/public/runs", "/static/any/app.css", "/openapi.json"])
def test_what_is_large_is_compressed(live: Live, path: str) -> None:
    with live.browser() as client:
        whole = client.get(path, headers={"accept-encoding": "identity"})
        small = client.get(path, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in whole.headers
    assert small.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in small.headers["vary"].lower()
    assert int(small.headers["content-length"]) < len(whole.content) / 2


def test_a_stream_is_not(live: Live) -> None:
    with (
        live.client(headers={"accept-encoding": "gzip"}) as client,
        client.stream("GET", "/v1/tenants/public/stream") as stream,
    ):
        assert stream.status_code == 200
        assert "content-encoding" not in stream.headers
