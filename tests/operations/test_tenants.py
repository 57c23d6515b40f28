"""DatabaseAdmin: tenants are made and removed as a whole, by names that mean what they say."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.errors import (
    EncodingError,
    HoldwaterError,
    RunnerClosed,
    StoreError,
    StoreUnavailable,
    TenantError,
    TenantInUse,
    TenantNotFound,
)
from holdwater.model.registry import registry
from holdwater.storage.postgres import schema as schemas
from holdwater.storage.postgres import tenant_statements, tenants
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.sql.migrations import Migration
from holdwater.tenants import DatabaseAdmin, TenantConfig, TenantCredentials
from tests.operations.tenancy import create_tenant, fetch_rows, list_tenant_traces, read_server_log
from tests.postgres.cluster import Cluster
from tests.storage.helpers import run_script
from tests.suite.runners import Gate

NewTenant = Callable[[str], TenantCredentials]

BAD_NAMES = [
    "",
    "public; drop schema x",
    'a"b',
    "a'b",
    "a" * 64,
    "pg_temp",
    "PG_toast",
    "Ünicode",
    "ｆull",
    "public",
    "Public",
    "information_schema",
    "postgres",
    "none",
    "1a",
    "_a",
    "a-b",
    "a b",
    "a\n",
    "a\0",
    "a.b",
    "..",
    "%",
    "\ud800",
    None,
    7,
]


@pytest.fixture
def gate() -> Any:
    made_ = Gate()
    yield made_
    made_.open.set()


@pytest.fixture
def workflow() -> Any:
    with WorkflowBuilder("w"):

        @task(id="a")
        def a(context: Context) -> None:
            context["done"] = True

    yield "w"
    registry.unregister("w")


# -- making


def test_a_tenant_starts_a_runner_with_what_it_was_given(admin: DatabaseAdmin, guarded: Cluster, workflow: str) -> None:
    given = admin.create_tenant(TenantConfig("tenant_a", "user_a"))
    assert (given.schema_name, given.username) == ("tenant_a", "user_a")
    assert len(given.password) == 32
    assert given.password.isalnum()
    assert conninfo.conninfo_to_dict(given.connection_string) == {
        "host": "127.0.0.1",
        "port": str(guarded.port),
        "dbname": "postgres",
        "user": "user_a",
        "password": given.password,
        "options": "-csearch_path=tenant_a",
    }
    with DefaultRunner(given.connection_string) as runner:
        run_id = runner.submit(workflow, {"n": 1}, idempotency_key="k").run_id
        assert runner.handle(run_id).result(20).final_context.to_dict() == {"n": 1, "done": True}
    with DefaultRunner.with_schema(given.connection_string, "tenant_a") as runner:
        assert runner.get_run(run_id).status == "Completed"
    assert fetch_rows(given.connection_string, "SELECT current_user::TEXT, current_schema()::TEXT") == [
        ("user_a", "tenant_a")
    ]
    (tenant,) = admin.list_tenants()
    assert (tenant.schema_name, tenant.username, tenant.state) == ("tenant_a", "user_a", "current")


def test_the_password_is_wanted(admin: DatabaseAdmin, new_tenant: NewTenant) -> None:
    given = new_tenant("tenant_a")
    with pytest.raises(StoreUnavailable, match="password") as caught:
        DefaultRunner(given.connection_string.replace(given.password, "wrong"))
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("password", ["p@ss:w/rd?#%&'\"\\ $1 {}", "Pässwörd", "%41", "a" * 200])
def test_passwords_of_ones_own(admin: DatabaseAdmin, guarded: Cluster, password: str) -> None:
    given = create_tenant(guarded, "tenant_a", password)
    assert given.password == password
    assert fetch_rows(given.connection_string, "SELECT current_user::TEXT") == [("tenant_a",)]


@pytest.mark.parametrize("password", ["a\0b", "a\nb", "\ud800", 7])
def test_what_is_no_password(admin: DatabaseAdmin, guarded: Cluster, password: Any) -> None:
    with pytest.raises(TenantError, match="printable"):
        admin.create_tenant(TenantConfig("tenant_a", "tenant_a", password))


def test_no_password_and_an_empty_one_are_generated(admin: DatabaseAdmin) -> None:
    one = admin.create_tenant(TenantConfig("tenant_a", "tenant_a", ""))
    other = admin.create_tenant(TenantConfig("tenant_b", "tenant_b", None))
    assert len(one.password) == len(other.password) == 32
    assert one.password != other.password


def test_names_of_any_case_and_length(admin: DatabaseAdmin, workflow: str) -> None:
    for name in ("TenantA", "SELECT", "a" * 63):
        given = admin.create_tenant(TenantConfig(name, name))
        with DefaultRunner(given.connection_string) as runner:
            assert runner.execute(workflow).status == "Completed"
        assert fetch_rows(given.connection_string, "SELECT current_schema()::TEXT, count(*) FROM runs") == [(name, 1)]
    assert [t.schema_name for t in admin.list_tenants()] == ["SELECT", "TenantA", "a" * 63]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_make_nothing(admin: DatabaseAdmin, guarded: Cluster, name: Any) -> None:
    before = list_tenant_traces(guarded.url())
    for schema, username in ((name, "user_a"), ("tenant_a", name)):
        with pytest.raises(TenantError) as caught:
            admin.create_tenant(TenantConfig(schema, username))
        assert isinstance(caught.value, (RuntimeError, ValueError))
        with pytest.raises(TenantError):
            admin.remove_tenant(schema, username)
    if name is not None:
        with pytest.raises(ValueError):
            DefaultRunner.with_schema(guarded.url(), name)
    assert list_tenant_traces(guarded.url()) == before


def test_what_is_there_is_not_adopted(admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant) -> None:
    new_tenant("tenant_a")
    before = list_tenant_traces(guarded.url())
    for schema, username in (
        ("tenant_a", "tenant_a"),
        ("tenant_a", "other"),
        ("other", "tenant_a"),
        ("Tenant_A", "other"),
        ("other", "TENANT_A"),
    ):
        with pytest.raises(TenantError, match=r"there is a (schema|role) 'tenant_a' already"):
            admin.create_tenant(TenantConfig(schema, username))
    assert list_tenant_traces(guarded.url()) == before


def test_of_many_who_make_the_same_tenant_one_wins(admin: DatabaseAdmin, guarded: Cluster) -> None:
    start, winners, losers = threading.Barrier(6), [], []

    def make() -> None:
        start.wait(20)
        try:
            winners.append(create_tenant(guarded, "tenant_a"))
        except TenantError as error:
            losers.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(winners), len(losers)) == (1, 5)
    assert all("already" in str(error) for error in losers)
    assert fetch_rows(winners[0].connection_string, "SELECT count(*) FROM runs") == [(0,)]


def test_a_role_made_from_another_database_meanwhile(admin: DatabaseAdmin, guarded: Cluster) -> None:
    """Locks are a database's, roles are the server's: the second waits for the first and then fails."""
    fetch_rows(guarded.url(), "CREATE DATABASE other")
    try:
        with psycopg.connect(guarded.url("other")) as elsewhere:
            elsewhere.execute("CREATE ROLE tenant_a")
            failed: list[TenantError] = []

            def make() -> None:
                with pytest.raises(TenantError) as caught:
                    create_tenant(guarded, "tenant_a")
                failed.append(caught.value)

            thread = threading.Thread(target=make)
            thread.start()
            while not fetch_rows(guarded.url(), "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
                pass  # bounded by the test's time-out
            elsewhere.commit()
            thread.join()
        assert "nothing was changed" in str(failed[0])
        assert not fetch_rows(guarded.url(), "SELECT 1 FROM pg_namespace WHERE nspname = 'tenant_a'")
    finally:
        fetch_rows(guarded.url(), "DROP ROLE tenant_a")
        fetch_rows(guarded.url(), "DROP DATABASE other")


def test_a_database_where_everybody_may_create(admin: DatabaseAdmin, guarded: Cluster) -> None:
    for excess in ("SCHEMA public", "DATABASE postgres"):
        fetch_rows(guarded.url(), f"GRANT CREATE ON {excess} TO PUBLIC")
        before = list_tenant_traces(guarded.url())
        try:
            with pytest.raises(TenantError, match="like every other, may create") as caught:
                create_tenant(guarded, "tenant_a")
            assert f"REVOKE CREATE ON {excess} FROM PUBLIC" in caught.value.hint
            assert list_tenant_traces(guarded.url()) == before
        finally:
            fetch_rows(guarded.url(), f"REVOKE CREATE ON {excess} FROM PUBLIC")


# -- all or nothing


class Broken(psycopg.DataError):
    pass


def _error_text_of(function: Callable[[], object]) -> str | None:
    try:
        function()
    except HoldwaterError as error:
        return str(error)
    return None


@pytest.mark.parametrize("operation", ["create", "remove", "upgrade"])
def test_whatever_statement_fails_nothing_has_changed(
    operation: str, admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    if operation != "create":
        new_tenant("tenant_a")
    act = {
        "create": lambda: admin.create_tenant(TenantConfig("tenant_a", "tenant_a")),
        "remove": lambda: admin.remove_tenant("tenant_a", "tenant_a"),
        "upgrade": lambda: admin.upgrade_tenants(),
    }[operation]
    before, execute, left = list_tenant_traces(guarded.url()), PostgresConnection.execute, 0

    def fail(self: PostgresConnection, *arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Broken("no such luck")
        return execute(self, *arguments, **options)

    for number in range(1, 200):
        left = number
        with monkeypatch.context() as patch:
            patch.setattr(PostgresConnection, "execute", fail)
            failed = _error_text_of(act)
        if failed is None:
            break
        assert "no such luck" in failed
        assert list_tenant_traces(guarded.url()) == before
    assert number > 8
    assert (list_tenant_traces(guarded.url()) == before) == (operation == "upgrade")


KILLED = """
import sys
from holdwater.tenants import DatabaseAdmin, TenantConfig
from holdwater.storage.postgres.pipeline import PostgresConnection

