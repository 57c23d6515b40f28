"""The error of a run in a line of a list."""

from __future__ import annotations

import pytest

from holdwater.model.short_error import short_error


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("task 'charge' failed: OSError: 502", "charge: OSError: 502"),
        ('task "it\'s" failed: OSError: no', "it's: OSError: no"),
        (f"task '{'n' * 40}' failed: OSError: no", f"{'n' * 23}…: OSError: no"),
        ("task 'a' failed: task 'b' failed: no", "a: task 'b' failed: no"),
        ("deadline exceeded", "deadline exceeded"),
        ("no task 'a' failed: really", "no task 'a' failed: really"),
    ],
)
def test_the_error_of_a_run_begins_with_its_task_in_short(error: str, shown: str) -> None:
    assert short_error(error) == shown
