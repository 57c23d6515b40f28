"""Packages on disk, as a release is unpacked, for hosts that are real processes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.packages.hosts.host_executor import HostBackend
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.manifests.manifest import PackageManifest

TESTS: Final = Path(__file__).parents[1]
REFERENCE_MODULES: Final = ("tests.crash.shapes", "tests.crash.step_shapes", "tests.crash.graph_shapes")
REFERENCE_ENTRY: Final = """
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


def install_modules(folder: Path, modules: Sequence[str], entry: str, manifest: PackageManifest) -> InstalledRelease:
    """Install copies of modules of the tests, and an entry module `package_entry` with this text."""
    files = {"workflow/package_entry.py": entry}
    for module in modules:
        path = Path(*module.split(".")).with_suffix(".py")
        files[f"workflow/{path}"] = (TESTS.parent / path).read_text()
        files.update({f"workflow/{parent}/__init__.py": "" for parent in list(path.parents)[:-1]})
    return install_files(folder, files, manifest)
