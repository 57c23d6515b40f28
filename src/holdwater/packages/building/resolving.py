"""Resolving of requirements into wheels, by pip, once: `requirements.lock` keeps what was found.

The lock is a requirements file with hashes.  Its first line says what it was made of; when that changes, it is made
again.  So a second build takes the same wheels, whatever the package index has meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.content_rules import WHEEL_FOLDER
from holdwater.packages.archives.wheels import WHEEL_NAME
from holdwater.packages.archives.writing import FileContent
from holdwater.packages.installing.interpreters import choose_interpreter, default_interpreter
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.settings import PackageSettings

LOCK_FILE: Final = "requirements.lock"
RESOLVE_SECONDS: Final = 900.0
_MAX_SHOWN_CHARS: Final = 4000


def resolve_wheels(
    folder: Path, manifest: PackageManifest, settings: PackageSettings, *, is_upgrade: bool = False
) -> dict[str, FileContent]:
    """Return the wheels of a package's requirements, with `requirements.lock`, by path; nothing without requirements.

    Wheels in the folder's `vendor/wheels` are taken before those of the package index.  `is_upgrade`: the lock is made
    anew.  No code of a requirement is executed.  Raises PackageBuildError with what pip says, PackageUnsupported if
    there is no interpreter for the package.
    """
    lock = folder / LOCK_FILE
    if not manifest.dependencies:
        return {}
    python = choose_interpreter(manifest, settings)
    made_of = _first_line(manifest, python, settings)
    is_locked = not is_upgrade and lock.is_file() and lock.read_text(encoding="utf-8").startswith(made_of)
    with tempfile.TemporaryDirectory(prefix="holdwater-wheels-") as place:
        wanted = ["--no-deps", "--require-hashes", "-r", str(lock)] if is_locked else ["--", *manifest.dependencies]
        _run_pip(_pip(python, settings), _options(folder, place), wanted, is_locked)
        wheels = {path.name: path.read_bytes() for path in sorted(Path(place).iterdir())}
    if not is_locked:
        lock.write_text(
            made_of + "".join([_locked_line(name, data) for name, data in wheels.items()]), encoding="utf-8"
        )
    found = {f"{WHEEL_FOLDER}{name}": FileContent(data) for name, data in wheels.items()}
    return {**found, LOCK_FILE: FileContent(lock.read_bytes())}


def _first_line(manifest: PackageManifest, python: str, settings: PackageSettings) -> str:
    own = python == default_interpreter(settings)
    version = ".".join(platform.python_version_tuple()[:2]) if own else python
    made_of = {"requires": sorted(manifest.dependencies), "python": version, "platform": sysconfig.get_platform()}
    return f"# holdwater package build: {json.dumps(made_of)}\n"


def _pip(python: str, settings: PackageSettings) -> list[str]:
    other = [] if python == default_interpreter(settings) else ["--python", python]
    return [sys.executable, "-I", "-m", "pip", *other]


def _options(folder: Path, target: str) -> list[str]:
    own = folder / "vendor" / "wheels"
    places = ["--find-links", str(own.resolve())] if own.is_dir() else []
    return ["--only-binary", ":all:", "--dest", target, *places]


def _run_pip(pip: Sequence[str], options: Sequence[str], wanted: Sequence[str], is_locked: bool) -> None:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir"]
    try:
        done = subprocess.run(
            [*pip, "download", *quiet, *options, *wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RESOLVE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageBuildError(f"the requirements cannot be resolved: {error}") from error
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()[-_MAX_SHOWN_CHARS:]
        upgrade = f"`holdwater package build --upgrade` makes {LOCK_FILE} anew"
        hint = upgrade if is_locked else "only wheels are taken: put those that no index has into vendor/wheels"
        if "No module named pip" in said:
            hint = f"install pip: {sys.executable} -m ensurepip"
        raise PackageBuildError(f"the requirements cannot be resolved: {said}", hint=hint)


def _locked_line(name: str, data: bytes) -> str:
    found = WHEEL_NAME.fullmatch(name)
    if found is None:
        raise PackageBuildError(f"pip has brought {name}, which is no wheel")
    return f"{found['name']}=={found['version']} --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"
