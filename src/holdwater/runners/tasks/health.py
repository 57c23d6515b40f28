"""The health of a runner, as a supervisor of processes asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import RunnerClosed

STUCK_AFTER_SECONDS: Final = 60.0
"""silence of the loop after which a runner counts as broken"""


@dataclass(frozen=True, slots=True)
class RunnerHealth:
    """A runner at one moment.

    `is_alive`: its loop answers, or has answered less than 60 s ago; a process that is not alive is to be restarted.
    `is_ready`: it takes work: it is alive, does not shut down, and its database answers.  `reason`: why it is not.
    `has_failed`: an error inside Holdwater has ended its loop, so it executes nothing any more.
    """

    is_alive: bool
    is_ready: bool
    reason: str = ""
    has_failed: bool = False


def check_health(engine: Engine) -> RunnerHealth:
    """Ask the loop of an engine, which is given a second to answer."""
    driver = engine.driver
    try:
        silent_seconds = driver.seconds_since_answer()
    except RunnerClosed as error:
        has_failed = error.__cause__ is not None
        return RunnerHealth(driver.loop.is_closing and not has_failed, False, error.message, has_failed)
    if silent_seconds > STUCK_AFTER_SECONDS:
        return RunnerHealth(False, False, f"the loop has not answered for {silent_seconds:.0f} s")
    if silent_seconds:
        return RunnerHealth(True, False, "the loop is busy")
    if not driver.store_answers:
        return RunnerHealth(True, False, "the database cannot be used now; it is tried again")
    return RunnerHealth(True, True)
