"""Database URLs: what each means, and what the wrong ones are told."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from holdwater.errors import DatabaseURLError
from holdwater.storage import open_store
from holdwater.storage.urls import parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///app.db", "app.db"),
        ("sqlite:///dir/app.db", "dir/app.db"),
        ("sqlite:///./app.db", "app.db"),
        ("sqlite:///../app.db", "../app.db"),
        ("sqlite://./app.db", "app.db"),
        ("sqlite://../app.db", "../app.db"),
        ("sqlite:////abs/app.db", "/abs/app.db"),
        ("sqlite://///abs/app.db", "/abs/app.db"),
        ("sqlite:///with space % # ü.db", "with space % # ü.db"),
        ("sqlite:///app.db?_busy_timeout=5", "app.db"),
        ("SQLite:///app.db", "app.db"),
    ],
)
def test_a_file(url: str, path: str) -> None:
    where = parse_url(url)
    assert (where.dialect, where.path, where.mode) == ("sqlite", Path(os.path.abspath(path)), "rwc")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///x.db?mode=memory"])
def test_a_database_in_memory(url: str) -> None:
    where = parse_url(url)
    assert (where.dialect, where.path, where.mode) == ("sqlite", None, "memory")


def test_the_store_in_memory() -> None:
    assert parse_url("memory://").dialect == "memory"


def test_options() -> None:
    where = parse_url("sqlite:///a.db?mode=rw&_journal_mode=delete&_synchronous=normal&_busy_timeout=200")
    assert (where.mode, where.journal_mode, where.synchronous, where.busy_timeout_ms) == ("rw", "DELETE", 1, 200)
    assert parse_url("sqlite:///a.db?_synchronous=3").synchronous == 3


def test_defaults_are_safe() -> None:
    where = parse_url("sqlite:///a.db")
    assert (where.mode, where.journal_mode, where.synchronous, where.busy_timeout_ms) == ("rwc", "WAL", 2, 60_000)


def test_an_unknown_option_warns_and_names_the_known_ones() -> None:
    with pytest.warns(UserWarning, match=r"'cache' is ignored; known are mode, _journal_mode") as caught:
        open_store("sqlite:///:memory:?cache=shared").close()
    assert caught[0].filename == __file__


def test_a_known_option_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_url("sqlite:///a.db?mode=rwc&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=1")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "empty"),
        ("app.db", r"did you mean sqlite:///app\.db\?"),
        ("/abs/app.db", r"did you mean sqlite:////abs/app\.db\?"),
        (":memory:", r"did you mean sqlite:///:memory:\?"),
        ("sqlite:app.db", r"did you mean sqlite:///app\.db\?"),
        ("sqlite:/app.db", r"did you mean sqlite:///app\.db\?"),
        ("sqlite://app.db", r"did you mean sqlite:///app\.db"),
        ("sqlite://host/app.db", "'host' would be a host"),
        ("sqlite://:memory:", "write sqlite:///:memory:"),
        ("sqlite:///a\0.db", "NUL"),
        ("sqlite+pysqlite:///app.db", "write sqlite:///app.db"),
        ("sqlite:///a.db?mode=rx", "mode='rx' is none of rwc, rw, ro, memory"),
        ("sqlite:///a.db?_journal_mode=OFF", "is none of WAL, DELETE"),
        ("sqlite:///a.db?_synchronous=4", "is none of OFF, NORMAL"),
        ("sqlite:///a.db?_busy_timeout=-1", "number of milliseconds"),
        ("sqlite:///a.db?_busy_timeout=1s", "number of milliseconds"),
        ("sqlite:///a.db?_busy_timeout=9999999999", "number of milliseconds"),
        ("memory://x", "neither a path nor options"),
        ("postgresql+psycopg2://u:secret@h/db", "write postgresql://u:"),
        ("mysql://u:secret@h/db", "no store for 'mysql'"),
    ],
)
def test_an_invalid_url_error_says_what_to_write(url: str, said: str) -> None:
    with pytest.raises(DatabaseURLError, match=said) as caught:
        parse_url(url)
    assert isinstance(caught.value, ValueError)
    assert "secret" not in str(caught.value)