execute, (url, wanted) = PostgresConnection.execute, sys.argv[1:]

def say(self, query, *arguments, **options):
    done = execute(self, query, *arguments, **options)
    text = query if isinstance(query, str) else query.as_string(self)
    if text.startswith(wanted):
        print("there", flush=True)
        sys.stdin.readline()
    return done

PostgresConnection.execute = say
DatabaseAdmin(url).create_tenant(TenantConfig("tenant_a", "tenant_a"))
print("made", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    "where", ["CREATE ROLE", "CREATE SCHEMA", "CREATE TABLE runs", "REVOKE", "SELECT 'may", "never"]
)
def test_a_killed_administrator_leaves_nothing_or_everything(
    where: str, admin: DatabaseAdmin, guarded: Cluster
) -> None:
    before = list_tenant_traces(guarded.url())
    with run_script(KILLED, guarded.url(), where) as process:
        assert process.read_line() == ("made" if where == "never" else "there")
        process.process.kill()
    if where == "never":
        assert [t.state for t in admin.list_tenants()] == ["current"]
        return
    assert list_tenant_traces(guarded.url()) == before
    create_tenant(guarded, "tenant_a")  # nothing stands in the way, and no lock is left


# -- removing


def test_removed_is_as_if_it_had_never_been(admin: DatabaseAdmin, guarded: Cluster, workflow: str) -> None:
    before = list_tenant_traces(guarded.url())
    given = admin.create_tenant(TenantConfig("tenant_a", "user_a"))
    with DefaultRunner(given.connection_string) as runner:
        runner.execute(workflow)
    admin.remove_tenant("tenant_a", "user_a")
    assert list_tenant_traces(guarded.url()) == before
    with pytest.raises(StoreUnavailable):
        DefaultRunner(given.connection_string)
    with pytest.raises(TenantNotFound, match="there is no tenant 'tenant_a'"):
        admin.remove_tenant("tenant_a", "user_a")


