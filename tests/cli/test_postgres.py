"""The command line on PostgreSQL: it runs, looks and checks there as on a file."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import psycopg

from .conftest import Shell


def test_a_run_is_made_listed_shown_and_checked(shell: Shell, new_schema: Callable[[], str]) -> None:
    database = ("--database", new_schema())
    made = shell("run", "flows:sums", *database, "--json")
    assert made.returncode == 0, made.stderr
    (listed,) = json.loads(shell("runs", "list", *database, "--json").stdout)
    assert listed["status"] == "Completed"
    shown = json.loads(shell("runs", "show", listed["run_id"][:30], *database, "--json").stdout)
    assert shown["final_context"] == {"x": 2, "y": 4}
    checked = shell("verify", *database)
    assert checked.returncode == 0, checked.stderr
    assert not list(shell.home.glob("*.db*"))


def test_looking_makes_nothing(shell: Shell, new_schema: Callable[[], str]) -> None:
    url = new_schema()
    for command in (["runs", "list"], ["runs", "show", "0"], ["verify"]):
        done = shell(*command, "--database", url)
        assert done.returncode not in (0, 1), "an exit code of its own: nothing was looked at"
        assert "Traceback" not in done.stderr
        assert "start a runner on it first" in done.stderr
    with psycopg.connect(url) as connection:
        assert not connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema()").fetchall()


def test_a_server_that_is_not_there_and_a_password_that_nobody_sees(shell: Shell) -> None:
    for command in (["run", "flows:sums"], ["runs", "list"], ["verify"]):
        done = shell(*command, "--database", "postgresql://me:hush-hush@127.0.0.1:1/db")
        assert done.returncode not in (0, 1)
        assert "127.0.0.1" in done.stderr
        assert "Traceback" not in done.stderr
        assert "hush-hush" not in done.stdout + done.stderr


def test_the_way_to_go_on_does_not_show_the_password(shell: Shell, new_schema: Callable[[], str]) -> None:
    database = new_schema().replace("postgres@", "postgres:hush-hush@")
    process = shell.start("run", "flows:waits", "--database", database)
    shell.wait_until(lambda: (shell.home / "blocked").exists(), process)
    process.send_signal(signal.SIGINT)
    shell.let_go()
    out, err = process.communicate(timeout=60)
    assert "go on with" in err
    assert "postgres:***@" in err
    assert "hush-hush" not in out + err
