"""Statements composed of parts: the values stand in the order of their places, whatever the parts."""

from __future__ import annotations

import sqlite3

import pytest

from holdwater.storage.postgres import statements as postgres
from holdwater.storage.sql.fragments import Fragment, FragmentSet, join_fragments
from holdwater.storage.sqlite import statements as sqlite

PARTS = FragmentSet(("tests.storage", "parts.sql"))


def test_values_follow_their_places() -> None:
    ones = [PARTS.compose("one", value=n) for n in (1, 2)]
    both = PARTS.compose("outer", {"inner": join_fragments(PARTS.compose("union"), ones)}, first="a", last="b")
    assert both.values == ("a", 1, 2, "b")
    assert both.to_sql("${}".format).split() == [
        "SELECT", "$1,", "n", "FROM", "(", "SELECT", "$2", "AS", "n", "UNION", "ALL", "SELECT", "$3", "AS", "n", ")",
        "WHERE", "n", "<", "$4",
    ]  # fmt: skip
    connection = sqlite3.connect(":memory:")
    assert connection.execute(both.to_sql("?".format), ("a", 1, 2, 3)).fetchall() == [("a", 1), ("a", 2)]
    connection.close()


def test_a_value_is_never_text_of_the_statement() -> None:
    made = PARTS.compose("one", value="'; DROP TABLE runs; --")
    assert made.to_sql("?".format) == "SELECT ? AS n"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: PARTS.compose("unknown"),
        lambda: PARTS.compose("one"),
        lambda: PARTS.compose("outer", first=1, last=2),
    ],
)
def test_what_is_missing_is_an_error(ask: object) -> None:
    with pytest.raises(KeyError):
        ask()  # type: ignore[operator]


def test_nothing_is_not_joined() -> None:
    with pytest.raises(ValueError, match="nothing"):
        join_fragments(Fragment(("AND",)), [])


def test_each_database_has_all_parts() -> None:
    assert sqlite.RUN_LIST_PARTS._parts.keys() == postgres.RUN_LIST_PARTS._parts.keys()
