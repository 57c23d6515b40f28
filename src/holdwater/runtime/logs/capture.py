"""The logs of one runner: which attempts have one, and what is taken of them."""

from __future__ import annotations

import logging
from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.logs import LogStore
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.logs import captured_streams
from holdwater.runtime.logs.attempt_log import AttemptLog
from holdwater.runtime.logs.writer import LogWriter


class LogCapture:
    """Gives attempts their logs, and has these written."""

    def __init__(
        self,
        store: LogStore,
        clock: Clock,
        watchers: JournalWatchers,
        error_log: InternalErrors,
        config: DriverConfig,
    ) -> None:
        self._clock = clock
        self._writer: Final = LogWriter(store, watchers, error_log.add)
        self._takes_records, self._takes_output = config.capture_logs, config.capture_output
        self._is_off: Final = not (config.capture_logs or config.capture_output)
        self._is_installed = False

    def start(self) -> None:
        """Take what functions in this process print, if that is wanted."""
        if self._takes_output:
            captured_streams.install()
            self._is_installed = True

    def open_log(self, attempt: Attempt, *, is_remote: bool) -> AttemptLog | None:
        """The log of an attempt; None if nothing is taken.  `is_remote`: its function runs in another process."""
        if is_remote:
            return AttemptLog(self._writer, self._clock, attempt.run_id, attempt.node, attempt.fence)
        if self._is_off:
            return None
        if self._is_installed:
            captured_streams.wrap_again()
        return AttemptLog(
            self._writer,
            self._clock,
            attempt.run_id,
            attempt.node,
            attempt.fence,
            takes_records=self._takes_records,
            takes_output=self._takes_output,
        )

    def close(self) -> None:
        """Take nothing more, and write what is there.  Idempotent."""
        if self._is_installed:
            self._is_installed = False
            captured_streams.uninstall()
        self._writer.close()


def log_info_records() -> None:
    """Have INFO records made, in a process of this package whose program has not configured logging.

    A program that has no handlers shows warnings only, as before.
    """
    root = logging.getLogger()
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(logging.INFO)
