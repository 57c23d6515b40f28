"""Secrets: written by people, read by task functions, and found nowhere else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdwater import (
    Context,
    DefaultRunner,
    Graph,
    Step,
    SyncRunner,
    TaskHandle,
    Workflow,
    WorkflowContext,
    node,
    register_workflow,
)
from holdwater.engine.secret_keys import VARIABLE, SecretKeys, generate_key
from holdwater.errors import (
    ConfigError,
    InvalidArgument,
    SecretExists,
    SecretNotFound,
    SecretsUnavailable,
    WorkflowError,
)
from holdwater.executors import ProcessExecutor
from holdwater.graphs import NodeContext
from holdwater.model.registry import registry
from holdwater.operations.databases import Database
from holdwater.operations.secrets import (
    create_secret,
    get_secret_info,
    list_secrets,
    put_secret,
    remove_secret,
    replace_secret,
    rotate_secrets,
)
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, define, empty_registry, open_runner, runner, url

__all__ = ["define", "empty_registry", "open_runner", "runner", "url"]

TEXT = "tr0ub4dor-and-3"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    text = generate_key()
    monkeypatch.setenv(VARIABLE, text)
    return text


def database_of(runner: DefaultRunner) -> Database:
    return Database.of(runner._engine)


def everything_in(url: str) -> bytes:
    """All that the database holds, as bytes of files or texts of rows."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return b"".join([file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file()])
    with psycopg.connect(url) as server:
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
        rows = [server.execute(f"SELECT t::TEXT FROM {name} t").fetchall() for (name,) in tables]
    return str(rows).encode()


def test_secrets_are_written_listed_and_removed(runner: DefaultRunner, key: str) -> None:
    database = database_of(runner)
    assert list_secrets(database) == ()
    made = create_secret(database, "smtp", {"user": "mail", "password": TEXT}, by="cli:alice")
    assert (made.name, made.field_names, made.created_by) == ("smtp", ("password", "user"), "cli:alice")
    assert (get_secret_info(database, "smtp"), list_secrets(database)) == (made, (made,))
    with pytest.raises(SecretExists):
        create_secret(database, "smtp", {"value": "x"})
    new = replace_secret(database, "smtp", {"value": "other"}, by="api")
    assert (new.id, new.created_at, new.field_names, new.updated_by) == (made.id, made.created_at, ("value",), "api")
    assert put_secret(database, "smtp", {"value": "third"}).id == made.id
    assert put_secret(database, "token", {"value": "x"}).name == "token"
    remove_secret(database, "smtp")
    with pytest.raises(SecretNotFound):
        remove_secret(database, "smtp")
    with pytest.raises(SecretNotFound):
        replace_secret(database, "smtp", {"value": "x"})
    with pytest.raises(SecretNotFound):
        get_secret_info(database, "smtp")


@pytest.mark.parametrize(
    "fields", [{}, {"value": 3}, {"a b": "x"}, {"": "x"}, {"value": "x" * 65_537}, {"value": "\ud800"}, None, "x"]
)
def test_texts_that_are_none_are_refused(runner: DefaultRunner, fields: Any) -> None:
    with pytest.raises(InvalidArgument):
        put_secret(database_of(runner), "smtp", fields)


@pytest.mark.parametrize("name", ["", "a b", "1a", "../x", "x" * 64, None])
def test_names_that_are_none_are_refused(runner: DefaultRunner, name: Any) -> None:
    with pytest.raises(InvalidArgument):
        put_secret(database_of(runner), name, {"value": "x"})


