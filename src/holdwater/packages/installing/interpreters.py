"""Interpreters for hosts: that of this process, and those that the settings name."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Final

from holdwater.errors import ConfigError, PackageUnsupported
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.settings import PackageSettings

MIN_VERSION: Final = (3, 11)


def known_interpreters(settings: PackageSettings) -> Mapping[str, str]:
    """Return the interpreters by version, as "3.12"; the one of this process first, unless the settings replace it.

    It is that below a virtual environment, whose packages are none of a host's.
    """
    own = ".".join(platform.python_version_tuple()[:2])
    return {own: getattr(sys, "_base_executable", sys.executable) or sys.executable, **settings.pythons}


def default_interpreter(settings: PackageSettings) -> str:
    """Return the interpreter of packages that ask for none."""
    return next(iter(known_interpreters(settings).values()))


def choose_interpreter(manifest: PackageManifest, settings: PackageSettings) -> str:
    """Choose the interpreter of a package by its `requires_python`.

    Raises PackageUnsupported if there is none, ConfigError without the extra `packages`.
    """
    known = known_interpreters(settings)
    if not manifest.requires_python:
        return default_interpreter(settings)
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError as error:
        raise ConfigError(
            "requirements of packages are read by the library packaging", hint="pip install 'holdwater[packages]'"
        ) from error
    wanted = SpecifierSet(manifest.requires_python)
    own, *others = known
    versions = {own: platform.python_version() if own not in settings.pythons else own, **{one: one for one in others}}
    for name, version in versions.items():
        if wanted.contains(version, prereleases=True):
            return known[name]
    raise PackageUnsupported(
        f"package {manifest.name} {manifest.version} requires Python {manifest.requires_python}; there is "
        f"{', '.join(known)}",
        hint="name an interpreter in the setting packages.pythons",
    )
