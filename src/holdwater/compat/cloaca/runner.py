"""The original's runner: Holdwater's, with the original's reading of database URLs."""

from __future__ import annotations

from holdwater.compat.cloaca import triggers
from holdwater.compat.cloaca.unsupported import UnsupportedRunnerMethods
from holdwater.compat.cloaca.urls import translate_url
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.default_runner import DefaultRunner as Runner


class DefaultRunner(Runner, UnsupportedRunnerMethods):
    """Holdwater's runner, with the original's reading of database URLs, and cron schedules for `@trigger(cron=...)`.

    Raises DatabaseURLError (a ValueError) for a URL that cannot be used, StoreUnavailable for a database that cannot,
    ExecutorNotFound (a ValueError) for a routing to an unknown executor.
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
        """Shut down as Holdwater's runner does, after detaching the cron triggers."""
        triggers.detach_runner(self)
        super().shutdown()
