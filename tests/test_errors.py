"""Hints of errors: names that come close."""

from __future__ import annotations

import pytest

from holdwater.model.suggestions import did_you_mean, suggest


@pytest.mark.parametrize(
    ("name", "candidates", "hint"),
    [
        ("laod", ["load", "save"], "did you mean 'load'?"),
        ("laod", ["loads", "load"], "did you mean 'load' or 'loads'?"),
        ("node1", ["node2", "node3", "node4", "node5"], "did you mean 'node5' or 'node4' or 'node3'?"),
        ("EUROPE/BERLIN", ["Europe/Bern", "Europe/Berlin"], "did you mean 'Europe/Berlin'?"),
        ("quit", ["load", "save"], ""),
        ("load", [], ""),
        (7, ["7"], ""),
        ("x" * 1_001, ["x" * 1_000], ""),
    ],
)
def test_did_you_mean(name: object, candidates: list[str], hint: str) -> None:
    assert did_you_mean(name, candidates) == did_you_mean(name, iter(candidates)) == hint


def test_suggest() -> None:
    assert (suggest([]), suggest(["a"])) == ("", "did you mean 'a'?")