def test_a_connected_tenant_is_not_removed_unless_it_must(
    admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, workflow: str
) -> None:
    given, other = new_tenant("tenant_a"), new_tenant("tenant_b")
    with DefaultRunner(other.connection_string) as neighbour, DefaultRunner(given.connection_string) as runner:
        assert runner.execute(workflow).status == neighbour.execute(workflow).status == "Completed"
        before = list_tenant_traces(guarded.url())
        with pytest.raises(TenantInUse, match=r"'tenant_a' has \d+ sessions? connected"):
            admin.remove_tenant("tenant_a", "tenant_a")
        assert list_tenant_traces(guarded.url()) == before
        assert runner.execute(workflow).status == "Completed"

        admin.remove_tenant("tenant_a", "tenant_a", force=True)
        with pytest.raises(StoreError):
            runner.submit(workflow)
        assert neighbour.execute(workflow).status == "Completed"
    assert [t.schema_name for t in admin.list_tenants()] == ["tenant_b"]
    assert not fetch_rows(
        guarded.url(), "SELECT 1 FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL"
    )


def test_work_that_a_runner_of_another_role_has(
    admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, gate: Gate
) -> None:
    new_tenant("tenant_a")
    with WorkflowBuilder("held"):
        task(id="a")(lambda context: gate())
    try:
        with DefaultRunner.with_schema(guarded.url(), "tenant_a") as runner:
            handle = runner.submit("held")
            gate.wait_started()
            with pytest.raises(TenantInUse, match=r"another role has work of it \(1\)"):
                admin.remove_tenant("tenant_a", "tenant_a")
            gate.open.set()
            assert handle.result(20).status == "Completed"
    finally:
        registry.unregister("held")
    admin.remove_tenant("tenant_a", "tenant_a")


