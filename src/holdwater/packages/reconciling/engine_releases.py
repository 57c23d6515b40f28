"""The releases of an engine: installed on this machine, executed by hosts, known by claim keys and by name."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdwater.engine import Engine
from holdwater.errors import ReleaseNotFound
from holdwater.model.claim_keys import RELEASE_DIGITS
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installation import (
    InstallableArchive,
    find_installed,
    install,
    installed_digests,
    uninstall,
)
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.programs.loading import LoadedRelease, load_release


class EngineReleases:
    """Takes releases into an engine and its hosts, and out of them.  Thread-safe.

    `home`: the folder they are unpacked below.
    """

    def __init__(self, engine: Engine, pool: HostPool, home: Path) -> None:
        self._registry, self._pool, self._home = engine.registry, pool, home
        self._lock = threading.Lock()
        self._loaded: dict[str, LoadedRelease] = {}
        self._active: dict[str, LoadedRelease] = {}
        """by package"""

    def loaded(self) -> dict[str, LoadedRelease]:
        """Return the releases whose runs are executed here; a copy."""
        with self._lock:
            return dict(self._loaded)

    def held(self) -> set[str]:
        """Return the releases that are loaded here, or unpacked below the home.  Raises OSError."""
        return {*self.loaded(), *[digest[:RELEASE_DIGITS] for digest in installed_digests(self._home)]}

    def install(self, archive: InstallableArchive) -> InstalledRelease:
        """Unpack an archive.  Raises PackageUnsupported, PackageBuildError, OSError."""
        return install(archive, self._home, self._pool.settings)

    def find_installed(self, release: str) -> InstalledRelease | None:
        """Find a release that is unpacked here.  Raises OSError."""
        try:
            return find_installed(release, self._home)
        except ReleaseNotFound:
            return None

    def describe(self, installed: InstalledRelease) -> dict[str, Any]:
        """Have a package describe itself, in a host.  Raises ReleaseBroken."""
        return self._pool.describe(installed)

    def read(self, descriptor: Mapping[str, Any], installed: InstalledRelease) -> LoadedRelease:
        """Read a descriptor, which is not trusted.  Raises PackageBuildError."""
        return load_release(descriptor, installed, self._pool)

    def load(self, installed: InstalledRelease, release: LoadedRelease) -> None:
        """Execute runs of a release from now on; no name leads to it yet.  Raises WorkflowError."""
        self._pool.add(installed)  # first: runs that were interrupted go on as soon as it is registered
        self._registry.register_release(installed.release, release.definitions)
        with self._lock:
            self._loaded[installed.release] = release

    def activate(self, package: str, release: str, *, replacing: Iterable[str] = ()) -> None:
        """Have new runs take a loaded release, and poll its triggers.  `replacing`: other releases of its package.

        Raises ReleaseNotFound.
        """
        loaded = self.loaded()[release]
        if self._active.get(package) is loaded:
            return
        self._registry.activate(release, replacing=replacing)
        self._active[package] = loaded
        self._forget_triggers(package, {one.name for one in loaded.triggers})
        for trigger in loaded.triggers:
            self._registry.triggers.register(trigger)

    def deactivate(self, package: str, releases: Iterable[str]) -> None:
        """Start nothing more of a package."""
        if self._active.pop(package, None) is not None:
            self._forget_triggers(package, set())
            for release in releases:
                self._registry.deactivate(release)

    def _forget_triggers(self, package: str, kept: set[str]) -> None:
        for trigger in self._registry.triggers.list_triggers():
            if trigger.name.startswith(f"{package}/") and trigger.name not in kept:
                self._registry.triggers.unregister(trigger.name)

    def unload(self, release: str) -> None:
        """Execute nothing more of a release; its hosts finish what they have.  One that is not loaded is no error."""
        self._registry.remove_release(release)
        self._pool.retire(release)
        with self._lock:
            self._loaded.pop(release, None)

    def uninstall(self, release: str) -> None:
        """Remove the files of a release.  Raises OSError."""
        uninstall(release, self._home)
