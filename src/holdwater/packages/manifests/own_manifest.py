"""`holdwater.toml`, the manifest an author writes."""

from __future__ import annotations

import re
from typing import Final

from holdwater.errors import ScheduleError
from holdwater.model.secrets import SECRET_NAME
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest, PackageSchedule
from holdwater.packages.manifests.requirement_rules import (
    check_module,
    take_name,
    take_requirements,
    take_specifier,
    take_version,
    take_workflow_name,
)
from holdwater.packages.manifests.strict_tables import SourceFile, Table, parse_toml
from holdwater.schedules import Cron

FILE_NAME: Final = "holdwater.toml"
FORMAT: Final = 1
MAX_SCHEDULES: Final = 1000
_MAX_DESCRIPTION_CHARS: Final = 10_000
_MAX_MEMORY_MB: Final = 1024 * 1024
_MAX_TIMEOUT_SECONDS: Final = 30 * 24 * 3600.0
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WITHHELD_VARIABLES: Final = ("HOLDWATER_", "PYTHON", "LD_", "DYLD_")
"""beginnings of names: those of the engine's own settings, and those that change how a host starts"""


def read_own_manifest(text: str, name: str = FILE_NAME) -> PackageManifest:
    """Read a `holdwater.toml`.  `name`: of the file, for messages.  Raises ManifestError, ConfigError."""
    top = parse_toml(SourceFile(name, text))
    top.integer("format", least=FORMAT, most=FORMAT)
    package = top.table("package", required=True)
    entry, requires = top.table("entry", required=True), top.table("requires")
    modules = entry.texts("modules")
    if not modules:
        raise entry.error("modules", "no module is named")
    for module in modules:
        check_module(entry, "modules", module)
    manifest = PackageManifest(
        name=take_name(package),
        version=take_version(package),
        modules=modules,
        description=package.text("description", "", max_chars=_MAX_DESCRIPTION_CHARS),
        author=package.text("author", ""),
        requires_python=take_specifier(package, "requires_python"),
        requires_holdwater=take_specifier(package, "requires_holdwater"),
        dependencies=take_requirements(requires, "dependencies"),
        execution=_read_execution(top.table("execution")),
        schedules=_read_schedules(top),
    )
    for table in (package, entry, requires, top):
        table.close()
    return manifest


def _read_execution(table: Table) -> ExecutionLimits:
    limits = ExecutionLimits(
        max_concurrent=table.integer("max_concurrent", 4, least=1, most=1000),
        bodies_per_host=table.integer("bodies_per_host", 1, least=1, most=1000),
        memory_mb=table.integer("memory_mb", least=16, most=_MAX_MEMORY_MB) if "memory_mb" in table else None,
        timeout_seconds=(
            table.number("timeout_seconds", least=0.1, most=_MAX_TIMEOUT_SECONDS)
            if "timeout_seconds" in table
            else None
        ),
        network=table.boolean("network", True),
        env=table.texts("env"),
        secrets=table.texts("secrets"),
    )
    for name in limits.env:
        if not _VARIABLE.fullmatch(name) or name.upper().startswith(_WITHHELD_VARIABLES):
            raise table.error("env", f"{name!r} is no variable a package can be given")
    for name in limits.secrets:
        if not SECRET_NAME.fullmatch(name):
            raise table.error("secrets", f"{name!r} is no name of a secret")
    for key in ("memory_mb", "timeout_seconds"):
        table.take(key)
    table.close()
    return limits


def _read_schedules(top: Table) -> tuple[PackageSchedule, ...]:
    schedules: dict[str, PackageSchedule] = {}
    for table in top.tables("schedules", max_items=MAX_SCHEDULES):
        schedule = PackageSchedule(
            name=take_name(table),
            workflow=take_workflow_name(table, "workflow"),
            cron=table.text("cron"),
            timezone=table.text("timezone", "UTC"),
            catchup=table.choice("catchup", ("skip", "run_once", "run_all")) if "catchup" in table else None,
            overlap=table.choice("overlap", ("allow", "skip", "queue"), "allow"),
            context=table.json_object("context"),
        )
        table.take("catchup")
        table.close()
        check_cron(table, schedule)
        if schedule.name.casefold() in schedules:
            raise table.error("name", f"{schedule.name!r} comes twice")
        schedules[schedule.name.casefold()] = schedule
    return tuple(schedules.values())


def check_cron(table: Table, schedule: PackageSchedule, key: str = "cron") -> None:
    """Check the expression and the time zone of a schedule.  Raises ManifestError."""
    try:
        Cron("* * * * *", schedule.timezone)
    except ScheduleError as error:
        raise table.error("timezone", error.message, error.hint) from error
    try:
        Cron(schedule.cron, schedule.timezone)
    except ScheduleError as error:
        raise table.error(key, error.message, error.hint) from error