def test_what_is_not_this_tenants_is_not_touched(admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant) -> None:
    new_tenant("tenant_a")
    new_tenant("tenant_b")
    DefaultRunner.with_schema(guarded.url(), "plain").shutdown()
    fetch_rows(guarded.url(), "CREATE SCHEMA somebody_elses CREATE TABLE runs (x INTEGER)")
    fetch_rows(guarded.url(), "CREATE ROLE bystander")
    try:
        before = list_tenant_traces(guarded.url())
        for schema, username, why in (
            ("tenant_a", "tenant_b", "is 'tenant_a', not 'tenant_b'"),
            ("tenant_a", "bystander", "is 'tenant_a', not 'bystander'"),
            ("somebody_elses", "bystander", "is no tenant's: it has no runs"),
            ("somebody_elses", "tenant_a", "is no tenant's: it has no runs"),
            ("plain", "tenant_a", "is no tenant's: it was not made as one"),
            ("plain", "bystander", "is no tenant's: it was not made as one"),
            ("Tenant_A", "tenant_a", "there is no tenant"),
            ("tenant_", "tenant_a", "there is no tenant"),
        ):
            with pytest.raises(TenantError, match=why):
                admin.remove_tenant(schema, username, force=True)
        assert list_tenant_traces(guarded.url()) == before
    finally:
        fetch_rows(guarded.url(), "DROP SCHEMA somebody_elses, plain CASCADE")
        fetch_rows(guarded.url(), "DROP ROLE bystander")


def test_what_others_built_on_a_tenant_keeps_it(admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant) -> None:
    new_tenant("tenant_a")
    for build, drop, why in (
        (
            "CREATE VIEW public.report AS SELECT id FROM tenant_a.runs",
            "DROP VIEW public.report",
            "public.report|report",
        ),
        ("CREATE TABLE public.theirs (x INTEGER)", "DROP TABLE public.theirs", "also owns table"),
        ("CREATE DATABASE theirs OWNER tenant_a", "DROP DATABASE theirs", "also owns"),
    ):
        fetch_rows(guarded.url(), build)
        if "theirs (" in build:
            fetch_rows(guarded.url(), "ALTER TABLE public.theirs OWNER TO tenant_a")
        try:
            before = list_tenant_traces(guarded.url())
            with pytest.raises(TenantError, match=why):
                admin.remove_tenant("tenant_a", "tenant_a")
            assert list_tenant_traces(guarded.url()) == before
        finally:
            fetch_rows(guarded.url(), drop)
    fetch_rows(guarded.url(), "CREATE TABLE tenant_a.extra AS SELECT 1 AS x")  # in the schema: goes with it
    fetch_rows(guarded.url(), "CREATE FUNCTION tenant_a.f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'")
    admin.remove_tenant("tenant_a", "tenant_a")


