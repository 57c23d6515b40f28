"""The API of a server against its description, with a key of an administrator, with one that reads, and without one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from tests.postgres.cluster import Cluster
from tests.server.serving.conftest import create_database
from tests.server.serving.server_process import ServedHere, serve_here
from tests.server.test_openapi import SETTINGS
from tests.suite.effort import LONG

NO_RATES: Final[dict[str, Any]] = {
    "requests_per_second": 1e6,
    "request_burst": 1_000_000,
    "failed_logins_per_minute": 1e6,
    "uploads_per_minute": 1e6,
}
ENDLESS: Final = "(stream|ws/delivery/.*)$"
ENDS_THE_KEY: Final = "logout"
"""the key of the requests would be accepted no more"""
PATHS: Final = re.compile(r"include-operation-id = \[\n(.*?)\]", re.S)
JUDGED_FURTHER: Final = (
    "create_key", "create_tenant", "create_tenant_key", "list_audit", "list_tenant_audit", "list_keys", "rotate_key",
    "rotate_tenant_key", "change_tenant",
)  # fmt: skip
"""of the server alone: names, instants and places that a schema cannot judge"""


@pytest.fixture
def unhurried(postgres: Cluster, tmp_path: Path) -> Iterator[ServedHere]:
    """A server of one test, whose requests may revoke every key, without limits of rates that they could reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, generate_key())
        with serve_here(create_database(postgres), tmp_path / "home", **NO_RATES) as server:
            yield server


@pytest.mark.parametrize("examples", ["1", pytest.param("40", marks=LONG)])
@pytest.mark.parametrize("role", ["administrator", "reader", "stranger"])
def test_the_api_keeps_its_description(unhurried: ServedHere, role: str, examples: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    key = _key_of(unhurried, role, f"schema_{role}_{examples}")
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(_settings(key, "schema_" + role + "_" + examples, role))
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings)]
    phases = "fuzzing" if examples == "1" and role != "administrator" else "coverage,fuzzing,stateful"
    options = ["--phases", phases, "--max-examples", examples, "--mode", "all", "--seed", "1"]
    left_out = ["--exclude-path-regex", f"({ENDLESS}|{ENDS_THE_KEY})"]
    done = subprocess.run(
        [*program, "run", f"{unhurried.url}/openapi.json", *options, *left_out],
        cwd=tmp_path, capture_output=True, text=True, timeout=1500 if examples != "1" else 280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _key_of(served: ServedHere, role: str, tenant: str) -> str:
    """Make a tenant, and return the key of a caller: of its own, since requests may revoke and remove what there is."""
    with served.client() as god:
        made = god.post("/v1/tenants", json={"name": tenant})
        assert made.status_code == 201, made.text
        if role == "stranger":
            return ""
        if role == "administrator":
            created = god.post("/v1/auth/keys", json={"name": role, "role": "admin", "is_admin": True})
        else:
            created = god.post(f"/v1/tenants/{tenant}/keys", json={"name": role, "role": "read"})
        assert created.status_code == 201, created.text
        return str(created.json()["key"])


def _settings(key: str, tenant: str, role: str) -> str:
    text = SETTINGS.read_text().replace("{run_id}", "00000000-0000-0000-0000-000000000000")
    text = text.replace('"path.tenant" = "public"', f'"path.tenant" = "{tenant}"')
    text = PATHS.sub(lambda found: found[0][:-1] + ", ".join(f'"{one}"' for one in JUDGED_FURTHER) + ",\n]", text)
    if role == "stranger":
        return text.replace('headers = { Authorization = "Bearer {token}" }\n', "")
    return text.replace("{token}", key)
