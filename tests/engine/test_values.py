"""Values through real stores, in runs of every style: exact in another process, or refused at what made them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import EncodingError
from holdwater.model import codec
from tests.engine.pruning_cases import MEMORY, ROUND_TRIPS, STYLES
from tests.model import sample_values
from tests.model.test_value_types import VALUES
from tests.suite.effort import LONG, property_test

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=LONG)])  # there a lease runs out first
def test_a_process_that_was_killed_leaves_values_that_the_next_one_reads_exactly(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    in_file = database == "sqlite"
    url = f"sqlite:///{tmp_path}/values.db" if in_file else request.getfixturevalue("migrated_schema")()

    def process(what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "tests.engine.pruning_cases", url, what]
        return subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120)

    killed = process("die")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    looked = process("look")
    assert looked.stdout.splitlines() == [f"{style} ok" for style in sorted(STYLES)], looked.stderr


_run_numbers = count()


class Broken(Exception):
    """What the second body raises the first time."""


@pytest.fixture
def urls(tmp_path: Path, migrated_schema: Callable[[], str]) -> list[str]:
    return [f"sqlite:///{tmp_path}/values.db", migrated_schema(), MEMORY]


@pytest.mark.parametrize("style", STYLES)
@property_test(VALUES, quick_examples=4, long_examples=300)
def test_values_of_built_classes_are_exact_in_a_new_runner_or_refused(style: str, urls: list[str], value: Any) -> None:
    """The second body fails the first time, so that what it sees the second time comes from the store."""
    for url in urls:
        assert_round_trip(url, style, value)


@pytest.mark.parametrize("style", STYLES)
def test_what_is_not_kept_fails_the_node_that_made_it(style: str, urls: list[str]) -> None:
    for url in urls:
        for value in (
            sample_values.Table(),
            [sample_values.Unregistered()],
            {"a": sample_values.Forgetful(1, 2)},
            lambda: 0,
        ):
            assert_round_trip(url, style, value)


def assert_round_trip(url: str, style: str, value: Any) -> None:
    key = f"run-{next(_run_numbers)}"
    seen: list[Any] = []
    make: Callable[[], Any] = lambda: value  # noqa: E731

    def look(given: Any) -> None:
        seen.append(given)
        if len(seen) == 1:
            raise Broken("the first time")

    if not is_preserved(value):
        said = ROUND_TRIPS[style](url, make, look, key)
        assert "put" in said
        assert "EncodingError" in said or "stored" in said
        assert not seen
        return
    said = ROUND_TRIPS[style](url, make, look, key)
    if url != MEMORY:
        assert "the first time" in said
        assert ROUND_TRIPS[style](url, lambda: pytest.fail("it is made already"), look, key, retry_failed=True) == ""
    assert len(seen) == 2
    assert all([sample_values.is_same(given, value) for given in seen])


def is_preserved(value: Any) -> bool:
    try:
        codec.encode(value)
    except EncodingError:
        return False
    return True
