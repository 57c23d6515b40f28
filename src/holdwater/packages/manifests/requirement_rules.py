"""Names, versions and requirements of packages, as PEP 440 and PEP 508 have them."""

from __future__ import annotations

import keyword
import re
import sys
from types import ModuleType
from typing import Final

from holdwater.errors import ConfigError, PackageUnsupported
from holdwater.packages.archives.content_rules import RESERVED_MODULES
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.manifests.strict_tables import Table

MAX_VERSION_CHARS: Final = 64
_PACKAGE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}", re.ASCII)
_VERSION_TEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*", re.ASCII)
_MODULE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_DIGEST_SUFFIX: Final = re.compile(r"@[0-9a-f]{16}\Z")


def packaging_module(name: str) -> ModuleType:
    """Import a module of the library packaging.  Raises ConfigError if it is not installed."""
    from importlib import import_module

    try:
        return import_module(f"packaging.{name}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"packages need the library {error.name}, which is not installed", hint="pip install 'holdwater[packages]'"
        ) from None


def take_name(table: Table, key: str = "name") -> str:
    """Take the name of a package, or of a schedule of it.  Raises ManifestError."""
    name = table.text(key)
    if not _PACKAGE_NAME.fullmatch(name):
        hint = "letters, digits, _ and -, a letter first, at most 63"
        raise table.error(key, f"{name[:100]!r} is no name of a package or schedule", hint)
    return name


def take_workflow_name(table: Table, key: str, default: str | None = None) -> str:
    """Take the name of a workflow.  Raises ManifestError."""
    name = table.text(key, default, max_chars=200)
    if not name.strip() or "\n" in name or _DIGEST_SUFFIX.search(name):
        raise table.error(key, f"{name!r} is no name of a workflow")
    return name


def take_version(table: Table, key: str = "version") -> str:
    """Take a version.  Raises ManifestError unless PEP 440 has it, in at most 64 characters."""
    text = table.text(key)
    version = packaging_module("version")
    if len(text) > MAX_VERSION_CHARS:
        raise table.error(key, f"more than {MAX_VERSION_CHARS} characters")
    try:
        if not _VERSION_TEXT.fullmatch(text):
            raise version.InvalidVersion
        version.Version(text)
    except version.InvalidVersion:
        raise table.error(key, f"{text!r} is no version", "a version of PEP 440, as 1.2.0 or 2.0rc1") from None
    return text


def take_specifier(table: Table, key: str) -> str:
    """Take a version specifier, "" without the key.  Raises ManifestError unless PEP 440 has it."""
    text = table.text(key, "")
    specifiers = packaging_module("specifiers")
    try:
        specifiers.SpecifierSet(text)
    except specifiers.InvalidSpecifier:
        raise table.error(key, f"{text!r} is no version specifier", "one of PEP 440, as >=3.11") from None
    return text


def take_requirements(table: Table, key: str) -> tuple[str, ...]:
    """Take a list of requirements.  Raises ManifestError unless PEP 508 has them, and they name no place."""
    texts = table.texts(key, max_items=200)
    requirements = packaging_module("requirements")
    for text in texts:
        try:
            parsed = requirements.Requirement(text)
        except requirements.InvalidRequirement as error:
            problem = f"{text!r} is no requirement: {str(error).splitlines()[0]}"
            raise table.error(key, problem, "one of PEP 508, as pandas>=2,<3") from None
        if parsed.url is not None:
            hint = "put pure modules into vendor/"
            raise table.error(key, f"{text!r} names a place, and wheels come from the index only", hint)
        if parsed.name.casefold() in RESERVED_MODULES:
            raise table.error(key, f"{text!r}: a host has its own", "use [package] requires_holdwater")
    return texts


def check_engine_version(manifest: PackageManifest) -> None:
    """Raise PackageUnsupported if a package requires another version of Holdwater than this one."""
    wanted, own = manifest.requires_holdwater, sys.modules["holdwater"].__version__
    if wanted and not packaging_module("specifiers").SpecifierSet(wanted).contains(own, prereleases=True):
        raise PackageUnsupported(
            f"package {manifest.name} {manifest.version} requires holdwater {wanted}; this is {own}"
        )


def take_module(table: Table, key: str) -> str:
    """Take the dotted name of a module.  Raises ManifestError."""
    name = table.text(key)
    check_module(table, key, name)
    return name


def check_module(table: Table, key: str, name: str) -> None:
    """Check the dotted name of a module.  Raises ManifestError."""
    if not _MODULE.fullmatch(name) or any([keyword.iskeyword(part) for part in name.split(".")]):
        raise table.error(key, f"{name!r} is no module", "names with dots between, as orders.flows")