def test_a_busy_schema_is_given_up(
    admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_tenant("tenant_a")
    limits = tenant_statements.SET_TRANSACTION_LIMITS
    monkeypatch.setattr(tenant_statements, "SET_TRANSACTION_LIMITS", limits.replace("10s", "50ms"))
    with psycopg.connect(guarded.url()) as busy:
        busy.execute("SELECT * FROM tenant_a.runs")
        before = list_tenant_traces(guarded.url())
        with pytest.raises(TenantError, match="nothing was changed"):
            admin.remove_tenant("tenant_a", "tenant_a")
        assert list_tenant_traces(guarded.url()) == before


# -- upgrading


@dataclass(frozen=True, slots=True)
class Later(Migration):
    def statements(self) -> Any:
        return iter(["CREATE TABLE later (x INTEGER)"])


def test_an_administrator_upgrades_all_tenants(
    admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, workflow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_tenant("tenant_a"), new_tenant("tenant_b")
    known = (*schemas.MIGRATIONS, Later("tests", 9999, "pre", "later"))
    with monkeypatch.context() as patch:
        patch.setattr(schemas, "MIGRATIONS", known)
        for function in (schemas.is_current, schemas.migrate):
            patch.setattr(function, "__defaults__", (known,))
        assert {t.state for t in admin.list_tenants()} == {"behind"}
        with pytest.raises(StoreError, match="holdwater tenants upgrade"):
            DefaultRunner(first.connection_string)
        with pytest.raises(StoreError, match="holdwater tenants upgrade"):
            DefaultRunner.with_schema(first.connection_string, "tenant_a")
        assert admin.upgrade_tenants() == ["tenant_a", "tenant_b"]
        assert admin.upgrade_tenants() == []
        for given in (first, second):
            with DefaultRunner(given.connection_string) as runner:
                assert runner.execute(workflow).status == "Completed"
            fetch_rows(given.connection_string, "INSERT INTO later VALUES (1)")
    assert {t.state for t in admin.list_tenants()} == {"newer"}
    assert admin.upgrade_tenants() == []


def test_one_tenant_in_the_way_does_not_stop_the_others(
    admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_tenant("tenant_a")
    new_tenant("tenant_b")
    fetch_rows(guarded.url(), "CREATE TABLE tenant_a.later (y INTEGER)")
    known = (*schemas.MIGRATIONS, Later("tests", 9999, "pre", "later"))
    monkeypatch.setattr(schemas, "MIGRATIONS", known)
    monkeypatch.setattr(schemas.migrate, "__defaults__", (known,))
    with pytest.raises(TenantError, match="tenant 'tenant_a' cannot be brought up to date"):
        admin.upgrade_tenants()
    assert [t.state for t in admin.list_tenants()] == ["behind", "current"]


def test_an_administrator_who_is_no_superuser(admin: DatabaseAdmin, guarded: Cluster, workflow: str) -> None:
    fetch_rows(guarded.url(), "CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'b'")
    fetch_rows(guarded.url(), "GRANT CREATE ON DATABASE postgres TO boss")
    url = guarded.url().replace("postgres@", "boss:b@")
    try:
        with DatabaseAdmin(url) as boss:
            given = boss.create_tenant(TenantConfig("tenant_a", "tenant_a"))
            with DefaultRunner(given.connection_string) as runner:
                assert runner.execute(workflow).status == "Completed"
                assert boss.upgrade_tenants() == []
                with pytest.raises(TenantInUse):
                    boss.remove_tenant("tenant_a", "tenant_a")
                boss.remove_tenant("tenant_a", "tenant_a", force=True)
            assert boss.list_tenants() == []
    finally:
        fetch_rows(guarded.url(), "DROP OWNED BY boss")
        fetch_rows(guarded.url(), "DROP ROLE boss")


def test_an_administrator_without_rights(admin: DatabaseAdmin, guarded: Cluster, new_tenant: NewTenant) -> None:
    given = new_tenant("tenant_a")
    before = list_tenant_traces(guarded.url())
    with DatabaseAdmin(given.connection_string) as nobody:
        for act in (
            lambda: nobody.create_tenant(TenantConfig("tenant_b", "tenant_b")),
            lambda: nobody.remove_tenant("tenant_a", "tenant_a", force=True),
            lambda: nobody.upgrade_tenants(),
        ):
            with pytest.raises(HoldwaterError) as caught:
                act()
            assert isinstance(caught.value, RuntimeError)
            assert given.password not in str(caught.value)
    assert list_tenant_traces(guarded.url()) == before


# -- URLs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://admin@h/db", "postgresql://u:p%3A%2F@h/db?options=-csearch_path%3Ds"),
        ("postgres://admin:x%40y@h:1/db", "postgresql://u:p%3A%2F@h:1/db?options=-csearch_path%3Ds"),
        ("postgresql:///db", "postgresql://u:p%3A%2F@/db?options=-csearch_path%3Ds"),
        ("postgresql://a@[::1]:2/d%2Fb", "postgresql://u:p%3A%2F@[::1]:2/d%2Fb?options=-csearch_path%3Ds"),
        ("postgresql://a@h1:1,h2:2/db", "postgresql://u:p%3A%2F@h1:1,h2:2/db?options=-csearch_path%3Ds"),
        ("postgresql://a@h1,h2/db?port=7", "postgresql://u:p%3A%2F@h1:7,h2:7/db?options=-csearch_path%3Ds"),
        (
            "postgresql:///db?host=/run/pg&port=3",
            "postgresql://u:p%3A%2F@/db?host=%2Frun%2Fpg&port=3&options=-csearch_path%3Ds",
        ),
        (
            "postgresql://a@h/db?sslmode=require&sslkey=mine&sslcert=mine&sslpassword=q&passfile=f&user=z&password=y",
            "postgresql://u:p%3A%2F@h/db?sslmode=require&options=-csearch_path%3Ds",
        ),
        (
            "postgresql://a@h/db?options=-cstatement_timeout%3D5s%20-csearch_path%3Dmine",
            "postgresql://u:p%3A%2F@h/db?options=-cstatement_timeout%3D5s%20-csearch_path%3Dmine%20-csearch_path%3Ds",
        ),
    ],
)
def test_the_tenants_url_is_the_administrators_with_another_identity(url: str, expected: str) -> None:
    assert tenants.tenant_url(url, "u", "p:/", "s") == expected
    assert conninfo.conninfo_to_dict(expected)["password"] == "p:/"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///app.db", "requires a PostgreSQL connection"),
        ("memory://", "requires a PostgreSQL connection"),
        ("mysql://u:secret@h/db", "requires a PostgreSQL connection"),
        ("app.db", "requires a PostgreSQL connection"),
        ("", "requires a PostgreSQL connection"),
        ("postgresql+psycopg://u:secret@h/db", "requires a PostgreSQL connection"),
        ("postgresql://u:secret@h", "names no database"),
        ("postgresql://u:secret@h/", "names no database"),
        ("postgresql://u:secret@h/?dbname=", "names no database"),
        ("postgresql://u:sec@secret@h/db?nonsense=1", "nonsense|invalid"),
        ("postgresql://u:sec/secret@h:x/db", "write %2F for /"),
        ("postgresql://u:secret%zz@h/db", "invalid"),
        (None, "is a string"),
    ],
)
def test_urls_of_no_use(url: Any, says: str) -> None:
    with pytest.raises(TenantError, match=says) as caught:
        DatabaseAdmin(url)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, ValueError)
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__


