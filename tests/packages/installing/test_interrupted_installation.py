"""A process that is killed while it installs a release: the next one installs it whole, and nothing else is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdwater.packages.archives.archive import read_archive
from holdwater.packages.installing.installation import install, installed_releases
from holdwater.packages.settings import PackageSettings
from tests.packages.archive_files import package
from tests.suite.effort import sample_cases

ROOT = Path(__file__).parents[3]
FILES = 6
KILLED = """
import os, signal, sys
from pathlib import Path
from holdwater.packages.archives import extraction
from holdwater.packages.installing import installation as installing
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.settings import PackageSettings

archive, home, point = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
passed = 0

def count(event, arguments):
    # each change of the folder of the release: a folder made, a file opened, a rename
    global passed
    if event in ("open", "os.mkdir", "os.rename", "os.chmod") and "/releases/" in str(arguments[0]):
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
installing.install(read_archive(Path(archive)), home, PackageSettings())
print(passed)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all points: the copy of the library that hosts have is made once."""
    return tmp_path_factory.mktemp("home")


def kill_at(point: int, archive: Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(archive), str(home), str(point)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("point", sample_cases(5, range(1, 16), always=[4]))
def test_a_process_that_is_killed_while_it_installs(point: int, home: Path, tmp_path: Path) -> None:
    data = package({f"workflow/orders/m{i}.py": f"x = {point}\n" * 100 for i in range(FILES)})
    (tmp_path / "orders.cloacina").write_bytes(data)
    killed = kill_at(point, tmp_path / "orders.cloacina", home)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    archive = read_archive(data)
    assert archive.digest not in [one.digest for one in installed_releases(home)]
    installed = install(archive, home, PackageSettings())
    assert {str(path.relative_to(installed.folder)) for path in installed.folder.rglob("*") if path.is_file()} == set(
        archive.files
    )
    assert sorted(os.listdir(home / "releases" / archive.digest)) == ["files", "installed.json"]
