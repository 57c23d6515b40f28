"""A release that is unpacked on this machine, ready to be executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from holdwater.packages.manifests.manifest import PackageManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledRelease:
    """A release on this machine.

    `folder`: its unpacked files (`workflow/`, `vendor/`), which hosts read and do not write.  `python`: the interpreter
    of its hosts, that of its virtual environment if it has wheels.
    """

    release: str
    digest: str
    manifest: PackageManifest
    folder: Path
    python: str
