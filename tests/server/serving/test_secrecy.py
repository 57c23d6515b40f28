"""Nothing that a server writes has a key, a secret, a session, a ticket or a password in it.

Everything is done that anybody has a secret for, mistakes too; then the database is dumped, and every file is searched.
"""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from tests.postgres.cluster import find_programs
from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.server.serving.server_process import ServerProcess
from tests.suite.waiting import wait_until

SECRET_TEXT: Final = "tr0ub4dor-and-3-of-a-secret"
REPLACED_TEXT: Final = "c0rrect-horse-of-a-secret"
PASSWORD: Final = "pa55word-of-a-tenant"
BASE: Final = "/v1/tenants/quiet"
FLOWS: Final = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("{name}"):

    @task()
    def send(context):
        context["length"] = len(context.secret("smtp", "password"))
"""


@pytest.fixture
def server(new_database: Callable[[], str], tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "home", new_database())
    made.environment[VARIABLE] = generate_key()
    try:
        made.start("--verbose")
        yield made
    finally:
        made.close()


def created(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def make_keys(god: httpx.Client) -> dict[str, str]:
    """Make what has a secret, some of it once for several requests."""
    once = {"idempotency-key": "once"}
    found = {"password of a tenant": PASSWORD}
    created(god.post("/v1/tenants", json={"name": "quiet", "password": PASSWORD}))
    generated = god.post("/v1/tenants", json={"name": "silent"}, headers=once)
    found["generated password"] = created(generated)["password"]
    assert god.post("/v1/tenants", json={"name": "silent"}, headers=once).json() == generated.json()
    key = created(god.post(f"{BASE}/keys", json={"name": "ci", "role": "admin"}, headers={"idempotency-key": "key"}))
    found["key"] = key["key"]
    found["rotated key"] = created(god.post(f"{BASE}/keys/{key['id']}/rotate", json={"overlap_seconds": 60}))["key"]
    other = {"idempotency-key": "other"}
    found["key of the server"] = created(god.post("/v1/auth/keys", json={"name": "god"}, headers=other))["key"]
    return found


def use_keys(server: ServerProcess, god: httpx.Client, key: str) -> dict[str, str]:
    """Use a key for everything, in wrong places too."""
    found = {"secret": SECRET_TEXT, "replaced secret": REPLACED_TEXT, "wrong key": key[:-6] + "zzzzzz"}
    with server.client(key) as client, server.stranger(headers={"sec-fetch-site": "same-origin"}) as browser:
        assert browser.post("/ui/login", data={"key": key}).status_code == 303
        found["session"] = next(iter(browser.cookies.values()))
        page = browser.get("/ui/quiet/runs")
        assert page.status_code == 200
        found["form token"] = page.text.split('name="csrf_token" value="')[-1].split('"')[0]
        found["ticket"] = client.post("/v1/auth/ws-ticket").json()["ticket"]
        made = {"name": "smtp", "fields": {"password": REPLACED_TEXT}}
        created(client.post(f"{BASE}/secrets", json=made, headers={"idempotency-key": "secret"}))
        client.put(f"{BASE}/secrets/smtp", json={"fields": {"password": SECRET_TEXT}}).raise_for_status()
        # mistakes: in the query, in paths, in bodies, in other headers, with another name
        for path in ("executions", "triggers", "keys", "secrets", "workflows"):
            assert client.delete(f"{BASE}/{path}/{key}").status_code in (400, 404, 405), path
            assert client.get(f"{BASE}/{path}?api_key={key}").status_code == 401
            assert client.post(f"{BASE}/{path}", json={key: key}).status_code in (400, 405, 415), path
        assert client.delete(f"/v1/auth/keys/{key}").status_code == 400
        assert client.post(f"{BASE}/{key}/{key}").status_code == 404
        assert client.get(f"/v1/tenants/{key}/executions").status_code == 403
        assert client.put(f"{BASE}/secrets/smtp", json={"fields": {"p": SECRET_TEXT}, "x": 1}).status_code == 400
        wrong = {"authorization": f"Bearer {found['wrong key']}"}
        assert client.get(f"{BASE}/executions", headers=wrong).status_code == 401
        ids = {"x-request-id": key, "user-agent": key, "referer": f"http://localhost/{key}", "traceparent": key}
        client.get(f"{BASE}/executions", headers=ids).raise_for_status()
        assert browser.post("/ui/login", data={"key": found["wrong key"]}).status_code == 401
        browser.get(f"/ui/login?next=/ui/quiet/runs?key={key}")
        assert god.get("/v1/server").status_code == 200
    return found


def run_a_package(god: httpx.Client) -> None:
    data = archive("mails", flows=FLOWS, more='[execution]\nsecrets = ["smtp"]\n')
    wait_for_state(god, upload(god, data, tenant="quiet").json()["package_id"], "active", tenant="quiet")
    wait_until(lambda: god.get(f"{BASE}/workflows/mails").status_code == 200)
    done = execute(god, "mails", tenant="quiet")
    assert (done["status"], done["context"]["length"]) == ("completed", len(SECRET_TEXT))


def spellings(text: str) -> set[bytes]:
    """The forms a text may be written in: base64 has three, by its place."""
    if text.startswith("hw_"):
        text = text.split("_", 2)[2][:20]  # a part would be bad enough; what is before it is an id
    data = text.encode()
    shifted = [base64.b64encode(b"\0" * k + data)[4:-4] for k in range(3)]
    return {data, quote(text).encode(), json.dumps(text)[1:-1].encode(), data.hex().encode(), *shifted}


def test_no_secret_is_written_anywhere(server: ServerProcess, tmp_path: Path) -> None:
    with server.client() as god:
        secrets = make_keys(god)
        secrets |= use_keys(server, god, secrets["key"])
        run_a_package(god)
    secrets["given key"] = server.bootstrap_key
    secrets["key of secrets"] = server.environment[VARIABLE]
    assert server.stop() == 0
    (tmp_path / "dump").write_bytes(
        subprocess.run(
            [find_programs() / "pg_dump", "--inserts", server.database_url], stdout=subprocess.PIPE, check=True
        ).stdout
    )
    first_key = server.home / "bootstrap-key"  # the place for it, for its owner alone
    assert stat.S_IMODE(first_key.stat().st_mode) == 0o600
    first_key.unlink()
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()}
    assert written[tmp_path / "dump"].count(b".api_keys VALUES") == 4
    assert {"dump", "stderr", "holdwater-server.log"} <= {path.name for path in written}, sorted(written)
    assert all(len(text) >= 16 for text in secrets.values()), secrets
    hits = [
        (kind, str(path.relative_to(tmp_path)), data[max(0, at - 80) : at + 80])
        for kind, text in secrets.items()
        for spelling in spellings(text)
        for path, data in written.items()
        if (at := data.find(spelling)) >= 0
    ]
    assert hits == []
