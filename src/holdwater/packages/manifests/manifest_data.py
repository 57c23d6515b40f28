"""Manifests as JSON data, for the processes and folders of their releases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest, PackageSchedule, PackageTrigger


def manifest_to_data(manifest: PackageManifest) -> dict[str, Any]:
    """Return a manifest as JSON data."""
    return dataclasses.asdict(manifest)


def manifest_from_data(data: Mapping[str, Any]) -> PackageManifest:
    """Return the manifest `manifest_to_data` was given, also after a way through JSON."""
    execution = ExecutionLimits(**_with_tuples(data["execution"]))
    schedules = tuple([PackageSchedule(**one) for one in data["schedules"]])
    triggers = tuple([PackageTrigger(**one) for one in data["triggers"]])
    fields = {**_with_tuples(data), "execution": execution, "schedules": schedules, "triggers": triggers}
    return PackageManifest(**fields)


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
