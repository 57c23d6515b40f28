"""The manifest of a package: `holdwater.toml`, or what is read from the manifests of Cloacina."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ManifestFormat = Literal["holdwater", "cloacina", "cloacina-v2"]
"""holdwater.toml; package.toml alone; manifest.json version 2"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionLimits:
    """Limits of the hosts of a package.  `max_concurrent`: hosts at once; `bodies_per_host`: functions at once in each.

    `memory_mb`, `timeout_seconds`: None leaves it to the settings.  `network`: False: no network under the isolation
    "namespace".  `env`: names of variables of the parent's environment it is given.  `secrets`: names it may ask for.
    """

    max_concurrent: int = 4
    bodies_per_host: int = 1
    memory_mb: int | None = None
    timeout_seconds: float | None = None
    network: bool = True
    env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSchedule:
    """A schedule a package comes with.  Its name in the database is `PACKAGE/NAME`."""

    name: str
    workflow: str
    cron: str
    timezone: str = "UTC"
    catchup: str | None = None
    overlap: str = "allow"
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTrigger:
    """A trigger as an old manifest names it; those of code are found by describing the package."""

    name: str
    workflow: str
    poll_interval_seconds: float = 1.0
    allow_concurrent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """The manifest of a package: its facts, as declared by its author.

    `modules`: imported in this order, below `workflow/`.  `workflow_name`: the workflow that module-level tasks of a
    Cloacina package belong to, None otherwise.  `dependencies`: requirements, resolved when it is built.
    `requires_python`, `requires_holdwater`: version specifiers (PEP 440), "" for any.
    """

    name: str
    version: str
    modules: tuple[str, ...]
    format: ManifestFormat = "holdwater"
    description: str = ""
    author: str = ""
    requires_python: str = ""
    requires_holdwater: str = ""
    workflow_name: str | None = None
    dependencies: tuple[str, ...] = ()
    execution: ExecutionLimits = ExecutionLimits()
    schedules: tuple[PackageSchedule, ...] = ()
    triggers: tuple[PackageTrigger, ...] = ()