def test_a_server_that_is_not_there() -> None:
    with DatabaseAdmin("postgresql://u:secret@127.0.0.1:1/db") as admin, pytest.raises(StoreUnavailable) as caught:
        admin.list_tenants()
    assert "secret" not in f"{caught.value} {admin!r}"
    with pytest.raises(RunnerClosed):
        admin.list_tenants()


# -- secrets


def test_no_secret_is_shown_or_stored_by_accident() -> None:
    for one in (TenantConfig("s", "u", "geheim"), TenantCredentials("u", "geheim", "s", "postgresql://u:geheim@h/d")):
        for text in (repr(one), str(one), f"{one}", f"{one!r:>200}", "%s" % one, f"{[one]} { ({'k': one}) }"):  # noqa: UP031
            assert "geheim" not in text
            assert "***" in text
        with pytest.raises(EncodingError, match="holds a password"):
            pickle.dumps(one)
        with pytest.raises(EncodingError):
            Context({"tenant": one})
        with pytest.raises(AttributeError):
            one.password = "other"
        with pytest.raises(TypeError):
            vars(one)
        assert copy.copy(one) is copy.deepcopy(one) is one
    assert TenantConfig("s", "u", "x") == TenantConfig("s", "u", "x") != TenantConfig("s", "u", "y")
    assert repr(TenantConfig("s", "u")) == "TenantConfig(schema_name='s', username='u', password=None)"


def test_the_password_is_in_no_log_and_no_repr(
    admin: DatabaseAdmin, guarded: Cluster, workflow: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = create_tenant(guarded, "tenant_a", "geheim'\\x")
    with DefaultRunner(given.connection_string) as runner:
        runner.execute(workflow)
        assert "geheim" not in repr(runner)
        assert "***" in repr(runner)
    with pytest.raises(TenantError) as caught:
        create_tenant(guarded, "tenant_a", "geheim")
    assert "geheim" not in str(caught.value)
    assert "geheim" not in caplog.text
    log = read_server_log(guarded)
    assert "CREATE ROLE" in log
    assert "geheim" not in log
