"""Packages in a runner: the parts that load and execute them, made only if the options of the runner ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdwater.engine import Engine
from holdwater.errors import ConfigError
from holdwater.runners.tasks.components import PackageParts
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runtime.config import DriverConfig

if TYPE_CHECKING:
    from holdwater.packages.reconciling.engine_packages import EnginePackages
    from holdwater.packages.registries.registry import WorkflowRegistry

HOME: Final = ".holdwater"
"""the folder, in that of the packages, that releases are unpacked below"""


def open_packages(config: DefaultRunnerConfig) -> EnginePackages | None:
    """Make what packages need before the engine; None if the options ask for none.

    Raises ConfigError without the extra `packages`, OSError for a folder that cannot be written.
    """
    folder = config.packages_folder()
    if folder is None:
        return None
    try:
        from holdwater.packages.reconciling.engine_packages import EnginePackages
        from holdwater.packages.settings import PackageSettings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holdwater":
            raise
        raise ConfigError(
            f"packages need the package {error.name}, which is not installed", hint="pip install 'holdwater[packages]'"
        ) from error
    home = folder / HOME
    home.mkdir(parents=True, exist_ok=True)
    return EnginePackages(PackageSettings(), home.resolve())


@contextmanager
def closed_on_error(packages: EnginePackages | None) -> Iterator[None]:
    """Close packages if what is done inside the block fails."""
    try:
        yield
    except BaseException:
        if packages is not None:
            packages.close()
        raise


def with_packages(config: DriverConfig, packages: EnginePackages | None) -> DriverConfig:
    """Return the options of a driver that executes packages, too."""
    return config if packages is None else replace(config, executors={**config.executors, **packages.executors})


def start_packages(packages: EnginePackages, engine: Engine, config: DefaultRunnerConfig) -> None:
    """Have an engine execute the packages there are now, and those that come.  Raises StoreUnavailable."""
    folder = config.packages_folder()
    assert folder is not None, "it was opened"
    try:
        packages.attach(
            engine,
            _open_registry(engine, folder.resolve(), config.registry_storage_backend),
            interval_seconds=config.registry_reconcile_interval,
            author="runner",
        )
        packages.start()
    except BaseException:
        engine.close(0.0)
        raise


def _open_registry(engine: Engine, folder: Path, backend: str) -> WorkflowRegistry:
    from holdwater.packages.registries.database import DatabaseWorkflowRegistry
    from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
    from holdwater.packages.registries.folder_scans import ScannedFolder

    if backend == "database":
        return DatabaseWorkflowRegistry(engine.store, engine.clock)
    return FilesystemWorkflowRegistry(folder, ScannedFolder(folder))


def packages_of(config: DefaultRunnerConfig, packages: EnginePackages | None) -> PackageParts:
    """Return the parts of a runner that load packages, for `components`."""
    if packages is None:
        flag = config.enable_registry_reconciler
        reason = "registry_storage_path=None" if flag else "enable_registry_reconciler=False"
        return PackageParts(reason, reason)
    seconds = config.registry_reconcile_interval
    return PackageParts(
        f"registry_storage_path={config.registry_storage_path!r}",
        f"registry_reconcile_interval={seconds:g}: the folder is looked at, and not watched",
        packages.reconciler.registry,
        packages.reconciler,
    )
