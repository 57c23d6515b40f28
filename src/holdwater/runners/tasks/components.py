"""Components of a runner, by the names they have in the architecture overview of Cloacina 0.5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from holdwater.engine import Engine
from holdwater.errors import RunnerClosed
from holdwater.runtime.executors.base import DEFAULT_EXECUTOR

ComponentName = Literal[
    "DefaultRunner",
    "TaskScheduler",
    "Scheduler",
    "CronRecoveryService",
    "DefaultDispatcher",
    "Router",
    "ThreadTaskExecutor",
    "StaleClaimSweeper",
    "WorkflowRegistry",
    "RegistryReconciler",
    "PackageWatcher",
    "DAL",
]


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """A component of a runner.

    `implementation`: the classes that do its work, as `module.Class`; empty where there is none.  `is_active`: it is at
    work now.  `reason`: why it is, or is not: the option that decides, and its value.  `uses`: the components it calls.
    """

    name: ComponentName
    implementation: tuple[str, ...]
    is_active: bool
    reason: str
    uses: tuple[ComponentName, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageParts:
    """The parts of a runner that load packages; None: it has none.  `reason`, `watcher_reason`: why it has, or not."""

    reason: str
    watcher_reason: str
    registry: object | None = None
    reconciler: object | None = None
    watcher: object | None = None


def inspect_components(engine: Engine, runner: object, packages: PackageParts) -> tuple[ComponentInfo, ...]:
    """Look at the components of a runner: what each is here, whether it is at work, and why."""
    found = (*_orchestration(engine, runner), *_execution(engine), *_packages(packages), _persistence(engine))
    try:
        engine.driver.raise_if_closed()
    except RunnerClosed as error:
        return tuple([ComponentInfo(one.name, one.implementation, False, error.message, one.uses) for one in found])
    return found


def _orchestration(engine: Engine, runner: object) -> Iterator[ComponentInfo]:
    services, scheduling = engine.driver.services, engine.driver.config.scheduling
    yield ComponentInfo(
        "DefaultRunner",
        _names(runner, engine),
        True,
        "always",
        ("TaskScheduler", "Scheduler", "DefaultDispatcher", "RegistryReconciler"),
    )
    yield ComponentInfo("TaskScheduler", _names(engine.driver), True, "always", ("DefaultDispatcher", "DAL"))
    flags = [("enable_cron_scheduling", scheduling.cron), ("enable_trigger_scheduling", scheduling.triggers)]
    fires = [name for name, is_set in flags if is_set]
    off = "own_runs_only=True" if engine.driver.config.own_runs_only else "enable_cron_scheduling=False"
    neither = off if engine.driver.config.own_runs_only else f"{off}, enable_trigger_scheduling=False"
    yield ComponentInfo(
        "Scheduler",
        _names(services.scheduler, services.triggers),
        bool(fires),
        ", ".join([f"{name}=True" for name in fires]) or neither,
        ("DefaultRunner", "DAL"),
    )
    yield ComponentInfo(
        "CronRecoveryService",
        _names(services.scheduler),
        scheduling.cron and scheduling.recover,
        f"cron_enable_recovery={scheduling.recover}" if scheduling.cron else off,
        ("DefaultRunner", "DAL"),
    )


def _execution(engine: Engine) -> Iterator[ComponentInfo]:
    dispatcher, config = engine.driver.dispatcher, engine.driver.config
    yield ComponentInfo("DefaultDispatcher", _names(dispatcher), True, "always", ("Router", "ThreadTaskExecutor"))
    yield ComponentInfo(
        "Router",
        () if config.router is None else _names(config.router),
        config.router is not None,
        f"routing=None: what names no executor runs on {DEFAULT_EXECUTOR!r}"
        if config.router is None
        else f"routing={config.router!r}",
    )
    slots = ", ".join([f"{name!r} with {one.slot_limit} slots" for name, one in dispatcher.executors.items()])
    yield ComponentInfo(
        "ThreadTaskExecutor", _names(dispatcher.get_executor(DEFAULT_EXECUTOR)), True, slots, ("TaskScheduler",)
    )
    yield ComponentInfo(
        "StaleClaimSweeper",
        _names(engine.driver.services.recovery),
        config.recover,
        f"enable_claiming={config.recover}",
        ("DAL",),
    )


def _packages(parts: PackageParts) -> Iterator[ComponentInfo]:
    registry, reconciler, watcher = parts.registry, parts.reconciler, parts.watcher
    yield ComponentInfo("WorkflowRegistry", _names_of(registry), registry is not None, parts.reason, ("DAL",))
    yield ComponentInfo(
        "RegistryReconciler",
        _names_of(reconciler),
        reconciler is not None,
        parts.reason,
        ("WorkflowRegistry", "DefaultRunner"),
    )
    yield ComponentInfo(
        "PackageWatcher", _names_of(watcher), watcher is not None, parts.watcher_reason, ("RegistryReconciler",)
    )


def _persistence(engine: Engine) -> ComponentInfo:
    return ComponentInfo("DAL", _names(engine.store), True, f"the database is {engine.store.url}")


def _names(*parts: object) -> tuple[str, ...]:
    kinds = [part if isinstance(part, type) else type(part) for part in parts]
    return tuple([f"{kind.__module__}.{kind.__qualname__}" for kind in kinds])


def _names_of(part: object | None) -> tuple[str, ...]:
    return () if part is None else _names(part)
