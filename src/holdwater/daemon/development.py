"""The process of `holdwater dev`: a runner on a database of its own, and source that is served as it is saved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from holdwater.daemon.home import Home
from holdwater.daemon.source_registry import SourceRegistry
from holdwater.daemon.source_releases import SourceReleases, SourceStatus
from holdwater.daemon.source_watching import SourceWatcher
from holdwater.daemon.sources import Source
from holdwater.daemon.web_ui import WebUI
from holdwater.events.processors import EventProcessor
from holdwater.model.registry import Registry
from holdwater.packages.reconciling.engine_packages import EnginePackages
from holdwater.packages.settings import PackageSettings
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.default_runner import DefaultRunner
from holdwater.server.executed_packages import ExecutedPackages
from holdwater.service.home_lock import HomeLock, usable_home

RECONCILE_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 600.0
"""a process of code that is being written is kept for so long: its start is what one waits for"""
ANNOUNCE_SECONDS: Final = 10.0
RUNNER_NAME: Final = "dev"


class DevelopmentServer:
    """Serves a source until it is closed.  `home`: the folder of its database and of all it unpacks; it is kept.

    `on_status`: called with each change of the source, from a thread.  `ui_bind`: see `parse_bind`.  Raises DaemonError
    if another process works on the home, or it cannot be written, ConfigError, IsolationUnavailable, StoreUnavailable.
    """

    def __init__(
        self,
        source: Source,
        home: Path,
        *,
        on_status: Callable[[SourceStatus], None],
        event_processors: Sequence[EventProcessor] = (),
        ui_bind: str = "",
    ) -> None:
        self._on_status, self._is_reconciling = on_status, False
        self._resources = ExitStack()
        try:
            with usable_home(home):
                self._open(source, Home(home), event_processors, ui_bind)
        except BaseException:
            self._resources.close()
            raise

    def _open(self, source: Source, home: Home, event_processors: Sequence[EventProcessor], ui_bind: str) -> None:
        closing = self._resources.callback
        make_home(home.folder)
        closing(HomeLock(home.lock).release)
        settings = PackageSettings(site_folders=site_folders(), idle_seconds=IDLE_SECONDS)
        self._packages = packages = EnginePackages(settings, home.folder)
        closing(packages.close)
        self.runner = DefaultRunner(
            home.database_url,
            config=DefaultRunnerConfig(runner_name=RUNNER_NAME, executors=packages.executors),
            registry=Registry(),
            event_processors=event_processors,
        )
        closing(self.runner.shutdown)
        engine = self.runner._engine
        registry = SourceRegistry(str(source.root), engine.clock)
        packages.attach(engine, registry, interval_seconds=RECONCILE_SECONDS, author=RUNNER_NAME)
        releases = SourceReleases(source, registry, engine.store, self._reconcile, self._announce)
        self._watcher = SourceWatcher(releases.refresh)
        closing(self._watcher.close)
        self.ui = WebUI(engine, ui_bind, ExecutedPackages(packages.hosts))
        closing(self.ui.close)

    def start(self) -> None:
        """Serve the source as it is, and as it is saved from now on."""
        self.ui.start()
        self._watcher.start()

    def close(self, drain_seconds: float) -> None:
        """Take up no more changes, let running functions end for that long, and end all processes.  Idempotent."""
        self._watcher.close()
        self.runner._engine.close(drain_seconds)
        self._resources.close()

    def _reconcile(self) -> None:
        """Take up what the registry has.  Before it has a release, those of the last time would be removed."""
        if self._is_reconciling:
            self._packages.reconciler.reconcile()
        else:
            self._is_reconciling = True
            self._packages.start()

    def _announce(self, status: SourceStatus) -> None:
        """Tell of a change when clients can start runs of what it is now."""
        if not status.error:
            self.runner.announce(ANNOUNCE_SECONDS)
        self._on_status(status)


def make_home(folder: Path) -> None:
    """Make a home that version control leaves alone.  Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")


def site_folders() -> tuple[str, ...]:
    """Return the folders of modules that are installed for this interpreter, for the processes of the source."""
    return tuple([entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")])
