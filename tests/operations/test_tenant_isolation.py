"""I10: nothing of one tenant is seen, changed or told through the runner, the role or the SQL of another."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.errors import HoldwaterError, RunNotFound, StoreError, StoreUnavailable
from holdwater.model.registry import registry
from holdwater.tenants import TenantCredentials
from tests.operations.tenancy import fetch_rows, list_tenant_traces
from tests.postgres.cluster import Cluster
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

NewTenant = Callable[[str], TenantCredentials]

RUN_METHODS = {"get_run", "handle", "cancel", "pause", "resume", "retry", "fork"}
METHODS = sorted(
    name
    for name, method in inspect.getmembers(DefaultRunner, inspect.isfunction)
    if not name.startswith("_")
    and name != "list_runs"  # of nobody's children there are none
    and any(p.endswith("_id") for p in inspect.signature(method).parameters)
)
"""every method that takes an id, so that a new one cannot be forgotten"""


class TenantPair:
    """Two tenants, each with a runner of its own role."""

    def __init__(self, a: TenantCredentials, b: TenantCredentials, **options: Any) -> None:
        self.a, self.b = a, b
        config = DefaultRunnerConfig(**options)
        self.runner_a = DefaultRunner.with_config(a.connection_string, config)
        self.runner_b = DefaultRunner.with_config(b.connection_string, config)


@pytest.fixture
def pair(new_tenant: NewTenant) -> Iterator[TenantPair]:
    made = TenantPair(new_tenant("tenant_a"), new_tenant("tenant_b"))
    yield made
    made.runner_a.shutdown()
    made.runner_b.shutdown()


@pytest.fixture(autouse=True)
def orders() -> Iterator[None]:
    with WorkflowBuilder("orders"):

        @task(id="first")
        def first(context: Context) -> None:
            context["seen"] = context["secret"]

        @task(id="second", dependencies=["first"])
        def second(context: Context) -> None:
            if context["secret"] == "fails":
                raise ValueError("no such luck")

    yield
    registry.unregister("orders")


def test_same_names_and_keys_are_different_runs(pair: TenantPair) -> None:
    handles = [
        runner.submit("orders", {"secret": secret}, idempotency_key="monday")
        for runner, secret in ((pair.runner_a, "of a"), (pair.runner_b, "of b"))
    ]
    of_a, of_b = [handle.result(SIGNAL_TIMEOUT_SECONDS) for handle in handles]
    assert handles[0].run_id != handles[1].run_id
    assert of_a.final_context.to_dict() == {"secret": "of a", "seen": "of a"}
    assert of_b.final_context.to_dict() == {"secret": "of b", "seen": "of b"}
    again = pair.runner_a.submit("orders", {"secret": "of a"}, idempotency_key="monday")
    assert again.run_id == handles[0].run_id
    for runner, own in ((pair.runner_a, handles[0]), (pair.runner_b, handles[1])):
        other = next(handle for handle in handles if handle is not own)
        for which in ({}, {"workflow_name": "orders"}, {"status": "Completed"}, {"parent_run_id": other.run_id}):
            listed = {run.run_id for run in runner.list_runs(**which)}  # type: ignore[arg-type]
            assert listed <= {own.run_id}
        with pytest.raises(RunNotFound):
            runner.list_runs(before=other.run_id)
        assert [run.run_id for run in runner.list_runs()] == [own.run_id]


@pytest.mark.parametrize("outcome", ["succeeds", "fails"])
@pytest.mark.parametrize("method", METHODS)
def test_no_method_finds_what_another_tenant_has(pair: TenantPair, guarded: Cluster, method: str, outcome: str) -> None:
    theirs = pair.runner_b.submit("orders", {"secret": outcome})
    assert theirs.result(SIGNAL_TIMEOUT_SECONDS).status == {"succeeds": "Completed", "fails": "Failed"}[outcome]
    before = theirs.info().to_dict() if hasattr(theirs.info(), "to_dict") else repr(theirs.info())
    arguments: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(getattr(DefaultRunner, method)).parameters.items())[1:]:
        if name.endswith("_id"):
            arguments[name] = theirs.run_id
        elif parameter.default is inspect.Parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            arguments[name] = "first"
    with pytest.raises(HoldwaterError) as caught:
        getattr(pair.runner_a, method)(**arguments)
    if method in RUN_METHODS:
        assert isinstance(caught.value, RunNotFound)
    nowhere = dict.fromkeys(arguments, "first") | {
        name: "01a1fc1d-0000-7000-8000-000000000000" for name in arguments if name.endswith("_id")
    }
    with pytest.raises(type(caught.value)) as missing:
        getattr(pair.runner_a, method)(**nowhere)
    # the error says the same of what another has as of what nobody has
    for name in arguments:
        if name.endswith("_id"):
            assert str(caught.value).replace(arguments[name], "") == str(missing.value).replace(nowhere[name], "")
    after = theirs.info().to_dict() if hasattr(theirs.info(), "to_dict") else repr(theirs.info())
    assert after == before
    assert pair.runner_a.list_runs() == []
    assert fetch_rows(guarded.url(), "SELECT count(*) FROM tenant_a.runs") == [(0,)]


def test_every_method_with_an_id_is_tried() -> None:
    assert set(METHODS) >= RUN_METHODS


def test_no_tenant_claims_the_work_of_another(new_tenant: NewTenant) -> None:
    """Both have the workflow and look for work; only one may execute this."""
    ran: list[str] = []
    with WorkflowBuilder("who"):

        @task(id="ask")
        def ask_(context: Context) -> None:
            ran.append(context["secret"])

    try:
        pair = TenantPair(new_tenant("tenant_a"), new_tenant("tenant_b"), recovery_interval_seconds=1)
        with pair.runner_a, pair.runner_b:
            handles = [pair.runner_b.submit("who", {"secret": f"b{n}"}) for n in range(20)]
            assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
            assert pair.runner_a.executor_metrics()["default"].total_executed == 0
            assert pair.runner_b.executor_metrics()["default"].total_executed == 20
        assert sorted(ran) == sorted(f"b{n}" for n in range(20))
    finally:
        registry.unregister("who")


def test_sql_of_a_tenant_reaches_its_own_rows_and_nothing_else(pair: TenantPair, guarded: Cluster) -> None:
    assert pair.runner_b.execute("orders", {"secret": "hush"}).status == "Completed"
    assert pair.runner_a.execute("orders", {"secret": "mine"}).status == "Completed"
    before = list_tenant_traces(guarded.url())
    relations = fetch_rows(
        guarded.url(), "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'tenant_b'::REGNAMESPACE"
    )
    tables = [name for name, kind in relations if kind in ("r", "v", "S")]
    assert {"runs", "journal", "journal_events", "plans", "work", "schema_version", "notify_channel"} <= set(tables)
    refused = [
        "CREATE TABLE public.mine (x INTEGER)",
        "CREATE TABLE tenant_b.mine (x INTEGER)",
        "CREATE TABLE tenant_a.mine (x INTEGER)",
        "CREATE FUNCTION tenant_a.f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "ALTER ROLE tenant_b PASSWORD 'x'",
        "ALTER ROLE tenant_a SUPERUSER",
        "SET ROLE tenant_b",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION tenant_b",
        "DROP SCHEMA tenant_a CASCADE",
        "DROP SCHEMA tenant_b CASCADE",
        "ALTER SCHEMA tenant_a RENAME TO mine",
        "COMMENT ON SCHEMA tenant_a IS 'Holdwater tenant, role postgres'",
        "COMMENT ON SCHEMA public IS 'Holdwater tenant, role postgres'",
        "DROP TABLE tenant_a.runs",
        "TRUNCATE tenant_a.runs",
        "ALTER TABLE tenant_a.runs ADD COLUMN mine TEXT",
        "CREATE TRIGGER t BEFORE INSERT ON tenant_a.runs EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE INDEX mine ON tenant_a.runs (status)",
        "DELETE FROM tenant_a.schema_version",
        "UPDATE tenant_a.notify_channel SET name = 'theirs'",
        "COPY tenant_b.runs TO STDOUT",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT * FROM pg_authid",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tenant_b'",
    ]
    refused += [
        statement.format(f'tenant_b."{name}"')
        for name in tables
        for statement in (
            "SELECT 1 FROM {}",
            "SELECT count(*) FROM {}",
            "DELETE FROM {}",
            "TRUNCATE {}",
            "DROP TABLE {}",
        )
    ]
    refused += [
        "INSERT INTO tenant_b.notify_channel VALUES ('mine')",
        "UPDATE tenant_b.runs SET status = 'failed'",
        "SELECT id FROM tenant_b.runs FOR UPDATE",
    ]
    with psycopg.connect(pair.a.connection_string, autocommit=True) as role:
        for statement in refused:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
                role.execute(statement)
        # what names nothing of others finds nothing of others
        for statement in ("SELECT * FROM journal", "SELECT * FROM runs", "SELECT * FROM plans", "TABLE journal_events"):
            assert "hush" not in str(role.execute(statement).fetchall())
        for view in ("pg_stat_activity", "pg_stats", "pg_prepared_statements", "pg_cursors", "pg_locks"):
            assert "hush" not in str(role.execute(f"SELECT * FROM {view}").fetchall())
        assert role.execute("SELECT * FROM pg_stats WHERE schemaname = 'tenant_b'").fetchall() == []
        queries = role.execute("SELECT query FROM pg_stat_activity WHERE usename = 'tenant_b'").fetchall()
        assert set(queries) == {("<insufficient privilege>",)}
        role.execute("SET search_path = tenant_b, public, pg_temp")
        with pytest.raises(psycopg.errors.UndefinedTable):
            role.execute("SELECT * FROM runs")
    assert list_tenant_traces(guarded.url()) == before
    assert [run.status for run in pair.runner_b.list_runs()] == ["Completed"]


def test_activity_shows_no_values_not_even_to_the_administrator(pair: TenantPair, guarded: Cluster) -> None:
    """Values travel beside the statements, never in them."""
    pair.runner_b.execute("orders", {"secret": "hush"}, idempotency_key="hush")
    (text,) = fetch_rows(
        guarded.url(), "SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE usename = 'tenant_b'"
    )
    assert "$1" in text[0]
    assert "hush" not in text[0]


def test_a_role_opens_no_other_schema(pair: TenantPair, guarded: Cluster) -> None:
    before = list_tenant_traces(guarded.url())
    for schema in ("tenant_b", "brand_new", "holdwater"):
        with pytest.raises(HoldwaterError) as caught:
            DefaultRunner.with_schema(pair.a.connection_string, schema)
        assert pair.a.password not in str(caught.value)
    with pytest.raises(HoldwaterError):
        DefaultRunner(pair.a.connection_string.replace("search_path%3Dtenant_a", "search_path%3Dtenant_b"))
    with pytest.raises(StoreError):
        DefaultRunner(pair.a.connection_string.partition("?")[0])
    with pytest.raises(StoreUnavailable):
        DefaultRunner(pair.b.connection_string.replace(pair.b.password, pair.a.password))
    assert list_tenant_traces(guarded.url()) == before


def test_notifications_go_to_a_channel_no_other_tenant_knows(
    pair: TenantPair, guarded: Cluster, new_tenant: NewTenant
) -> None:
    """Every role may LISTEN to every channel of its database whose name it knows: so it must not know them."""
    names = fetch_rows(
        guarded.url(), "SELECT name FROM tenant_a.notify_channel UNION ALL SELECT name FROM tenant_b.notify_channel"
    )
    (of_a,), (of_b,) = names
    assert of_a != of_b
    assert len(of_a) == len(of_b) == len("holdwater_") + 32
    heard: list[str] = []
    pair.runner_a.execute("orders", {"secret": "first"})  # what it says when it begins is said now
    with psycopg.connect(pair.a.connection_string, autocommit=True) as spy:
        for guess in ("holdwater", "tenant_b", "holdwater_tenant_b", of_a):
            spy.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(guess)))
        spy.add_notify_handler(lambda said: heard.append(said.payload))
        pair.runner_b.execute("orders", {"secret": "hush"})
        spy.execute("SELECT 1")
        assert heard == []
        own = pair.runner_a.submit("orders", {"secret": "mine"})
        own.result(SIGNAL_TIMEOUT_SECONDS)
        pair.runner_a.shutdown()
        spy.execute("SELECT 1")
    for said in heard:
        assert pair.runner_b.list_runs()[0].run_id not in said


def test_the_channel_of_a_tenant_made_again_is_another(guarded: Cluster, admin: Any, new_tenant: NewTenant) -> None:
    channels = set()
    for _ in range(2):
        new_tenant("tenant_a")
        channels |= {name for (name,) in fetch_rows(guarded.url(), "SELECT name FROM tenant_a.notify_channel")}
        admin.remove_tenant("tenant_a", "tenant_a")
    assert len(channels) == 2


def test_runners_of_one_tenant_hear_of_each_other(pair: TenantPair, monkeypatch: pytest.MonkeyPatch) -> None:
    import holdwater.engine.waiting

    monkeypatch.setattr(holdwater.engine.waiting, "RECHECK_SECONDS", 600.0)
    begun, go = threading.Event(), threading.Event()
    with WorkflowBuilder("waits"):

        @task(id="wait")
        def wait(context: Context) -> None:
            begun.set()
            assert go.wait(SIGNAL_TIMEOUT_SECONDS)

    try:
        with DefaultRunner.with_schema(pair.a.connection_string, "tenant_a") as second:
            run_id = pair.runner_a.submit("waits").run_id
            assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
            waiter = threading.Timer(0, go.set)
            waiter.start()
            assert second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
            waiter.join()
    finally:
        registry.unregister("waits")


def test_two_tenants_at_once(pair: TenantPair, guarded: Cluster) -> None:
    """Interleaved, from several threads: every result is its own tenant's, and so is every row."""
    wrong: list[Any] = []

    def work(runner: DefaultRunner, who: str) -> None:
        for n in range(10):
            secret = f"{who}{n}"
            result = runner.execute("orders", {"secret": secret}, idempotency_key=f"{threading.get_ident()}-{n}")
            if result.final_context.to_dict() != {"secret": secret, "seen": secret}:
                wrong.append(result)

    threads = [
        threading.Thread(target=work, args=(runner, who))
        for runner, who in ((pair.runner_a, "of-a-"), (pair.runner_b, "of-b-"))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    for mine, theirs in (("a", "b"), ("b", "a")):
        ((rows, foreign),) = fetch_rows(
            guarded.url(),
            f"SELECT count(*), count(*) FILTER (WHERE entries LIKE '%%of-{theirs}-%%') FROM tenant_{mine}.journal",
        )
        assert rows >= 30
        assert foreign == 0


def test_a_proxy_that_pools_transactions_keeps_tenants_apart(new_tenant: NewTenant, guarded: Cluster) -> None:
    """Without session state every transaction says whose it is, whatever the connection saw before."""
    given = new_tenant("tenant_a")
    config = DefaultRunnerConfig(prepare_statements=False)
    with DefaultRunner(given.connection_string, config=config, schema="tenant_a") as runner:
        assert runner.execute("orders", {"secret": "x"}).status == "Completed"
    assert fetch_rows(guarded.url(), "SELECT count(*) FROM tenant_a.runs") == [(1,)]
    with contextlib.suppress(psycopg.Error):
        assert not fetch_rows(guarded.url(), "SELECT 1 FROM holdwater.runs")
