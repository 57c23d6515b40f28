"""Results of runs as values."""

from __future__ import annotations

from holdwater import DefaultRunner
from tests.runs.followed_workflows import ASKING_INPUTS, asking_graph
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


def test_the_duration_of_a_question_is_without_the_time_until_its_answer(runner: DefaultRunner) -> None:
    handle = runner.submit(asking_graph, ASKING_INPUTS)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    asked = next(task for task in handle.info().task_results if task.task_name == "ask")
    handle.answer(None, True)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    answered = next(task for task in result.task_results if task.task_name == "ask")
    assert (asked.status, answered.status) == ("Waiting", "Completed")
    assert asked.duration is not None
    assert answered.duration == asked.duration
    assert answered.end_time is not None
