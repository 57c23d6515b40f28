"""Labels, authors and traces, as they are judged where they come in."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import InvalidArgument
from holdwater.model.provenance import (
    FROM_CODE,
    MAX_LABEL_VALUE_BYTES,
    MAX_LABELS,
    Provenance,
    check_author,
    check_labels,
    check_traceparent,
    encode_labels,
    inherit_provenance,
)
from tests.storage.factories import make_run_row


@pytest.mark.parametrize("key", ["e", "env", "app.kubernetes.io/name", "A_1", "a" * 63])
def test_keys_of_labels(key: str) -> None:
    assert check_labels({key: "x"}) == {key: "x"}


@pytest.mark.parametrize("key", ["", "1a", "a-", "a b", "ä", "a\n", "a" * 64, "-a", "a=b", None, 3])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    with pytest.raises(InvalidArgument, match="no key of a label"):
        check_labels({key: "x"})


@pytest.mark.parametrize(
    "value", [None, 3, True, b"x", "a\nb", "\0", "\ud800", "ä" * (MAX_LABEL_VALUE_BYTES // 2 + 1), "\x1b[0m"]
)
def test_a_value_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="env"):
        check_labels({"env": value})


def test_values_may_be_empty_and_of_any_script() -> None:
    given = {"a": "", "b": "prüfen = ja", "c": "x" * MAX_LABEL_VALUE_BYTES}
    assert check_labels(given) == given


@pytest.mark.parametrize("labels", [3, "env=prod", ["env"], {f"k{n}": "" for n in range(MAX_LABELS + 1)}])
def test_labels_that_are_none_are_refused(labels: Any) -> None:
    with pytest.raises(InvalidArgument, match="label"):
        check_labels(labels)


def test_labels_are_stored_in_the_order_of_their_keys() -> None:
    row = make_run_row("r")
    Provenance(labels={"b": "2", "a": "ä"}).write_to(row)
    assert row.labels_json == '{"a":"ä","b":"2"}'
    assert list(row.labels) == ["a", "b"]
    assert encode_labels({}) is None


@pytest.mark.parametrize("trace", ["", "00-x", 3, "00-" + "A" * 32 + "-" + "b" * 16 + "-01"])
def test_a_trace_that_is_none_is_refused(trace: Any) -> None:
    with pytest.raises(InvalidArgument, match="traceparent"):
        check_traceparent(trace)


@pytest.mark.parametrize("author", ["a\nb", None, 3, "x" * 2_000])
def test_an_author_that_is_none_is_refused(author: Any) -> None:
    with pytest.raises(InvalidArgument, match="author"):
        check_author(author)


@pytest.mark.parametrize(
    ("started_by", "origin"), [("", "code"), ("api:ci", "api"), ("cli:ann", "cli"), ("cli", "cli"), ("user:x", "code")]
)
def test_the_author_tells_the_origin(started_by: str, origin: str) -> None:
    assert Provenance.of_caller(started_by).origin == origin


def test_children_and_forks_have_the_labels_and_the_trace_of_the_run_they_come_from() -> None:
    parent, child = make_run_row("r"), make_run_row("c")
    Provenance("cli", "cli:ann", {"env": "prod"}, "00-" + "a" * 32 + "-" + "b" * 16 + "-01").write_to(parent)
    inherit_provenance(child, parent)
    assert (child.origin, child.started_by, child.labels) == ("child", "cli:ann", {"env": "prod"})
    assert child.traceparent == parent.traceparent
    assert Provenance.of_caller(labels={}) is FROM_CODE
