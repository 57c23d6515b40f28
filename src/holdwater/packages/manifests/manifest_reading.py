"""Reading of the manifest of a package, in whichever of its forms it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from holdwater.errors import ArchiveError, ManifestError, PackageUnsupported
from holdwater.packages.manifests import legacy, own_manifest
from holdwater.packages.manifests.manifest import PackageManifest


def read_manifest(texts: Mapping[str, str], files: Collection[str]) -> PackageManifest:
    """Read the manifest of a package.

    `texts`: name of a manifest -> its text; `files`: all paths of the package.  `holdwater.toml` comes before the
    others; a `package.toml` beside it has the same name and version.
    Raises ArchiveError without a manifest; ManifestError, PackageUnsupported, ConfigError.
    """
    own, toml, v2 = (texts.get(name) for name in (own_manifest.FILE_NAME, legacy.PACKAGE_TOML, legacy.MANIFEST_JSON))
    if own is not None:
        manifest = own_manifest.read_own_manifest(own)
        if toml is not None and legacy.read_identity(toml) != (manifest.name, manifest.version):
            raise ManifestError(f"{legacy.PACKAGE_TOML} and {own_manifest.FILE_NAME} differ in name or version")
    elif toml is not None:
        manifest = legacy.read_package_toml(toml, files)
    elif v2 is not None:
        manifest = legacy.read_manifest_json(v2)
    elif "Cargo.toml" in files:
        raise PackageUnsupported("the archive is a Rust package: not for this engine")
    else:
        raise ArchiveError(
            f"the archive has no manifest: none of {own_manifest.FILE_NAME}, {legacy.PACKAGE_TOML},"
            f" {legacy.MANIFEST_JSON}",
            hint="a package is made by `holdwater package build`",
        )
    _check_modules(manifest, files)
    return manifest


def _check_modules(manifest: PackageManifest, files: Collection[str]) -> None:
    for module in manifest.modules:
        path = f"workflow/{module.replace('.', '/')}"
        if f"{path}.py" not in files and f"{path}/__init__.py" not in files:
            raise ManifestError(
                f"the entry module {module} is not in the package: there is no {path}.py",
                hint="modules are named as they lie below workflow/",
            )
