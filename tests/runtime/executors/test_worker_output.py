"""Output of worker processes: what a pipe holds is taken at once, and a program that writes on holds nothing up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from holdwater.runtime.executors.processes import output
from holdwater.runtime.executors.processes.output import CapturedOutput


@pytest.fixture
def captured() -> Iterator[CapturedOutput]:
    """The output of a worker that only the test writes and reads."""
    made = CapturedOutput()
    yield made
    made.close_worker_fds()
    made.close()


def test_a_full_pipe_is_taken_at_once(captured: CapturedOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    passed_on: list[bytes] = []
    monkeypatch.setattr(output, "write_all", lambda fd, data: passed_on.append(data))
    assert captured.stdout is not None
    os.set_blocking(captured.stdout, False)
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += os.write(captured.stdout, bytes(1000))
    captured.catch_up()
    assert sum(map(len, passed_on)) == size


def test_a_program_that_is_left_running_does_not_hold_up_the_end(
    captured: CapturedOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_on: list[bytes] = []

    def write_on(fd: int, data: bytes) -> None:
        passed_on.append(data)
        assert len(passed_on) < 1000, "what comes meanwhile is read for ever"
        assert captured.stdout is not None
        os.write(captured.stdout, b"more\n")

    monkeypatch.setattr(output, "write_all", write_on)
    assert captured.stdout is not None
    os.write(captured.stdout, b"said\n")
    captured.catch_up()
    assert passed_on[0] == b"said\n"
