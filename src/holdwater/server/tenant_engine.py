"""The engine of a tenant on a server: its store, its packages and their hosts, which claim and execute its work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from holdwater.engine import Engine
from holdwater.engine.metering import EngineMeter
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.packages.reconciling.engine_packages import EnginePackages
from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.packages.registries.uploads import PackageUploads
from holdwater.packages.settings import PackageSettings
from holdwater.packages.signatures.signature_policy import SignaturePolicy
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.server.executed_packages import ExecutedPackages
from holdwater.server.tenant_database import TenantDatabase
from holdwater.service.tenants.resources import TenantResources

AUTHOR: Final = "server"
"""of what the reconciler of a server writes"""
RECONCILE_SECONDS: Final = 60.0
"""between two looks at all packages of a tenant; changes are told by notifications"""


@dataclass(slots=True)
class TenantMaker:
    """Makes the engines of the tenants of one server process; implements `MakeTenant`.

    `home`: of the server; what belongs to a tenant is below `tenants/NAME`.  `packages`: settings of their packages:
    `max_hosts` is the limit of the whole process.  `requires_signature`: returns True for a tenant whose archives must
    be signed.  `drain_seconds`: time that running functions have when an engine is closed.  `meter`: told of what
    engines do.  `lease_seconds`: silence after which others take over work.
    """

    database_url: str = field(repr=False)
    home: Path
    packages: PackageSettings
    requires_signature: Callable[[str], bool]
    drain_seconds: float
    meter: EngineMeter | None = None
    lease_seconds: float = 30.0
    budget: HostBudget = field(init=False)

    def __post_init__(self) -> None:
        allowed = self.packages.env_allow or ()  # a package of a tenant sees nothing of the server unless it is allowed
        self.packages = replace(self.packages, env_allow=allowed, hostlib_home=self.home)
        self.budget = HostBudget(self.packages.max_hosts)

    def __call__(self, name: str, resources: TenantResources) -> TenantDatabase:
        """Open the database of a tenant, with an engine that executes its work; packages are loaded soon after.

        Raises StoreUnavailable, SchemaTooNew, IsolationUnavailable, OSError.
        """
        with ExitStack() as closing:
            packages = EnginePackages(self.packages, self._make_home(name), self.budget)
            closing.callback(packages.close)
            engine = self._open_engine(packages, resources)
            closing.callback(engine.close, self.drain_seconds)
            policy = SignaturePolicy(engine.store, engine.clock, partial(self.requires_signature, name), name)
            registry = DatabaseWorkflowRegistry(engine.store, engine.clock, self.packages.limits)
            packages.attach(
                engine,
                registry,
                interval_seconds=RECONCILE_SECONDS,
                author=AUTHOR,
                verify_signature=policy,
            )
            closing.callback(packages.reconciler.close)
            packages.reconciler.start()
            made = TenantDatabase(name, Database.of(engine), engine, closing.pop_all())
            made.executed = ExecutedPackages(
                packages.hosts,
                lambda: packages.reconciler.status.rejected,
                lambda: packages.is_busy,
                PackageUploads(registry, engine.store, policy, self.packages.env_allow),
                lambda: packages.reconciler.status.result.duration_seconds,
                partial(self.requires_signature, name),
            )
            return made

    def _open_engine(self, packages: EnginePackages, resources: TenantResources) -> Engine:
        config = DefaultRunnerConfig(
            executors=dict(packages.executors), runner_name=AUTHOR, lease_seconds=self.lease_seconds
        )
        return Engine(
            self.database_url,
            replace(config.driver_config(), slot_share=resources.slot_share),
            run_timeout_seconds=config.workflow_timeout_seconds,
            registry=Registry(),
            options=resources.store_options,
            meter=self.meter,
        )

    def _make_home(self, name: str) -> Path:
        """Make the folder of a tenant; what is in it can be made again from the database.  Raises OSError."""
        folder = self.home / "tenants" / name
        mode = 0o711 if self.packages.isolation == "user" else 0o700
        for place in (folder.parent, folder):
            place.mkdir(mode=mode, exist_ok=True)
        return folder
