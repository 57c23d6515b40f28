"""The runner, as the original is told its database."""

from __future__ import annotations

from holdwater.compat.cloaca import triggers
from holdwater.compat.cloaca.unsupported import UnsupportedRunnerMethods
from holdwater.compat.cloaca.urls import translate_url
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.default_runner import DefaultRunner as Runner


class DefaultRunner(Runner, UnsupportedRunnerMethods):
    """Holdwater's runner, with database URLs as the original reads them, and cron schedules for `@trigger(cron=...)`.

    Raises what that raises.
    """

    def __init__(
        self, database_url: str, *, config: DefaultRunnerConfig | None = None, schema: str | None = None
    ) -> None:
        super().__init__(translate_url(database_url), config=config, schema=schema)
        try:
            triggers.attach_runner(self)
        except BaseException:
            self.shutdown()
            raise

    def shutdown(self) -> None:
        """As in Holdwater."""
        triggers.detach_runner(self)
        super().shutdown()
