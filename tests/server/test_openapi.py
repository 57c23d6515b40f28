"""The description of the API, and the API against its description."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from tests.server.live import API_TOKEN, Live
from tests.server.routes.conftest import Runs, runs

__all__ = ["runs"]

SETTINGS: Final = Path(__file__).with_name("schemathesis.toml")
METHODS = {"get", "post", "put", "patch", "delete"}
WITHOUT_ERRORS = {"health", "ready"}


@pytest.fixture(scope="module")
def document(live: Live) -> dict[str, Any]:
    with live.stranger() as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield method, path, operation


def test_every_route_is_described_with_its_errors(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["description"].endswith("."), where
        assert operation["operationId"].isidentifier(), where
        if operation["operationId"] in WITHOUT_ERRORS:
            continue
        wanted = {"401", "500", "503"}
        if path.startswith("/v1/tenants"):
            wanted |= {"400", "404"}
        if method != "get":
            wanted |= {"403", "409", "413", "415"}
        assert wanted <= operation["responses"].keys(), where
        for status in wanted:
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}, where
        assert "422" not in operation["responses"], where
        for parameter in operation.get("parameters", ()):
            assert parameter["name"] == "tenant" or parameter.get("description") or "schema" in parameter, where


def test_statuses_are_enums(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("Execution", "ListedTask", "RunnerBody", "Fire"):
        found = schemas[name]["properties"].get("status") or schemas[name]["properties"]["state"]
        assert found["enum"], name
    assert "HTTPValidationError" not in schemas


def test_the_page_of_the_api_shows_every_route(live: Live, document: dict[str, Any]) -> None:
    with live.browser() as browser:
        page = browser.get("/docs").text
    for method, path, operation in operations(document):
        assert f"{method.upper()} {path}" in page
        assert f'id="{operation["operationId"]}"' in page


def test_the_api_keeps_its_description(live: Live, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests made from the description, right and wrong ones: every answer is one of those described."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    monkeypatch.setenv(VARIABLE, generate_key())
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS.read_text().replace("{token}", API_TOKEN).replace("{run_id}", runs.failed))
    program: list[str | Path] = [Path(sys.executable).with_name("schemathesis"), "--config-file", settings]
    options = {"--phases": "coverage,fuzzing,stateful", "--max-examples": "1", "--mode": "all", "--seed": "1"}
    done = subprocess.run(
        [*program, "run", f"{live.origin}/openapi.json", *chain(*options.items()), "--exclude-path-regex", "stream$"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
