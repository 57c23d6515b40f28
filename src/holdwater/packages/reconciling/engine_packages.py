"""Packages of one engine: the hosts that execute them, the registry they come from, and the reconciler between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdwater.engine import Engine
from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.hosts.host_status import HostStatus
from holdwater.packages.reconciling.reconciler import RegistryReconciler
from holdwater.packages.reconciling.registering import VerifySignature
from holdwater.packages.registries.registry import WorkflowRegistry
from holdwater.packages.settings import EXECUTOR_NAME, PackageSettings
from holdwater.packages.signatures.signature_policy import SignaturePolicy
from holdwater.runtime.executors.base import ExecutorConfig


class EnginePackages:
    """Made before the engine, whose options take `executors`; `attach` gives it the engine.

    `home`: the folder releases are unpacked below.  `budget`: of hosts, shared with the packages of other engines.
    Raises IsolationUnavailable, OSError.
    """

    def __init__(self, settings: PackageSettings, home: Path, budget: HostBudget | None = None) -> None:
        self.pool: Final = HostPool(settings, home, budget=budget)
        self.home: Final = home
        self._reconciler: RegistryReconciler | None = None

    @property
    def executors(self) -> Mapping[str, ExecutorConfig]:
        """The executor that functions of packages run on, by its name."""
        return {EXECUTOR_NAME: HostExecutor(self.pool)}

    @property
    def reconciler(self) -> RegistryReconciler:
        """The reconciler, once there is an engine."""
        assert self._reconciler is not None, "it is attached to an engine"
        return self._reconciler

    def attach(
        self,
        engine: Engine,
        registry: WorkflowRegistry,
        *,
        interval_seconds: float,
        author: str,
        verify_signature: VerifySignature | None = None,
    ) -> None:
        """Connect an engine with a registry, until the engine is closed; nothing is loaded before `start`.

        `verify_signature`: None: by the trusted keys of the database.
        """
        required = self.pool.settings.require_signatures
        self._reconciler = RegistryReconciler(
            registry,
            engine,
            self.pool,
            self.home,
            interval_seconds=interval_seconds,
            schedule_config=engine.driver.config.scheduling,
            author=author,
            verify_signature=verify_signature or SignaturePolicy(engine.store, engine.clock, lambda: required),
        )
        engine.on_stop(self.close)

    def start(self) -> None:
        """Have the engine execute what the registry has, from now on.

        The first pass is made before this returns, so that runs of packages can be started then; a package that is
        wrong has a row that says so.  Raises StoreUnavailable, RunnerClosed.
        """
        self.reconciler.reconcile()
        self.reconciler.start()

    @property
    def is_busy(self) -> bool:
        """Releases are being registered or removed, or a host has a call: the engine is not to be closed now."""
        has_calls = any([host.state != "idle" for host in self.pool.hosts()])
        return has_calls or (self._reconciler is not None and self._reconciler.is_busy)

    def hosts(self) -> list[HostStatus]:
        """List the processes that execute packages."""
        return self.pool.hosts()

    def close(self) -> None:
        """Load nothing more, and end the hosts.  Idempotent."""
        if self._reconciler is not None:
            self._reconciler.close()
        self.pool.close()
