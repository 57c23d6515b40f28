"""Releases on this machine: installed once, found again, removed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdwater.errors import PackageBuildError, PackageUnsupported, ReleaseNotFound
from holdwater.packages.installing.installation import find_installed, install, installed_releases, uninstall
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.settings import PackageSettings
from tests.packages.hosted import HEAD, MODULE, OpenPool

SETTINGS = PackageSettings()


@dataclass
class Archive:
    """An archive that was judged, as far as it is installed."""

    files: dict[str, bytes]
    manifest: PackageManifest
    extracted: list[Path] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.files, self.manifest)).encode()).hexdigest()

    def extract_to(self, folder: Path) -> None:
        self.extracted.append(folder)
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)


def simple(source: str = "", **manifest: object) -> Archive:
    fields = {"name": "parcels", "version": "1.0", "modules": (MODULE,), **manifest}
    return Archive({f"workflow/{MODULE}.py": (HEAD + source).encode()}, PackageManifest(**fields))  # type: ignore[arg-type]


def test_an_archive_is_installed_once(host_home: Path) -> None:
    archive = simple("# once", execution=ExecutionLimits(env=("A",)))
    first = install(archive, host_home, SETTINGS)
    assert first.folder == host_home / "releases" / archive.digest / "files"
    assert first.release == archive.digest[:16]
    assert (first.folder / "workflow" / f"{MODULE}.py").is_file()
    assert install(archive, host_home, SETTINGS) == first
    assert len(archive.extracted) == 1
    assert first in installed_releases(host_home)
    assert find_installed(first.release, host_home) == first


def test_an_installation_that_was_interrupted_begins_anew(host_home: Path) -> None:
    archive = simple("# interrupted")
    folder = host_home / "releases" / archive.digest
    (folder / "files" / "workflow").mkdir(parents=True)
    (folder / "files" / "workflow" / "left.py").touch()
    assert all(one.digest != archive.digest for one in installed_releases(host_home))
    found = install(archive, host_home, SETTINGS)
    assert not (found.folder / "workflow" / "left.py").exists()


def test_two_processes_install_one_after_the_other(host_home: Path) -> None:
    archive, found = simple("# two"), []
    threads = [threading.Thread(target=lambda: found.append(install(archive, host_home, SETTINGS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(archive.extracted) == 1


def test_a_release_is_removed(host_home: Path) -> None:
    found = install(simple("# removed"), host_home, SETTINGS)
    uninstall(found.release, host_home)
    uninstall(found.release, host_home)
    assert not found.folder.parent.exists()
    with pytest.raises(ReleaseNotFound, match=found.release):
        find_installed(found.release, host_home)


@pytest.mark.parametrize("release", ["", "..", "*", "0" * 15])
def test_what_is_no_release_removes_nothing(release: str, host_home: Path) -> None:
    kept = install(simple("# kept"), host_home, SETTINGS)
    uninstall(release, host_home)
    assert kept.folder.is_dir()


def test_an_interpreter_that_is_gone_is_chosen_again(host_home: Path) -> None:
    archive = simple("# gone")
    found = install(archive, host_home, SETTINGS)
    record = found.folder.parent / "installed.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "python": "/nowhere/python"}))
    assert install(archive, host_home, SETTINGS).python == found.python


@pytest.mark.parametrize(
    "text", ["", '{"format": 1, "pyt', "[]", '{"format": 1}', '{"format": 1, "python": "/", "manifest": {}}']
)
def test_a_release_whose_record_is_damaged_is_installed_anew(text: str, host_home: Path) -> None:
    archive = simple("# damaged")
    found = install(archive, host_home, SETTINGS)
    (found.folder.parent / "installed.json").write_text(text)
    with pytest.raises(ReleaseNotFound):
        find_installed(found.release, host_home)
    assert found not in installed_releases(host_home)
    assert install(archive, host_home, SETTINGS) == found
    assert find_installed(found.release, host_home) == found


def test_the_interpreter_is_the_one_the_package_requires(host_home: Path) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert install(simple(requires_python=f">={own}"), host_home, SETTINGS).python == sys._base_executable  # type: ignore[attr-defined]
    others = PackageSettings(pythons={"3.99": sys.executable})
    assert install(simple(requires_python=">=3.99"), host_home, others).python == sys.executable
    with pytest.raises(PackageUnsupported, match=rf"requires Python >=3.98; there is {own}"):
        install(simple(requires_python=">=3.98"), host_home, SETTINGS)


def wheel(name: str, source: str, more: Mapping[str, str] | None = None) -> tuple[str, bytes]:
    """A wheel of one module, as its file name and its bytes.  `more`: other files by path."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }
    rows = []
    for path, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"vendor/wheels/{name}-1.0-py3-none-any.whl", made.getvalue()


