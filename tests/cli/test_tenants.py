"""`holdwater tenants`: from an argument to a role, and no password where it can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from holdwater import DefaultRunner
from holdwater.tenants import DatabaseAdmin
from tests.cli.conftest import Shell
from tests.postgres.cluster import Cluster


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    with DatabaseAdmin(postgres.url()) as admin:
        yield postgres.url()
        for tenant in admin.list_tenants():
            admin.remove_tenant(tenant.schema_name, tenant.username, force=True)


def test_the_life_of_a_tenant(shell: Shell, database: str) -> None:
    assert shell("tenants", "list", "--database", database).stdout == "no tenants\n"
    made = shell("tenants", "create", "acme", "--database", database, "--json")
    assert made.returncode == 0, made.stderr
    data = json.loads(made.stdout)
    assert (data["schema_name"], data["username"], len(data["password"])) == ("acme", "acme", 32)

    done = shell("run", "flows:sums", "--database", data["connection_string"])
    assert done.returncode == 0, done.stderr
    assert data["password"] not in shell("runs", "list", "--database", data["connection_string"]).stdout
    listed = shell("tenants", "list", "--database", database, "--json")
    assert json.loads(listed.stdout) == [{"schema_name": "acme", "username": "acme", "state": "current", "sessions": 0}]
    assert "acme" in shell("tenants", "list", "--database", database).stdout
    assert "0 tenants" in shell("tenants", "upgrade", "--database", database).stdout
    assert json.loads(shell("tenants", "upgrade", "--database", database, "--json").stdout) == []

    with DefaultRunner(data["connection_string"]):
        refused = shell("tenants", "remove", "acme", "--database", database, "--yes")
        assert refused.returncode == 4
        assert "connected" in refused.stderr
        assert (
            "acme is removed" in shell("tenants", "remove", "acme", "--database", database, "--yes", "--force").stdout
        )
    missing = shell("tenants", "remove", "acme", "--database", database, "--yes")
    assert missing.returncode == 3


def test_a_password_of_ones_own_is_not_printed(shell: Shell, database: str) -> None:
    (shell.home / "secret").write_text("geheim 1\nsecond line\n")
    options = ["--database", database, "--json", "--password-file"]
    from_file = shell("tenants", "create", "acme", "--user", "acme_user", *options, "secret")
    assert json.loads(from_file.stdout) == {"schema_name": "acme", "username": "acme_user"}
    from_stdin = shell("tenants", "create", "globex", *options, "-", stdin="geheim 2\n")
    assert from_stdin.returncode == 0
    for done in (from_file, from_stdin):
        assert "geheim" not in done.stdout + done.stderr
    place = database.split("@")[1]
    for user, password in (("acme_user", "geheim%201"), ("globex", "geheim%202")):
        psycopg.connect(f"postgresql://{user}:{password}@{place}").close()


def test_a_generated_password_is_printed_once(shell: Shell, database: str) -> None:
    made = shell("tenants", "create", "acme", "--database", database)
    assert "not shown again" in made.stderr
    lines = dict(line.split(maxsplit=1) for line in made.stdout.splitlines())
    assert len(lines["password"]) == 32
    assert lines["password"] in lines["url"]
    again = shell("--debug", "tenants", "create", "acme", "--database", database)
    assert again.returncode == 2
    assert "already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["create", "public; drop schema x"], 2, "only alphanumeric"),
        (["create", "pg_temp"], 2, "reserved"),
        (["create", "acme", "--user", ""], 2, "cannot be empty"),
        (["create", "acme", "--password", "x"], 2, "no such option"),
        (["create", "acme", "--password-file", "nowhere"], 3, "there is no file"),
        (["create", "acme", "--password-file", "-"], 2, "no password"),
        (["create", "acme", "--password-file", "x", "--ask-password"], 2, "two passwords"),
        (["remove", "acme"], 2, "--yes"),
        (["remove", "acme", "--yes"], 3, "there is no tenant"),
    ],
)
def test_mistakes(shell: Shell, database: str, arguments: list[str], code: int, says: str) -> None:
    done = shell("tenants", *arguments, "--database", database, stdin="")
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert shell("tenants", "list", "--database", database).stdout == "no tenants\n"


def test_databases_without_tenants(shell: Shell) -> None:
    assert shell("tenants", "list").returncode == 2
    for url, code in (("sqlite:///app.db", 2), ("postgresql://u:geheim@127.0.0.1:1/db", 5), ("postgresql://h", 2)):
        done = shell("--debug", "tenants", "list", "--database", url)
        assert done.returncode == code
        assert "geheim" not in done.stdout + done.stderr
    assert not list(shell.home.glob("*.db"))
