"""Seed 004, the API server: a real process on PostgreSQL, as the seed starts it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from holdwater.runners.tasks.components import PackageParts, inspect_components
from tests.postgres.cluster import Cluster
from tests.seeds.agreement import rows_of_table
from tests.seeds.documents import DOCS
from tests.server.serving.conftest import create_database
from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.server.serving.server_process import ServerProcess, serve_here

PAGE = Path(__file__).parents[2] / "docs" / "internals" / "components.md"
COMMAND = (sys.executable, "-m", "holdwater.compat.cloacinactl")


@pytest.fixture(scope="module")
def server(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server of the module, which generates its first key."""
    made = ServerProcess(tmp_path_factory.mktemp("server"), create_database(postgres))
    made.environment.pop("HOLDWATER_BOOTSTRAP_KEY")
    (made.home / "config.toml").write_text("[server]\nrequests_per_second = 10000\nrequest_burst = 10000\n")
    try:
        made.start()
        made.bootstrap_key = (made.home / "bootstrap-key").read_text().strip()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def god(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def tenant(god: httpx.Client) -> str:
    assert god.post("/v1/tenants", json={"name": "seed_004"}).status_code == 201
    return "seed_004"


@pytest.fixture(scope="module")
def orders(god: httpx.Client, tenant: str) -> dict[str, Any]:
    uploaded = upload(god, archive(), tenant=tenant)
    assert uploaded.status_code in (201, 202), uploaded.text
    wait_for_state(god, uploaded.json()["package_id"], "active", tenant=tenant)
    found: dict[str, Any] = uploaded.json()
    return found


def ctl(server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the seed against the server."""
    given = {"CLOACINA_SERVER": server.url, "CLOACINA_API_KEY": server.bootstrap_key, "HOME": str(server.home)}
    environment = {**{name: text for name, text in os.environ.items() if not name.startswith("HOLDWATER")}, **given}
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment, timeout=60)


def schemas(server: ServerProcess) -> set[str]:
    with psycopg.connect(server.database_url) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


def test_004_06_the_command_serves(postgres: Cluster, tmp_path: Path) -> None:
    """`cloacinactl serve --bind ... --database-url postgresql://...` answers; SQLite is refused in words."""
    made = ServerProcess(tmp_path / "home", create_database(postgres))
    words = ["serve", "--bind", "127.0.0.1:0", "--database-url", made.database_url, "--home", str(made.home)]
    with made.errors.open("ab") as errors:
        made.process = subprocess.Popen([*COMMAND, *words], stdout=errors, stderr=errors, env=made.environment)
    try:
        made.wait_until_serving()
        with made.stranger() as stranger:
            assert stranger.get("/health").json() == {"status": "ok"}
        assert made.stop() == 0
    finally:
        made.close()
    refused = subprocess.run(
        [*COMMAND, "serve", "--home", str(tmp_path / "other"), "--database-url", "sqlite:///x.db"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "PostgreSQL" in refused.stderr + refused.stdout


def test_004_07_keys_are_hashed_and_the_first_one_is_made_once(server: ServerProcess) -> None:
    place = server.home / "bootstrap-key"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert server.bootstrap_key not in server.log()
    with psycopg.connect(server.database_url) as connection:
        rows = connection.execute("SELECT digest, k::text FROM holdwater.api_keys k").fetchall()
    assert [len(digest) for digest, _ in rows] == [32]
    assert server.bootstrap_key not in str(rows)
    with server.stranger() as stranger, server.client("hw_wrong") as wrong:
        for client in (stranger, wrong):
            refused = client.get("/v1/tenants")
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


def test_004_08_tenants_are_schemas(server: ServerProcess, god: httpx.Client, tenant: str, orders: Any) -> None:
    assert god.post("/v1/tenants", json={"schema_name": "seed_004_b", "username": "seed_004_beta"}).status_code == 201
    assert {tenant, "seed_004_b"} <= schemas(server)
    listed = god.get("/v1/tenants").json()
    assert listed["tenants"] == listed["items"]
    assert {tenant, "seed_004_b"} <= {one["schema_name"] for one in listed["tenants"]}
    run = execute(god, "orders", tenant=tenant)
    assert god.get("/v1/tenants/seed_004_b/executions").json()["executions"] == []
    foreign = god.get(f"/v1/tenants/seed_004_b/executions/{run['execution_id']}")
    assert foreign.status_code == 404
    removed = god.delete("/v1/tenants/seed_004_b").json()
    assert (removed["status"], removed["schema_name"]) == ("removed", "seed_004_b")
    assert "seed_004_b" not in schemas(server)


def test_004_09_packages_are_uploaded_listed_inspected_and_deleted(
    god: httpx.Client, tenant: str, orders: dict[str, Any]
) -> None:
    assert (orders["package_name"], orders["version"], orders["tenant_id"]) == ("orders", "1.0", tenant)
    path = f"/v1/tenants/{tenant}/workflows"
    (listed,) = god.get(path).json()["workflows"]
    assert {"id", "package_name", "version", "description", "tasks", "created_at"} <= listed.keys()
    shown = god.get(f"{path}/orders").json()
    assert (shown["package_name"], shown["version"], shown["tenant_id"]) == ("orders", "1.0", tenant)
    old = upload(god, archive(version="0.9"), tenant=tenant).json()
    wait_for_state(god, old["package_id"], "inactive", tenant=tenant)
    deleted = god.delete(f"{path}/orders/0.9").json()
    assert (deleted["status"], deleted["package_name"], deleted["version"]) == ("deleted", "orders", "0.9")


def test_004_10_runs_are_started_and_watched(
    server: ServerProcess, god: httpx.Client, tenant: str, orders: Any
) -> None:
    done = execute(god, "orders", tenant=tenant, context={"order_id": 7})
    assert (done["status"], done["context"]["saved"]) == ("completed", 7)
    run_id = done["execution_id"]
    events = god.get(f"/v1/tenants/{tenant}/executions/{run_id}/events").json()["events"]
    assert {"id", "event_type", "event_data", "created_at", "sequence_num"} <= events[0].keys()
    assert events[-1]["event_type"] == "workflow_completed"
    listed = ctl(server, "--tenant", tenant, "execution", "list")
    assert listed.returncode == 0, listed.stderr
    assert run_id[-8:] in listed.stdout or run_id in listed.stdout
    assert "CLOACINA_SERVER is used" in listed.stderr
    missing = ctl(server, "--tenant", tenant, "workflow", "inspect", "nothing")
    assert missing.returncode == 3


def test_004_11_probes_need_no_key(server: ServerProcess) -> None:
    with server.stranger() as stranger:
        assert stranger.get("/health").json() == {"status": "ok"}
        assert stranger.get("/ready").json() == {"status": "ready"}
        metrics = stranger.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE holdwater_up gauge" in metrics.text


def test_004_17_the_column_of_the_api_server(postgres: Cluster, tmp_path: Path) -> None:
    """The engine of a tenant is looked at as those of the other modes are."""
    ours = {row[0].strip("`"): row[3] for row in rows_of_table(PAGE.read_text(encoding="utf-8"), "Component")}
    with serve_here(create_database(postgres), tmp_path / "home") as served, served.client() as client:
        assert client.get("/v1/tenants/public/executions").status_code == 200
        (awake,) = served.server.awake.list()
        parts = PackageParts("always", "packages are uploaded")
        found = {one.name: one for one in inspect_components(awake.engine, awake.engine, parts)}
        for name in ("TaskScheduler", "DefaultDispatcher", "ThreadTaskExecutor", "Scheduler", "CronRecoveryService",
                     "StaleClaimSweeper", "DAL", "Router", "PackageWatcher"):  # fmt: skip
            assert found[name].is_active == (ours[name] != "No"), name
        assert "postgresql://" in found["DAL"].reason
        assert ours["WorkflowRegistry"] == "Database"
        assert ours["HTTP server"] == ours["Auth middleware"] == "Yes"
        with served.stranger() as stranger:
            assert stranger.get("/v1/tenants").status_code == 401


def test_004_17_the_column_is_that_of_the_seed() -> None:
    found = sorted(DOCS.glob("004_*.txt")) if DOCS.is_dir() else []
    if not found:
        pytest.skip(f"the seed documents are not in {DOCS}")
    theirs = {row[0]: row[3] for row in rows_of_table(found[0].read_text(encoding="utf-8"), "Component")}
    ours = {row[0].strip("`"): row[3] for row in rows_of_table(PAGE.read_text(encoding="utf-8"), "Component")}
    theirs["Scheduler"] = theirs.pop("Unified Scheduler")
    theirs["HTTP server"] = theirs.pop("HTTP Server (axum)")
    theirs["Auth middleware"] = theirs.pop("Auth Middleware")
    theirs["Database backend"] = theirs.pop("Database Backend")
    for name, word in theirs.items():
        assert name == "Component" or ours[name] == word or word == "Optional", name
