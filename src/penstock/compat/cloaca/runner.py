"""The runner, as the original is told its database."""

from __future__ import annotations

from penstock.compat.cloaca import triggers
from penstock.compat.cloaca.absent import RunnerMethods
from penstock.compat.cloaca.urls import translated
from penstock.runners.config import DefaultRunnerConfig
from penstock.runners.default import DefaultRunner as Runner


class DefaultRunner(Runner, RunnerMethods):
    """Penstock's runner, with database URLs as the original reads them, and cron schedules for `@trigger(cron=...)`.

    Raises what that raises.
    """

    def __init__(
        self, database_url: str, *, config: DefaultRunnerConfig | None = None, schema: str | None = None
    ) -> None:
        super().__init__(translated(database_url), config=config, schema=schema)
        try:
            triggers.attend(self)
        except BaseException:
            self.shutdown()
            raise

    def shutdown(self) -> None:
        """As in Penstock."""
        triggers.leave(self)
        super().shutdown()
