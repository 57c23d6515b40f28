"""One enumeration of the statuses of runs, equal to the words the runners and the stores use."""

from __future__ import annotations

import json

import pytest

from holdwater import RunStatus as TopRunStatus
from holdwater.model.statuses import ACTIVE_STATUSES, FINAL_STATUSES, STATUS_LABELS, RunStatus
from holdwater.runners.graphs import RunStatus as GraphRunStatus
from holdwater.runners.steps import WorkflowStatus


def test_all_styles_share_it() -> None:
    assert TopRunStatus is GraphRunStatus is WorkflowStatus is RunStatus


@pytest.mark.parametrize("status", RunStatus)
def test_each_equals_its_word(status: RunStatus) -> None:
    word = status.name.lower()
    assert status == word == str(status) == json.loads(json.dumps(status))
    assert {word: 1}[status] == 1


def test_what_a_store_keeps_is_active_or_ended_and_has_a_label() -> None:
    kept = {*ACTIVE_STATUSES, *FINAL_STATUSES}
    assert len(kept) == len(ACTIVE_STATUSES) + len(FINAL_STATUSES) == 5
    assert kept == set(STATUS_LABELS)
    assert all(label == word.capitalize() for word, label in STATUS_LABELS.items())
    assert {type(word) for word in STATUS_LABELS} == {str}  # they are parameters of statements