def test_wheels_are_in_an_environment_of_the_release(host_home: Path, open_pool: OpenPool) -> None:
    archive = simple("import scales\nscales.weigh()\n", dependencies=("scales",))
    archive.files.update([wheel("scales", "def weigh():\n    return 1\n")])
    found = install(archive, host_home, SETTINGS)
    assert found.python == str(found.folder.parent / "venv" / "bin" / "python")
    assert open_pool().describe(found)["workflows"] == []


def test_requirements_without_wheels_are_refused(host_home: Path) -> None:
    with pytest.raises(PackageBuildError, match="requires scales>=1, and has no wheels"):
        install(simple(dependencies=("scales>=1",)), host_home, SETTINGS)


def test_a_wheel_that_cannot_be_installed_says_why(host_home: Path) -> None:
    archive = simple(dependencies=("scales",))
    archive.files["vendor/wheels/scales-1.0-py3-none-any.whl"] = b"no wheel"
    with pytest.raises(PackageBuildError, match=r"the requirements of package parcels 1\.0 cannot be installed"):
        install(archive, host_home, SETTINGS)
    assert all(one.digest != archive.digest for one in installed_releases(host_home))


REPLACING: Mapping[str, Mapping[str, str]] = {
    "python": {"scales-1.0.dist-info/entry_points.txt": "[console_scripts]\npython = scales:weigh\n"},
    "python3": {"scales-1.0.data/scripts/python3": "#!/bin/sh\n"},
    "pyvenv.cfg": {"scales-1.0.data/data/pyvenv.cfg": "home = /elsewhere\n"},
}


@pytest.mark.long
@pytest.mark.parametrize("name", REPLACING)
def test_a_wheel_that_replaces_the_interpreter_is_refused(name: str, host_home: Path) -> None:
    """It would be the first thing that is executed, before the host has any limits."""
    archive = simple(f"# replaces {name}\n", dependencies=("scales",))
    archive.files.update([wheel("scales", "def weigh():\n    return 1\n", REPLACING[name])])
    with pytest.raises(PackageBuildError, match=f"replaces {name} of its virtual environment"):
        install(archive, host_home, SETTINGS)
    assert all(one.digest != archive.digest for one in installed_releases(host_home))


INSTALLER = """\
#!/bin/sh
if [ "$1" = venv ]; then
    mkdir -p "$4/bin" && ln -s "$3" "$4/bin/python" && echo "home = /usr/bin" > "$4/pyvenv.cfg"
else
    cd "$(dirname "$4")" && {done}
fi
"""


@pytest.mark.parametrize(
    ("done", "name"),
    [
        ("rm python && touch python", "python"),
        ("ln -s python python3", "python3"),
        ("touch python._pth", "python._pth"),
        ("touch pybuilddir.txt", "pybuilddir.txt"),
        ("echo 'home = /elsewhere' > ../pyvenv.cfg", "pyvenv.cfg"),
    ],
)
def test_whatever_an_installer_replaces_of_the_interpreter_is_seen(
    done: str, name: str, host_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "uv"
    tool.write_text(INSTALLER.replace("{done}", done))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    archive = simple(f"# {done}\n", dependencies=("scales",))
    archive.files.update([wheel("scales", "")])
    with pytest.raises(PackageBuildError, match=f"replaces {name} of its virtual environment"):
        install(archive, host_home, SETTINGS)
