"""PostgreSQL databases as people have them: of any encoding, and named by a service."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from holdwater import Context, DefaultRunner
from holdwater.errors import DatabaseURLError, StoreError
from holdwater.tenants import DatabaseAdmin, TenantConfig
from tests.postgres.cluster import Cluster
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

_numbers = itertools.count()


def raises_key_error(context: Context) -> None:
    raise KeyError("no such key")


ENCODINGS = ("SQL_ASCII", "UTF8", "LATIN1", "EUC_JP", "WIN1252")


@pytest.fixture
def new_database(postgres: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes a database of an encoding; gives its URL."""
    made: list[str] = []

    def make(encoding: str) -> str:
        made.append(f"d_{next(_numbers)}")
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {made[-1]} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        return postgres.url(made[-1])

    yield make
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("said", ["", "?client_encoding=sql_ascii", "?client_encoding=latin1"])
def test_a_database_of_any_encoding(
    encoding: str, said: str, new_database: Callable[[str], str], define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said:
        monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")

    def body(context: Context) -> None:
        context["text"] = "Grüße 東京 \U0001f600"

    define("w", ("a", body, {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    define("fails", ("a", raises_key_error, {}))
    with DefaultRunner(new_database(encoding) + said) as runner:
        handle = runner.submit("w", idempotency_key="k")
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["text"] == "Grüße 東京 \U0001f600"
        assert runner.submit("w", idempotency_key="k").run_id == handle.run_id
        assert runner.execute("fails").error_message == "task 'a' failed: KeyError: 'no such key'"
        assert handle.status == "Completed"
        assert {row.workflow_name for row in runner.list_runs()} == {"w", "fails"}
        assert runner.register_cron_workflow("w", "0 0 * * *", name="nightly")
        assert runner.list_cron_schedules()[0]["name"] == "nightly"
        assert runner.internal_errors() == ()


def test_what_an_encoding_has_no_letter_for_is_refused_alone(
    new_database: Callable[[str], str], define: Define
) -> None:
    define("w", ("a", lambda context: None, {}))
    with DefaultRunner(new_database("LATIN1")) as runner:
        with pytest.raises(StoreError, match="LATIN1"):
            runner.submit("w", idempotency_key="東京")
        assert runner.submit("w", idempotency_key="Zürich").result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


# -- services


@pytest.fixture
def services(postgres: Cluster, tmp_path: Path) -> Path:
    parts = urlsplit(postgres.url())
    path = tmp_path / "services.conf"
    path.write_text(
        "# ours\n[other]\nhost=nowhere.invalid\n\n"
        f"[runs]\nhost={parts.hostname}\nport={parts.port}\n# a comment\nuser=postgres\ndbname=postgres\n"
        "application_name=from the service\n[last]\nhost=nowhere.invalid\ndbname=x\n"
    )
    return path


@pytest.mark.parametrize(
    "form", ["postgresql:///?service=runs", "postgresql://?service=runs", "postgres:///?service=runs"]
)
def test_a_service_names_the_server(
    form: str, services: Path, monkeypatch: pytest.MonkeyPatch, define: Define, new_schema: Callable[[], str]
) -> None:
    schema = new_schema().partition("?")[2]
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    define("w", ("a", lambda context: None, {}))
    with DefaultRunner(f"{form}&{schema}") as runner:
        assert runner.execute("w").status == "Completed"
        with psycopg.connect("service=runs") as other:
            names = other.execute("SELECT DISTINCT application_name FROM pg_stat_activity").fetchall()
    assert ("from the service",) in names  # and not the name this package gives itself


def test_the_environment_names_the_service(
    services: Path, monkeypatch: pytest.MonkeyPatch, define: Define, new_schema: Callable[[], str]
) -> None:
    schema = new_schema().partition("?")[2]
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGSERVICE", "runs")
    define("w", ("a", lambda context: None, {}))
    with DefaultRunner(f"postgresql://?{schema}") as runner:
        assert runner.execute("w").status == "Completed"


def test_a_tenant_of_a_server_named_by_a_service(
    services: Path, monkeypatch: pytest.MonkeyPatch, define: Define
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    define("w", ("a", lambda context: None, {}))
    admin = DatabaseAdmin("postgresql:///?service=runs")
    name = f"tenant_{next(_numbers)}"
    credentials = admin.create_tenant(TenantConfig(name, name))
    try:
        with DefaultRunner(credentials.connection_string) as runner:
            assert runner.execute("w").status == "Completed"
    finally:
        admin.remove_tenant(name, name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other]\nhost=x\n", "no service 'runs'"),
        ("", "no service 'runs'"),
        (None, "no service 'runs'"),
        ("[runs]\nhost=h\n", "names no database"),
        ("[runs]\nhost\n", "line 2 .* is no parameter"),
        ("[runs]\nservice=runs\n", "line 2 .* is no parameter"),
        ("[runs]\ndbname=d\nport=many\n", "no port"),
    ],
)
def test_a_service_that_says_nothing_is_an_error_at_once(
    text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "services.conf"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    with pytest.raises(DatabaseURLError, match=said):
        DefaultRunner("postgresql:///?service=runs")
