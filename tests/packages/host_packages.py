"""Packages on disk, as a release is unpacked, for hosts that are real processes."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.packages.host_executor import HostBackend
from holdwater.packages.hosts import HostPool
from holdwater.packages.installed import InstalledRelease
from holdwater.packages.manifest import PackageManifest

TESTS: Final = Path(__file__).parents[1]
REFERENCE_MODULES: Final = ("shapes", "step_shapes", "graph_shapes")
REFERENCE_FLOWS: Final = """
from tests.crash import graph_shapes, shapes, step_shapes

for style in (shapes, step_shapes, graph_shapes):
    for name in style.SHAPES:
        style.define_shape(name)
"""


@dataclass(frozen=True)
class OneSlot:
    """One node at a time, so that there is one order of events; those that wait have hosts of their own."""

    pool: HostPool
    max_concurrent: int = 1

    def open(self, name: str) -> HostBackend:
        return HostBackend(self.pool)


def install_files(folder: Path, files: Mapping[str, str], manifest: PackageManifest) -> InstalledRelease:
    """Write files below a folder, as a release that is installed there."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return InstalledRelease(release=digest[:16], digest=digest, manifest=manifest, folder=folder, python=sys.executable)


def install_reference_shapes(folder: Path, manifest: PackageManifest) -> InstalledRelease:
    """The reference workflows of all styles as one package; `manifest`: its module is `reference_flows`."""
    made = install_files(folder, {"workflow/reference_flows.py": REFERENCE_FLOWS}, manifest)
    crash = folder / "workflow" / "tests" / "crash"
    crash.mkdir(parents=True)
    for package in (crash.parent, crash):
        (package / "__init__.py").touch()
    for name in REFERENCE_MODULES:
        shutil.copy(TESTS / "crash" / f"{name}.py", crash / f"{name}.py")
    return made
