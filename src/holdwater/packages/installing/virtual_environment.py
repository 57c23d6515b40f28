"""Virtual environments of releases that have wheels: made by uv if it is there, otherwise by venv and pip."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from holdwater.errors import PackageBuildError
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.settings import PackageSettings

INSTALL_SECONDS: Final = 600.0
MAX_SHOWN_CHARS: Final = 4_000
_CHUNK_BYTES: Final = 1 << 20
_INTERPRETER_FILE: Final = re.compile(r"python[0-9.]*t?(\._pth)?|pybuilddir\.txt", re.IGNORECASE)


def make_environment(
    manifest: PackageManifest, files: Path, target: Path, python: str, settings: PackageSettings
) -> Path | None:
    """Make the environment of a release, and return its interpreter; None if it needs none.

    Exactly the wheels of the archive are installed, by their hashes; with `settings.allow_index` requirements without
    wheels are downloaded.  No code of them is executed.  Raises PackageBuildError with what the installer says.
    """
    wheels = sorted((files / "vendor" / "wheels").glob("*.whl"))
    if not wheels and not manifest.dependencies:
        return None
    if not wheels and not settings.allow_index:
        raise PackageBuildError(
            f"package {manifest.name} {manifest.version} requires {', '.join(manifest.dependencies)[:200]}, and has no "
            "wheels",
            hint="build it with its wheels, or set packages.allow_index",
        )
    uv = shutil.which("uv")
    make = [uv, "venv", "--python", python] if uv else [python, "-I", "-m", "venv"]
    _run([*make, str(target)], "its virtual environment cannot be made")
    before = _what_starts(target)
    interpreter = target / "bin" / "python"
    installer = [uv, "pip", "install", "--python", str(interpreter), "--compile-bytecode"] if uv else [
        str(interpreter), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
    ]  # fmt: skip
    if wheels:
        requirements = target / "wheels.txt"
        requirements.write_text("".join([_requirement(wheel) for wheel in wheels]), encoding="utf-8")
        what = ["--no-index", "--no-deps", "--find-links", str(wheels[0].parent), "--require-hashes"]
        what += ["-r", str(requirements)]
    else:
        what = ["--only-binary", ":all:", *manifest.dependencies]
    _run([*installer, *what], f"the requirements of package {manifest.name} {manifest.version} cannot be installed")
    changed = sorted([name for name, _ in before ^ _what_starts(target)])
    if changed:
        raise PackageBuildError(
            f"a requirement of package {manifest.name} {manifest.version} replaces {changed[0]} of its virtual "
            "environment, which would be executed before a host is limited",
            hint="look into the wheels for scripts and data with that name",
        )
    return interpreter


def _what_starts(environment: Path) -> frozenset[tuple[str, str]]:
    """Collect what decides which code an interpreter begins with: its files and links by name, and its configuration.

    Wheels can install files of any name there: as scripts, as data, as entry points.
    """
    found = {("pyvenv.cfg", (environment / "pyvenv.cfg").read_text(encoding="utf-8"))}
    for entry in os.scandir(environment / "bin"):
        if _INTERPRETER_FILE.fullmatch(entry.name):
            facts = entry.stat(follow_symlinks=False)
            link = os.readlink(entry) if entry.is_symlink() else ""
            found.add((entry.name, f"{link} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"))
    return frozenset(found)


def _requirement(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    found = hashlib.sha256()
    with open(wheel, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return f"{name}=={version} --hash=sha256:{found.hexdigest()}\n"


def _run(command: Sequence[str], label: str) -> None:
    """Run a program to its end.  Raises PackageBuildError with what it says."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            umask=0o022,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageBuildError(f"{label}: {error}") from error
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise PackageBuildError(f"{label}: {said[-MAX_SHOWN_CHARS:]}")