def test_secrets_are_encrypted_anew(runner: DefaultRunner, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = database_of(runner)
    for name in ("a", "b"):
        put_secret(database, name, {"value": name})
    new = generate_key()
    monkeypatch.setenv(VARIABLE, f"{new},{key}")
    put_secret(database, "b", {"value": "b"})
    assert rotate_secrets(database) == 1
    assert rotate_secrets(database) == 0
    assert {one.key_id for one in list_secrets(database)} == {SecretKeys.parse(new).first_id}
    monkeypatch.setenv(VARIABLE, generate_key())
    with pytest.raises(SecretsUnavailable):
        rotate_secrets(database)


def test_task_functions_ask_by_name_and_nothing_else_holds_the_text(
    open_runner: Callable[..., DefaultRunner], define: Define, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    runner = open_runner(capture_logs=True, capture_output=True)
    database = database_of(runner)
    put_secret(database, "smtp", {"value": TEXT, "user": "mail"})
    read: list[str] = []

    def ask(context: Context, handle: TaskHandle) -> None:
        read.append(context.secret("smtp"))
        read.append(handle.secret("smtp", "user"))
        print("asked", repr(context), repr(handle))
        logging.getLogger("app").warning("asked %r %r", context, handle)
        context["length"] = len(read[0])

    async def ask_async(context: Context) -> None:
        read.append(await asyncio.to_thread(context.secret, "smtp"))

    def fail(context: Context) -> None:
        context.secret("smtp")
        raise ValueError("no text in here")

    define("mails", ("ask", ask, {}), ("ask_async", ask_async, {"dependencies": ["ask"]}))
    define("fails", ("fail", fail, {}))
    done = runner.execute("mails", {})
    assert (done.status, done.final_context["length"]) == ("Completed", len(TEXT))
    failed = runner.execute("fails", {})
    assert failed.status == "Failed"
    assert read == [TEXT, "mail", TEXT]
    runner.shutdown()
    said = caplog.text + json.dumps(done.to_dict(), default=str) + json.dumps(failed.to_dict(), default=str)
    assert TEXT not in said
    stored = everything_in(database.store.url)
    assert b"length" in stored
    assert TEXT.encode() not in stored


def test_steps_and_graphs_ask_by_name(runner: DefaultRunner) -> None:
    put_secret(database_of(runner), "smtp", {"value": TEXT})
    read = []

    def step(context: WorkflowContext, config: Any) -> None:
        read.append(context.secret("smtp"))

    @node(output_name="length")
    def call(x: int, context: NodeContext) -> int:
        read.append(context.secret("smtp"))
        return len(read[-1])

    register_workflow(Workflow("secret-steps", [Step.lambda_("step", step)]))
    try:
        assert runner.execute("secret-steps", {}).status == "Completed"
    finally:
        registry.unregister("secret-steps")
    assert runner.execute(Graph([call], name="secret-graph"), {"x": 1}).status == "Completed"
    assert read == [TEXT, TEXT]
    with pytest.raises(ConfigError, match="not recorded"):
        SyncRunner().run(Graph([call], name="unrecorded"), {"x": 1})


def ask_in_worker(context: Context, handle: TaskHandle) -> None:
    context["lengths"] = [len(context.secret("smtp")), len(handle.secret("smtp", "value"))]
    try:
        handle.secret("none")
    except SecretNotFound as error:
        context["error"] = error.message


def test_functions_in_worker_processes_ask_their_runner(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    define("asks", ("ask", ask_in_worker, {"executor": "processes"}))
    runner = open_runner(executors={"processes": ProcessExecutor(1)})
    put_secret(database_of(runner), "smtp", {"value": TEXT})
    done = runner.execute("asks", {})
    assert done.status == "Completed", done.error_message
    assert (done.final_context["lengths"], done.final_context["error"]) == (
        [len(TEXT)] * 2,
        "there is no secret 'none'",
    )


def test_what_cannot_be_read_says_why(runner: DefaultRunner, define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    define("asks", ("ask", lambda context: context.secret(context["name"], context["field"]) and None, {}))
    put_secret(database_of(runner), "smtp", {"value": TEXT})

    def error_of(name: str, field: str = "value") -> str:
        result = runner.execute("asks", {"name": name, "field": field})
        assert result.status == "Failed"
        return str(result.error_message)

    assert "SecretNotFound: there is no secret 'none'" in error_of("none")
    assert "has no field 'user'" in error_of("smtp", "user")
    assert "InvalidArgument" in error_of("a b")
    monkeypatch.delenv(VARIABLE)
    assert f"SecretsUnavailable: secrets need a key, and {VARIABLE} is not set" in error_of("smtp")
    monkeypatch.setenv(VARIABLE, generate_key())
    assert "is encrypted with the key" in error_of("smtp")
    with pytest.raises(WorkflowError, match="outside of a task function"):
        Context().secret("smtp")


def test_a_secret_of_another_tenant_is_not_decrypted(migrated_schema: Callable[[], str], define: Define) -> None:
    """A row that was copied from one schema to another one."""
    one, two = migrated_schema(), migrated_schema()
    with DefaultRunner(one) as first, DefaultRunner(two) as second:
        put_secret(database_of(first), "smtp", {"value": TEXT})
        copied = first._engine.store.get_secret("smtp")
        assert copied is not None
        assert second._engine.store.insert_secret(copied)
        define("asks", ("ask", lambda context: context.secret("smtp") and None, {}))
        assert first.execute("asks", {}).status == "Completed"
        failed = second.execute("asks", {})
    assert "written for another tenant or name" in str(failed.error_message)
    assert SIGNAL_TIMEOUT_SECONDS
