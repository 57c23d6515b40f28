"""Building of archives from the folders of packages: the same folder makes the same bytes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ArchiveError, PackageBuildError, ReleaseBroken
from holdwater.packages.archives import file_list
from holdwater.packages.archives.archive import DESCRIPTOR, PackageArchive, read_archive
from holdwater.packages.archives.writing import FileContent, write_archive
from holdwater.packages.building.resolving import resolve_wheels
from holdwater.packages.building.source_folder import collect_sources
from holdwater.packages.descriptors.descriptor import read_descriptor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installation import install
from holdwater.packages.manifests import own_manifest
from holdwater.packages.manifests.legacy import PACKAGE_TOML
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.manifests.manifest_reading import read_manifest
from holdwater.packages.manifests.package_toml import derive_package_toml
from holdwater.packages.manifests.requirement_rules import check_engine_version
from holdwater.packages.settings import PackageSettings

SUFFIX: Final = ".cloacina"

Describe = Callable[[PackageArchive], dict[str, Any]]
"""makes the descriptor of an archive that has none yet, by executing its code"""


def build_package(folder: Path, settings: PackageSettings, describe: Describe, *, is_upgrade: bool = False) -> bytes:
    """Build the archive of a package.

    Its files are judged as those of any archive, its requirements resolved into wheels, and its modules imported by
    `describe`.  `is_upgrade`: requirements are resolved anew, in place of what `requirements.lock` has.
    Raises PackageBuildError with what is wrong in the folder, ManifestError with file, line and key, PackageUnsupported
    for a package that this version or machine cannot execute, ConfigError without the extra `packages`, OSError.
    """
    files = collect_sources(folder, settings.limits)
    manifest = _read_manifest(files)
    check_engine_version(manifest)
    files.update(resolve_wheels(folder, manifest, settings, is_upgrade=is_upgrade))
    draft = _pack(manifest, files, settings)
    described = describe(draft)
    _check_registered(manifest, described)
    content = read_descriptor(described, manifest)
    files[PACKAGE_TOML] = FileContent(derive_package_toml(manifest, content.workflow_names))
    files[DESCRIPTOR] = FileContent(_canonical_json(described))
    listed = _pack(manifest, files, settings).files
    files[file_list.FILE_NAME] = FileContent(file_list.write_file_list(listed))
    return _pack(manifest, files, settings).data


def describe_in_fresh_host(archive: PackageArchive, settings: PackageSettings) -> dict[str, Any]:
    """Install an archive below a folder of its own, and have it describe itself in a host.

    Raises PackageBuildError with the traceback of what the package raises, and where its wheels cannot be installed;
    PackageUnsupported, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="holdwater-build-") as place:
        installed = install(archive, Path(place), settings)
        pool = HostPool(settings, Path(place))
        try:
            return pool.describe(installed)
        except ReleaseBroken as error:
            raise PackageBuildError(error.message, hint=error.hint) from error
        finally:
            pool.close()


def archive_name(manifest: PackageManifest) -> str:
    """Return the name of the file of a package: `NAME-VERSION.cloacina`."""
    return f"{manifest.name}-{manifest.version}{SUFFIX}"


def _read_manifest(files: Mapping[str, FileContent]) -> PackageManifest:
    try:
        text = files[own_manifest.FILE_NAME].data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PackageBuildError(f"{own_manifest.FILE_NAME} is not UTF-8: {error}") from None
    return read_manifest({own_manifest.FILE_NAME: text}, files)


def _pack(manifest: PackageManifest, files: Mapping[str, FileContent], settings: PackageSettings) -> PackageArchive:
    """Write an archive, and judge it as any other."""
    try:
        return read_archive(write_archive(f"{manifest.name}-{manifest.version}", files), settings.limits)
    except ArchiveError as error:
        problem = error.message.removeprefix("the archive is refused: ")
        raise PackageBuildError(f"the package cannot be built: {problem}", hint=error.hint) from error


def _check_registered(manifest: PackageManifest, described: dict[str, Any]) -> None:
    if described.get("workflows") == []:
        listed = ", ".join(manifest.modules)
        raise PackageBuildError(
            f"the modules of the package register no workflow: {listed}",
            hint="`with WorkflowBuilder(...)`, register_workflow(...) and register_graph(...) do; "
            "[entry] modules names the modules that call them",
        )


def _canonical_json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
