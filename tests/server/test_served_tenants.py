"""Tenants of a server: an engine each, made when a request or work needs it, and ended when it is idle."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from holdwater import WorkflowBuilder, task
from holdwater.engine import Engine
from holdwater.errors import HoldwaterError, RunnerClosed, StoreUnusable, TenantNotFound, TenantUnavailable
from holdwater.model.records import RunFilter
from holdwater.model.registry import Registry, registry
from holdwater.model.schedules import ScheduleRow
from holdwater.model.time import add_seconds
from holdwater.operations.databases import Database
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from holdwater.server import tenant_removals
from holdwater.server.control import statements as sql
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.tenant_directory import TenantPlace
from holdwater.server.errors import STATUS_AND_CODE
from holdwater.server.served_tenants import ServedTenants
from holdwater.server.tenant_database import TenantDatabase
from holdwater.service.tenants import hub
from holdwater.service.tenants.options import TenantEngineOptions
from holdwater.service.tenants.resources import TenantResources
from holdwater.storage import StoreOptions
from holdwater.tenants import DatabaseAdmin, TenantConfig
from tests.postgres.cluster import Cluster
from tests.suite.waiting import wait_until

SLEEPY = TenantEngineOptions(idle_seconds=0.2)
_numbers = itertools.count()


class Served:
    """Replicas of a server in this process, whose tenants have one workflow.  `executed`: tenants that executed it."""

    def __init__(self, url: str) -> None:
        self.url, self.control = url, ControlDatabase(url)
        self._closing = ExitStack()
        self._closing.callback(self.control.close)
        self.executed: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.registry = Registry()
        with WorkflowBuilder("of tenants"):

            @task(id="only")
            def only(context: Any) -> None:
                self.executed.append(context.get("tenant", "scheduled"))
                assert self.may_end.wait(20)

        self.registry.register(registry.get("of tenants"), "of tenants")
        registry.unregister("of tenants")

    def serve(self, options: TenantEngineOptions = SLEEPY) -> ServedTenants:
        """Make a replica, and begin to wake tenants."""
        made = ServedTenants(self.control, self._make_tenant, options=options)
        self._closing.callback(made.close)
        made.start()
        return made

    def add_tenant(self, name: str) -> str:
        with DatabaseAdmin(self.url) as admin:
            admin.create_tenant(TenantConfig(name, name), also=lambda connection: None)  # its row follows
        self._closing.callback(self._remove, name)
        self.control.execute(
            "INSERT INTO served_tenants (name, username, state, created_at, created_by)"
            " VALUES ($1, $1, 'active', 0, 'test')",
            (name,),
        )
        return name

    def _remove(self, name: str) -> None:
        with DatabaseAdmin(self.url) as admin:
            admin.remove_tenant(name, name, force=True, also=lambda connection: None)

    def leave_work(self, name: str) -> str:
        """Start a run of a tenant in another process that ends at once; gives the id of the run."""
        before = len(self.executed)
        self.may_end.clear()
        engine = Engine(
            self.url, DriverConfig(recover=False), registry=self.registry, options=StoreOptions(schema=name)
        )
        run = engine.submit("of tenants", {"tenant": "elsewhere"})
        wait_until(lambda: len(self.executed) > before)
        engine.close(0.0)
        self.may_end.set()
        return run.info.id

    def _make_tenant(self, name: str, resources: TenantResources) -> TenantDatabase:
        config = DriverConfig(scheduling=ScheduleConfig(cron=True), slot_share=resources.slot_share)
        engine = Engine(self.url, config, registry=self.registry, options=resources.store_options)
        closing = ExitStack()
        closing.callback(engine.close, 0.0)
        return TenantDatabase(name, Database.of(engine), engine, closing)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type, unused-ignore]
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self.may_end.set()
        self._closing.close()


@pytest.fixture
def served(postgres: Cluster) -> Iterator[Served]:
    name = f"served_tenants_{next(_numbers)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    made = Served(postgres.url(name))
    yield made
    made.close()


def _use(tenants: ServedTenants, name: str) -> None:
    tenants.give_back(tenants.borrow(name))


def test_an_empty_database_is_no_trouble(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdwater.tenants")
    tenants = served.serve()
    assert tenants.read_next("public") is None
    _use(tenants, "public")
    assert tenants.read_next("public") is not None
    tenants.close()  # its thread has looked, too
    assert [message for message in caplog.messages if "cannot be read" in message] == []
    served.control.execute("DROP TABLE work CASCADE", ())
    with pytest.raises(StoreUnusable, match="work"):
        served.serve().read_next("public")


def test_an_engine_is_made_by_a_request_and_ended_when_idle(served: Served) -> None:
    tenants = served.serve()
    acme = served.add_tenant("acme")
    first, second = tenants.borrow(acme), tenants.borrow(acme)
    assert first is second
    assert tenants.awake() == [acme]
    tenants.give_back(first)
    tenants.give_back(second)
    wait_until(lambda: tenants.awake() == [])
    with pytest.raises(TenantNotFound):
        tenants.borrow("unknown")


def test_statements_of_a_tenant_are_those_of_its_role(served: Served) -> None:
    tenants = served.serve(TenantEngineOptions())
    acme = tenants.borrow(served.add_tenant("acme"))
    acme.database.store.list_runs(RunFilter(limit=1))
    with acme.engine.store._pool.connection() as connection:  # type: ignore[attr-defined]
        assert connection.execute("SELECT current_user::TEXT").fetchone() == ("acme",)
    tenants.give_back(acme)


def test_a_sleeping_tenant_wakes_for_its_schedule_and_sleeps_again(served: Served) -> None:
    tenants = served.serve()
    acme = tenants.borrow(served.add_tenant("acme"))
    now = served.control.clock.now()
    acme.engine.store.put_schedule(
        ScheduleRow(
            "s",
            "cron",
            "often",
            "of tenants",
            "*/3 * * * * *",
            settled_at=now,
            created_at=now,
            next_at=add_seconds(now, 3.0),
        )
    )
    acme.engine.driver.check_for_work()
    tenants.give_back(acme)
    wait_until(lambda: tenants.awake() == [])
    wait_until(lambda: served.executed == ["scheduled"])
    wait_until(lambda: tenants.awake() == [])


def test_work_that_another_process_leaves_wakes_its_tenant(served: Served) -> None:
    acme = served.add_tenant("acme")
    tenants = served.serve()
    wait_until(lambda: len(tenants._hub._subscriptions) >= 1)
    run_id = served.leave_work(acme)
    wait_until(lambda: len(served.executed) == 2)
    found = tenants.borrow(acme)
    found.engine.wait_for_run(run_id, 20)
    tenants.give_back(found)
    wait_until(lambda: tenants.awake() == [])


def test_work_is_found_after_the_listening_connection_was_lost(served: Served) -> None:
    acme = served.add_tenant("acme")
    tenants = served.serve()
    wait_until(lambda: len(tenants._hub._subscriptions) >= 1)
    served.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    served.leave_work(acme)
    wait_until(lambda: len(served.executed) == 2)
    tenants.check_ready()


def test_a_tenant_whose_tables_are_behind_is_unavailable_and_others_are_not(served: Served) -> None:
    good, behind = served.add_tenant("good"), served.add_tenant("behind")
    served.query("DELETE FROM behind.schema_version WHERE number = (SELECT max(number) FROM behind.schema_version)")
    tenants = served.serve()
    with pytest.raises(HoldwaterError) as caught:
        tenants.borrow(behind)
    assert STATUS_AND_CODE[type(caught.value)][0] == 503
    assert "upgrade" in (caught.value.hint or "")
    _use(tenants, good)
    assert tenants.awake() == [good]


def test_another_replica_does_the_work_of_one_that_hangs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [served.add_tenant(f"tenant_{number}") for number in range(2)]
    first, second = served.serve(), served.serve()
    wait_until(lambda: len(second._hub._subscriptions) == len(first._hub._subscriptions) == len(names))
    wait_until(lambda: len(second._hub._replicas) == len(first._hub._replicas) == 2)
    monkeypatch.setattr(hub, "preferred_replica", lambda tenant, replicas: first._hub.own_id)
    first._hub.close()  # its row still says that it lives
    for name in names:
        served.leave_work(name)
    wait_until(lambda: len(served.executed) == 2 * len(names))
    assert first.awake() == []


def test_removal_ends_the_engine_and_makes_none_before_it_is_done(served: Served) -> None:
    acme = served.add_tenant("acme")
    tenants = served.serve()
    _use(tenants, acme)
    with tenants.ending(acme) as was_awake:
        assert was_awake
        assert tenants.awake() == []
        with pytest.raises(HoldwaterError, match="is being removed"):
            tenants.borrow(acme)
    _use(tenants, acme)


def _two_replicas(served: Served) -> tuple[ServedTenants, ServedTenants]:
    first, second = served.serve(TenantEngineOptions()), served.serve(TenantEngineOptions())
    wait_until(lambda: served.control.select("SELECT count(*) FROM replicas") == [(2,)])
    return first, second


def test_removal_ends_the_engines_of_all_replicas_with_what_they_execute(served: Served) -> None:
    acme, other = served.add_tenant("acme"), served.add_tenant("other")
    first, second = _two_replicas(served)
    _use(second, other)
    borrowed = second.borrow(acme)
    served.may_end.clear()
    borrowed.engine.submit("of tenants", {"tenant": "acme"})
    wait_until(lambda: served.executed == ["acme"])
    with first.ending(acme) as was_awake:
        assert not was_awake, "it was in the other process"
        assert second.awake() == [other]
        for tenants in (first, second):
            with pytest.raises(TenantUnavailable, match="is being removed"):
                tenants.borrow(acme)
        with pytest.raises(RunnerClosed):
            borrowed.engine.submit("of tenants", {})
    served.may_end.set()
    _use(second, acme)  # it was not removed
    second.give_back(borrowed)
    assert acme in second.awake()


def test_a_removal_waits_for_the_one_that_is_under_way(served: Served) -> None:
    acme = served.add_tenant("acme")
    first, second = _two_replicas(served)

    def remove_too() -> None:
        with second.ending(acme):
            raise AssertionError("it is removed already")

    with ThreadPoolExecutor(1) as others:
        with first.ending(acme):
            waiting = others.submit(remove_too)
            with pytest.raises(TimeoutError):
                waiting.result(0.01)
            served.control.execute("DELETE FROM served_tenants")
        with pytest.raises(TenantNotFound):
            waiting.result(20)


def test_a_removal_does_not_wait_for_replicas_that_have_died(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_removals, "MAX_WAIT_SECONDS", 1e9)
    acme = served.add_tenant("acme")
    first, _ = _two_replicas(served)
    served.control.execute(
        "INSERT INTO replicas (id, host, pid, version, address, started_at, seen_at, state)"
        " SELECT 'died', host, pid, version, address, started_at, seen_at, state FROM replicas LIMIT 1"
    )
    with first.ending(acme):
        pass


def test_a_replica_that_has_missed_the_announcement_is_told_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_removals, "MAX_WAIT_SECONDS", 1e9)
    acme = served.add_tenant("acme")
    first, second = _two_replicas(served)
    _use(second, acme)
    removals, missed = second._removals, list[str]()
    end_here = removals._end_here

    def miss_the_first(name: str) -> None:
        if missed:
            end_here(name)
        else:
            missed.append(name)
            removals._asked.discard(name)

    monkeypatch.setattr(removals, "_end_here", miss_the_first)
    with first.ending(acme):
        assert missed == [acme]
        assert second.awake() == []


def test_a_removal_does_not_wait_for_long_for_a_replica_that_hangs(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tenant_removals, "MAX_WAIT_SECONDS", 1.0)
    acme = served.add_tenant("acme")
    first, second = _two_replicas(served)
    monkeypatch.setattr(second._removals, "_end_here", lambda name: None)
    with first.ending(acme):
        assert "1 replicas did not say" in caplog.text


def test_a_removal_ends_with_its_process(served: Served) -> None:
    acme = served.add_tenant("acme")
    tenants = served.serve(TenantEngineOptions())
    hour_hence = add_seconds(served.control.clock.now(), 3600.0)
    served.control.execute("UPDATE served_tenants SET removing_until = $1, remover_lock = 1", (hour_hence,))
    _use(tenants, acme)
    with tenants.ending(acme):
        pass
    assert served.control.select("SELECT removing_until FROM served_tenants") == [(0,)]


def test_a_role_of_a_tenant_cannot_have_the_engine_of_another_end(served: Served) -> None:
    """Every role may send notifications."""
    acme, evil = served.add_tenant("acme"), served.add_tenant("evil")
    tenants = served.serve(TenantEngineOptions())
    engine = tenants.borrow(acme)
    ((channel,),) = served.control.select(sql.GET_TENANTS_CHANNEL)
    looked_up: list[str] = []
    find = tenants._removals._directory.find

    def find_and_note(name: str) -> TenantPlace:
        looked_up.append(name)
        return find(name)

    tenants._removals._directory.find = find_and_note  # type: ignore[method-assign]
    served.query(f"SET ROLE {evil}; NOTIFY {channel}, 'removing acme'; NOTIFY {channel}, 'removed acme'")
    wait_until(lambda: looked_up == [acme])
    tenants._removals.close()  # waits for what it does
    assert tenants.awake() == [acme]
    engine.engine.submit("of tenants", {"tenant": "acme"})
    wait_until(lambda: served.executed == ["acme"])
    tenants.give_back(engine)


def test_an_engine_borrowed_before_a_tenant_was_made_again_is_not_the_new_one(served: Served) -> None:
    acme = served.add_tenant("acme")
    tenants = served.serve()
    before = tenants.borrow(acme)
    with tenants.ending(acme):
        pass
    after = tenants.borrow(acme)
    assert after is not before
    tenants.give_back(before)
    assert not tenants._engines.put_to_sleep(acme), "a request has it"
    tenants.give_back(after)
    wait_until(lambda: tenants.awake() == [])


def test_replicas_have_rows_while_they_live(served: Served) -> None:
    first, second = served.serve(), served.serve()

    def rows() -> list[Any]:
        return served.control.select("SELECT state FROM replicas")

    wait_until(lambda: len(rows()) == 2)
    second.start_draining()
    wait_until(lambda: sorted(rows()) == [("draining",), ("serving",)])
    wait_until(lambda: list(first._hub._replicas) == [first._hub.own_id])
    second.close()
    assert rows() == [("serving",)]
