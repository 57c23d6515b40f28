"""`holdwater.toml` as text, written from a manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest, PackageSchedule


def write_manifest(manifest: PackageManifest) -> str:
    """Write a manifest as TOML that reads as the same manifest.  What has its default is left out."""
    lines = ["format = 1", ""]
    package = {"name": manifest.name, "version": manifest.version, "description": manifest.description,
               "author": manifest.author, "requires_python": manifest.requires_python,
               "requires_holdwater": manifest.requires_holdwater}  # fmt: skip
    lines += _table("[package]", {key: value for key, value in package.items() if value})
    lines += _table("[entry]", {"modules": manifest.modules})
    if manifest.dependencies:
        lines += _table("[requires]", {"dependencies": manifest.dependencies})
    lines += _table("[execution]", _changed(manifest.execution))
    for schedule in manifest.schedules:
        lines += _table("[[schedules]]", _schedule(schedule))
    return "\n".join(lines)


def _changed(limits: ExecutionLimits) -> dict[str, Any]:
    default = ExecutionLimits()
    names = ("max_concurrent", "bodies_per_host", "memory_mb", "timeout_seconds", "network", "env", "secrets")
    return {name: getattr(limits, name) for name in names if getattr(limits, name) != getattr(default, name)}


def _schedule(schedule: PackageSchedule) -> dict[str, Any]:
    found: dict[str, Any] = {"name": schedule.name, "workflow": schedule.workflow, "cron": schedule.cron,
                             "timezone": schedule.timezone, "overlap": schedule.overlap}  # fmt: skip
    if schedule.catchup is not None:
        found["catchup"] = schedule.catchup
    if schedule.context:
        found["context"] = schedule.context
    return found


def _table(head: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield head
        yield from [f"{key} = {_value(value)}" for key, value in values.items()]
        yield ""


def _value(value: Any) -> str:
    """Write a value: texts, numbers, booleans, and lists and tables of them."""
    if isinstance(value, Mapping):
        return "{" + ", ".join([f"{_text(key)} = {_value(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Iterable):
        return "[" + ", ".join([_value(item) for item in value]) + "]"
    return repr(value)


def _text(text: str) -> str:
    """Write a text without control characters as a basic string of TOML, which is then one of JSON, too."""
    return json.dumps(text, ensure_ascii=False)
