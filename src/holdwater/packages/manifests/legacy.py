"""Manifests of Cloacina: `package.toml` of 0.5 and later, also with little in it, and `manifest.json` version 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdwater.errors import PackageUnsupported, ScheduleError
from holdwater.packages.manifests.manifest import PackageManifest, PackageSchedule, PackageTrigger
from holdwater.packages.manifests.own_manifest import MAX_SCHEDULES, check_cron
from holdwater.packages.manifests.requirement_rules import (
    take_module,
    take_name,
    take_specifier,
    take_version,
    take_workflow_name,
)
from holdwater.packages.manifests.strict_tables import SourceFile, Table, parse_json, parse_toml
from holdwater.schedules.durations import parse_duration_us

PACKAGE_TOML: Final = "package.toml"
MANIFEST_JSON: Final = "manifest.json"
INTERFACE: Final = "cloacina-workflow-plugin"
_GRAPH_KEYS: Final = ("graph_name", "reaction_mode", "input_strategy", "accumulators")
_ENTRY_NAMES: Final = ("tasks", "workflow", "workflows", "flows", "main")
"""modules of the one package below workflow/ that are its entry, if the manifest names none; the first there is"""
_MAX_TASKS: Final = 10_000
_US: Final = 1_000_000


def read_package_toml(text: str, files: Iterable[str], name: str = PACKAGE_TOML) -> PackageManifest:
    """Read a `package.toml` without a `holdwater.toml` beside it.

    `files`: paths of the package, from which the language and the entry module follow if they are not named.
    Raises ManifestError; PackageUnsupported for a Rust package and for computation graphs; ConfigError.
    """
    top, paths = parse_toml(SourceFile(name, text)), list(files)
    package, metadata = top.table("package", required=True), top.table("metadata")
    found = take_name(package)
    _refuse_rust(found, metadata.text("language", _language(paths)), metadata)
    _refuse_graphs(found, metadata)
    version = take_version(package)
    _check_interface(package)
    workflow = take_workflow_name(metadata, "workflow_name", found)
    entry = take_module(metadata, "entry_module") if "entry_module" in metadata else _infer_entry(metadata, paths)
    metadata.take("entry_module")
    schedules, triggers = _read_triggers(metadata, "cron_expression")
    manifest = PackageManifest(
        name=found,
        version=version,
        modules=(entry,),
        format="cloacina",
        description=metadata.text("description", "", max_chars=10_000),
        author=metadata.text("author", ""),
        requires_python=take_specifier(metadata, "requires_python"),
        workflow_name=workflow,
        schedules=schedules,
        triggers=triggers,
    )
    for table in (package, metadata, top):
        table.close()
    return manifest


def read_identity(text: str, name: str = PACKAGE_TOML) -> tuple[str, str]:
    """Return name and version of a `package.toml` that was derived from a `holdwater.toml`.  Raises ManifestError."""
    package = parse_toml(SourceFile(name, text)).table("package", required=True)
    return take_name(package), take_version(package)


def read_manifest_json(text: str, name: str = MANIFEST_JSON) -> PackageManifest:
    """Read a `manifest.json` of version 2.

    Module-level tasks belong to the workflow with the name of the package.  Raises ManifestError, ConfigError;
    PackageUnsupported for a Rust package.
    """
    top = parse_json(SourceFile(name, text))
    top.choice("format_version", ("2",))
    package = top.table("package", required=True)
    found = take_name(package)
    _refuse_rust(found, top.text("language", "rust"), top)
    version = take_version(package)
    python = top.table("python", required=True)
    schedules, triggers = _read_triggers(top, "cron_expression")
    manifest = PackageManifest(
        name=found,
        version=version,
        modules=(take_module(python, "entry_module"),),
        format="cloacina-v2",
        description=package.text("description", "", max_chars=10_000),
        author=package.text("author", ""),
        requires_python=take_specifier(python, "requires_python"),
        workflow_name=take_workflow_name(package, "workflow_name", found),
        schedules=schedules,
        triggers=triggers,
    )
    for key in ("fingerprint", "targets"):
        package.take(key)
    for key in ("created_at", "signature", "rust"):
        top.take(key)
    top.tables("tasks", max_items=_MAX_TASKS)  # those of the code count
    for table in (package, python, top):
        table.close()
    return manifest


def _language(paths: list[str]) -> str:
    is_rust = "Cargo.toml" in paths or any([path.endswith(".rs") for path in paths])
    return "rust" if is_rust and not any([path.startswith("workflow/") for path in paths]) else "python"


def _refuse_rust(package: str, language: str, table: Table) -> None:
    if language.casefold() == "rust":
        raise PackageUnsupported(f"{package} is a Rust package: not for this engine")
    if language.casefold() != "python":
        raise table.error("language", f"{language!r} is no language of packages")


def _refuse_graphs(package: str, metadata: Table) -> None:
    kinds = metadata.texts("package_type")
    for key in _GRAPH_KEYS:
        metadata.take(key)
    named = [key for key in _GRAPH_KEYS if key in metadata]
    if "computation_graph" in kinds or named:
        why = f"its manifest has {named[0]}" if named else "its package_type is computation_graph"
        raise PackageUnsupported(
            f"{package} has computation graphs, which this engine does not execute: {why}",
            hint="workflows of tasks, steps and graphs can be packaged",
        )
    for kind in kinds:
        if kind != "workflow":
            raise metadata.error("package_type", f"{kind!r} is no type of package")


def _check_interface(package: Table) -> None:
    package.choice("interface", (INTERFACE,), INTERFACE)
    package.integer("interface_version", 1, least=1, most=1)
    package.choice("extension", ("cloacina",), "cloacina")


def _infer_entry(metadata: Table, paths: list[str]) -> str:
    """Return the entry module of a package that does not name it: that of the one module below workflow/."""
    modules = {
        path.removeprefix("workflow/") for path in paths if path.startswith("workflow/") and path.endswith(".py")
    }
    tops = {path.partition("/")[0].removesuffix(".py") for path in modules}
    if len(tops) != 1:
        listed = ", ".join(sorted(tops)[:10]) or "none"
        hint = "name it: entry_module = 'package.module'"
        raise metadata.error(None, f"the entry module cannot be inferred: workflow/ has {listed}", hint)
    top = tops.pop()
    inner = [name for name in _ENTRY_NAMES if f"{top}/{name}.py" in modules]
    return f"{top}.{inner[0]}" if inner else top


def _read_triggers(table: Table, cron_key: str) -> tuple[tuple[PackageSchedule, ...], tuple[PackageTrigger, ...]]:
    """Read the triggers of a manifest: those with a cron expression are schedules, in UTC unless they say."""
    schedules: dict[str, PackageSchedule] = {}
    triggers: dict[str, PackageTrigger] = {}
    for one in table.tables("triggers", max_items=MAX_SCHEDULES):
        name, workflow = take_name(one), take_workflow_name(one, "workflow")
        if name in schedules or name in triggers:
            raise one.error("name", f"{name!r} comes twice")
        config = one.table("config")
        source = one if cron_key in one else config
        one.take(cron_key)
        one.take("trigger_type")
        allows, interval = one.boolean("allow_concurrent", False), one.take("poll_interval")
        if source.take(cron_key) is not None:
            overlap = "allow" if allows else "skip"
            zone = source.text("timezone", "UTC")
            schedule = PackageSchedule(
                name=name, workflow=workflow, cron=source.text(cron_key), timezone=zone, overlap=overlap
            )
            check_cron(source, schedule, cron_key)
            schedules[name] = schedule
        else:
            seconds = 1.0 if interval is None else _interval_seconds(one, interval)
            triggers[name] = PackageTrigger(
                name=name, workflow=workflow, poll_interval_seconds=seconds, allow_concurrent=allows
            )
        one.close()
    return tuple(schedules.values()), tuple(triggers.values())


def _interval_seconds(table: Table, interval: object) -> float:
    try:
        return parse_duration_us(interval) / _US
    except ScheduleError as error:
        raise table.error("poll_interval", error.message, error.hint) from error
