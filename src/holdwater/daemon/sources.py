"""Source of packages: a module, or the folder of a package that was not built, as the files of an archive."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from holdwater.daemon.source_files import collect_modules, iter_files
from holdwater.errors import PackageBuildError
from holdwater.packages.archives.writing import FileContent, write_archive
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.manifests.manifest_text import write_manifest
from holdwater.packages.manifests.own_manifest import FILE_NAME, read_own_manifest
from holdwater.packages.settings import ArchiveLimits

MODULE_FOLDER: Final = "workflow"
"""the folder of an archive with the modules"""
_DEFAULT_LIMITS: Final = ArchiveLimits()


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """The source of a package at one moment.

    `files`: by path in its archive, without the manifest.  `paths`: the files on disk.
    """

    manifest: PackageManifest
    files: Mapping[str, FileContent]
    paths: tuple[Path, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all but the version."""
        found = hashlib.sha256(write_manifest(replace(self.manifest, version="0")).encode())
        for path, content in sorted(self.files.items()):
            found.update(f"{path}\0{len(content.data)}\0".encode())
            found.update(content.data)
        return found.hexdigest()

    def build(self, version: str) -> bytes:
        """Return the archive of these files as a version of the package; requirements are not resolved."""
        manifest = replace(self.manifest, version=version)
        files = {**self.files, FILE_NAME: FileContent(write_manifest(manifest).encode())}
        return write_archive(f"{manifest.name}-{manifest.version}", files)


class Source(Protocol):
    """Source of a package."""

    @property
    def package(self) -> str:
        """The name of the package."""
        ...

    @property
    def root(self) -> Path:
        """The folder its files are below."""
        ...

    @property
    def module_root(self) -> Path:
        """The folder its modules are imported from."""
        ...

    def snapshot(self) -> SourceSnapshot:
        """Read all files.  Raises PackageBuildError, ManifestError, OSError."""
        ...


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A module, with the files it imports from the folder `root`.  `module`: its name from there on."""

    root: Path
    module: str
    limits: ArchiveLimits = _DEFAULT_LIMITS

    @property
    def package(self) -> str:
        """The first part of the module's name, as the name of a package."""
        return package_name(self.module.partition(".")[0])

    @property
    def module_root(self) -> Path:
        return self.root

    def snapshot(self) -> SourceSnapshot:
        """Read the module and what it imports.  Raises PackageBuildError, OSError."""
        files = collect_modules(self.root, [self.module], self.limits)
        if not files:
            raise PackageBuildError(f"module {self.module!r} is not in {self.root}")
        manifest = PackageManifest(name=self.package, version="0", modules=(self.module,))
        return SourceSnapshot(
            manifest,
            {f"{MODULE_FOLDER}/{path}": content for path, content in files.items()},
            _with_folders(self.root, files),
        )


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The folder of a package, `root`, as its author has it: a manifest, and modules below `workflow/`."""

    root: Path
    package: str
    limits: ArchiveLimits = _DEFAULT_LIMITS

    @property
    def module_root(self) -> Path:
        return self.root / MODULE_FOLDER

    def snapshot(self) -> SourceSnapshot:
        """Read the manifest and the files.  Raises ManifestError, PackageBuildError, OSError."""
        manifest = read_own_manifest((self.root / FILE_NAME).read_text(encoding="utf-8"), str(self.root / FILE_NAME))
        files = {}
        for folder in (MODULE_FOLDER, "vendor"):
            for path in iter_files(self.root / folder):
                files[path.relative_to(self.root).as_posix()] = FileContent(path.read_bytes())
        if not files:
            raise PackageBuildError(
                f"{self.root / MODULE_FOLDER} has no files", hint="the modules of a package are below this folder"
            )
        paths = _with_folders(self.root, [FILE_NAME, *files])
        return SourceSnapshot(replace(manifest, dependencies=()), files, paths)


def _with_folders(root: Path, files: Iterable[str]) -> tuple[Path, ...]:
    """Return the paths of files, and of their folders: a file that is new there may belong to them."""
    paths = [root / file for file in files]
    return tuple(sorted({root, *paths, *[path.parent for path in paths]}))


def find_source(place: str) -> Source:
    """Find the source that a path, or the dotted name of a module below the working directory, names.

    Raises PackageBuildError if there is none, ManifestError.
    """
    path = Path(place)
    if (path / FILE_NAME).is_file():
        root = path.resolve()
        manifest = read_own_manifest((root / FILE_NAME).read_text(encoding="utf-8"), str(path / FILE_NAME))
        return PackageSource(root, manifest.name)
    if path.is_file() and path.suffix == ".py":
        return _module_at(path.resolve().with_suffix(""))
    if path.is_dir() and (path / "__init__.py").is_file():
        return _module_at(path.resolve())
    if path.is_dir():
        raise PackageBuildError(
            f"{place} is neither a package nor a module: it has no {FILE_NAME} and no __init__.py",
            hint="`holdwater package new NAME` makes a package; name a .py file to serve a module",
        )
    file = Path(*place.split("."))
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", place) and (file.with_suffix(".py").is_file() or file.is_dir()):
        return ModuleSource(Path.cwd(), place)
    raise PackageBuildError(f"there is no file, package or module {place}", hint="name a .py file, or a folder")


def _module_at(path: Path) -> ModuleSource:
    """Return the module of a file, without its suffix, named from the folder on that is no package."""
    root, parts = path.parent, [path.name]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    for part in parts:
        if not part.isidentifier():
            raise PackageBuildError(f"{path} cannot be imported: {part!r} is no name of a module", hint="rename it")
    return ModuleSource(root, ".".join(parts))


def package_name(module: str) -> str:
    """Return the name of a package for a module: names of packages begin with a letter."""
    name = module.lstrip("_")[:63]
    return name if name[:1].isalpha() else f"p{name}"
