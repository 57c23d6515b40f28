"""Options of runners in processes of the command line, where what task functions print and log is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdwater.runners.tasks.config import DefaultRunnerConfig


def capturing_config(**options: Any) -> DefaultRunnerConfig:
    """Return a configuration that keeps output and log records, from INFO on unless the program has configured logging.

    Raises ConfigError.
    """
    from holdwater.runners.tasks.config import DefaultRunnerConfig
    from holdwater.runtime.logs.capture import log_info_records

    log_info_records()
    return DefaultRunnerConfig(capture_logs=True, capture_output=True, **options)
