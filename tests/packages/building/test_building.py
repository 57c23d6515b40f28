"""Packages are built from folders: what goes in, what is refused, and that the same folder makes the same bytes."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdwater import __version__
from holdwater.errors import ArchiveError, ManifestError, PackageBuildError, PackageUnsupported
from holdwater.model.time import wall_now
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.archives.inspection import inspect_archive
from holdwater.packages.building.build import archive_name, build_package, describe_in_fresh_host
from holdwater.packages.building.scaffold import STYLES, PackageStyle, make_package
from holdwater.packages.manifests.legacy import read_package_toml
from holdwater.packages.settings import ArchiveLimits, PackageSettings
from tests.packages.archive_files import wheel
from tests.suite.effort import sample_cases

SETTINGS = PackageSettings()


def describe(archive: PackageArchive) -> dict[str, Any]:
    return describe_in_fresh_host(archive, SETTINGS)


def described_by(content: dict[str, Any]) -> Any:
    """In place of a host, for what does not depend on the code."""
    return lambda archive: content


def empty_descriptor(name: str = "shop", version: str = "0.1.0") -> dict[str, Any]:
    return {"format": 1, "package": name, "version": version, "workflows": [], "triggers": [], "schedules": []}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def of_shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Describes a new package as its host would, which is asked once."""
    folder = tmp_path_factory.mktemp("described")
    make_package(folder, "shop")
    return described_by(read_archive(build_package(folder / "shop", SETTINGS, describe)).descriptor or {})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    make_package(tmp_path, "shop")
    return tmp_path / "shop"


@pytest.mark.parametrize("style", STYLES)
def test_a_new_package_of_each_style_is_built_twice_with_the_same_bytes(style: PackageStyle, tmp_path: Path) -> None:
    folders = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        make_package(tmp_path / place, "my-shop", style)
        folders.append(tmp_path / place / "my-shop")
    (folders[1] / "workflow/my_shop/flows.py").touch()
    (folders[1] / "workflow/my_shop/flows.py").chmod(0o600)
    (folders[1] / "workflow/my_shop/__pycache__").mkdir()
    (folders[1] / "workflow/my_shop/__pycache__/flows.cpython-311.pyc").write_bytes(b"x")
    data = build_package(folders[0], SETTINGS, describe)
    assert data == build_package(folders[1], SETTINGS, describe)
    archive = read_archive(data)
    assert list(archive.files) == [
        "README.md",
        "descriptor.json",
        "files.json",
        "holdwater.toml",
        "package.toml",
        "workflow/my_shop/__init__.py",
        "workflow/my_shop/flows.py",
    ]
    assert archive_name(archive.manifest) == "my-shop-0.1.0.cloacina"
    found = inspect_archive(archive, None, wall_now())
    assert found.content is not None
    assert found.content.workflow_names == ("my-shop",)
    assert found.content.workflows["my-shop"].row.style == style
    assert [one.schedule.name for one in found.schedules] == ["nightly"]
    assert str(tmp_path) not in archive.texts["descriptor.json"]


@pytest.mark.parametrize("style", sample_cases(3, list(STYLES)))
def test_the_tests_of_a_new_package_pass(style: PackageStyle, tmp_path: Path) -> None:
    make_package(tmp_path, "my-shop", style)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path / "my-shop",
        env={key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_derived_manifest_of_cloacina(shop: Path, of_shop: Any) -> None:
    archive = read_archive(build_package(shop, SETTINGS, of_shop))
    derived = read_package_toml(archive.texts["package.toml"], archive.files)
    assert (derived.name, derived.version, derived.modules) == ("shop", "0.1.0", ("shop.flows",))
    assert (derived.workflow_name, derived.requires_python) == ("shop", ">=3.11")


def test_what_code_raises_is_told_with_its_line(shop: Path) -> None:
    edit(shop / "workflow/shop/flows.py", "from holdwater import", "import shop_of_none\nfrom holdwater import")
    with pytest.raises(PackageBuildError, match="No module named 'shop_of_none'") as caught:
        build_package(shop, SETTINGS, describe)
    assert 'File "workflow/shop/flows.py", line 3' in str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_package_that_registers_nothing(shop: Path) -> None:
    with pytest.raises(PackageBuildError, match=r"the modules of the package register no workflow: shop\.flows"):
        build_package(shop, SETTINGS, described_by(empty_descriptor()))


def test_a_descriptor_of_another_package(shop: Path) -> None:
    for descriptor in (empty_descriptor("other"), empty_descriptor(version="9"), {"format": 2}, {}):
        with pytest.raises(PackageBuildError):
            build_package(shop, SETTINGS, described_by(descriptor))


def test_a_schedule_of_a_workflow_that_is_not_there(shop: Path, of_shop: Any) -> None:
    edit(shop / "holdwater.toml", 'workflow = "shop"', 'workflow = "shopp"')
    with pytest.raises(PackageBuildError, match="shopp"):
        build_package(shop, SETTINGS, of_shop)


def test_folders_that_are_no_packages(tmp_path: Path) -> None:
    with pytest.raises(PackageBuildError, match=r"is no package: it has no holdwater\.toml"):
        build_package(tmp_path, SETTINGS, describe)
    (tmp_path / "holdwater.toml").write_bytes(b"\xff")
    with pytest.raises(PackageBuildError, match="not UTF-8"):
        build_package(tmp_path, SETTINGS, describe)


def test_files_that_no_archive_may_have(shop: Path) -> None:
    for name, rule in (("json.py", "standard library"), ("x.pth", r"\.pth"), ("fast.so", "compiled library")):
        (shop / "workflow" / name).write_text("")
        with pytest.raises(PackageBuildError, match=rf"cannot be built: 'workflow/{re.escape(name)}': .*{rule}"):
            build_package(shop, SETTINGS, describe)
        (shop / "workflow" / name).unlink()
    (shop / "workflow" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(PackageBuildError, match="workflow/passwd is a link"):
        build_package(shop, SETTINGS, describe)
    (shop / "workflow" / "passwd").unlink()
    (shop / "workflow" / "etc").symlink_to("/etc")
    with pytest.raises(PackageBuildError, match="workflow/etc is a link"):
        build_package(shop, SETTINGS, describe)


def test_what_is_left_out(shop: Path, of_shop: Any) -> None:
    (shop / "vendor" / "wheels").mkdir(parents=True)
    for name in (".env", "workflow/.git/config", "workflow/shop/flows.py~", "workflow/shop/.flows.py.swp", "secret.key",
                 "vendor/wheels/x-1.0-py3-none-any.whl", "vendor/lib.py"):  # fmt: skip
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_text("")
    archive = read_archive(build_package(shop, SETTINGS, of_shop))
    assert [path for path in archive.files if path.endswith(".py")] == [
        "vendor/lib.py", "workflow/shop/__init__.py", "workflow/shop/flows.py",
    ]  # fmt: skip
    assert len(archive.files) == 8


def test_packages_that_are_too_large(shop: Path) -> None:
    (shop / "workflow" / "data.bin").write_bytes(bytes(5000))
    settings = PackageSettings(limits=ArchiveLimits(max_file_bytes=4000))
    with pytest.raises(PackageBuildError, match=r"too large at workflow/data\.bin"):
        build_package(shop, settings, describe)


def test_a_package_for_another_version_of_the_library(shop: Path) -> None:
    edit(shop / "holdwater.toml", 'requires_python = ">=3.11"', 'requires_holdwater = ">=999"')
    with pytest.raises(PackageUnsupported, match=f"requires holdwater >=999; this is {re.escape(__version__)}"):
        build_package(shop, SETTINGS, describe)


def test_mistakes_of_the_manifest_come_first(shop: Path) -> None:
    edit(shop / "holdwater.toml", "memory_mb", "memory")
    with pytest.raises(ManifestError, match=r"holdwater\.toml, line \d+: execution\.memory: the key is unknown"):
        build_package(shop, SETTINGS, described_by({}))


def test_names_of_new_packages(tmp_path: Path) -> None:
    for name in ("json", "holdwater"):
        with pytest.raises(ArchiveError, match="has the name of one"):
            make_package(tmp_path, name)
    for name in ("1shop", "../shop", "a/b", "", "shop\n", "class", "ümlaut"):
        with pytest.raises(ManifestError):
            make_package(tmp_path, name)
    assert os.listdir(tmp_path) == []
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    with pytest.raises(PackageBuildError, match="is there already, and is not empty"):
        make_package(tmp_path, "shop")
    assert os.listdir(tmp_path / "shop") == ["mine.txt"]


METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, name: str, version: str, code: str, requires: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{about}/METADATA": METADATA.format(name=name, version=version, requires=requires),
        f"{about}/WHEEL": WHEEL,
        f"{about}/RECORD": f"{name}/__init__.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    path.write_bytes(wheel(files))
    return path


def test_requirements_are_resolved_once_into_wheels(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of this test is a folder; the second build takes what the lock has, although there is more."""
    index = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    write_wheel(index, "price_list", "1.0", "from price_base import LAMP\n", "Requires-Dist: price_base\n")
    base = write_wheel(index, "price_base", "2.0", "LAMP = 20\n")
    edit(shop / "holdwater.toml", "dependencies = []", 'dependencies = ["price-list>=1,<2"]')
    edit(shop / "workflow/shop/flows.py", "from holdwater import", "import price_list\nfrom holdwater import")
    data = build_package(shop, SETTINGS, describe)
    archive = read_archive(data)
    assert [path for path in archive.files if path.startswith("vendor/")] == [
        "vendor/wheels/price_base-2.0-py3-none-any.whl",
        "vendor/wheels/price_list-1.0-py3-none-any.whl",
    ]
    lock = (shop / "requirements.lock").read_text().splitlines()
    assert lock[0].startswith('# holdwater package build: {"requires": ["price-list>=1,<2"]')
    assert lock[1] == f"price_base==2.0 --hash=sha256:{hashlib.sha256(base.read_bytes()).hexdigest()}"
    assert archive.read_file("requirements.lock").decode().splitlines() == lock

    write_wheel(index, "price_list", "1.1", "LAMP = 21\n")
    done = described_by(archive.descriptor or {})
    assert build_package(shop, SETTINGS, done) == data
    base.write_bytes(wheel({"price_base/__init__.py": "import os\n"}))
    with pytest.raises(PackageBuildError, match=r"cannot be resolved: .*(?s:.*)HASH"):
        build_package(shop, SETTINGS, done)
    upgraded = read_archive(build_package(shop, SETTINGS, done, is_upgrade=True))
    assert [path for path in upgraded.files if path.endswith(".whl")] == [
        "vendor/wheels/price_list-1.1-py3-none-any.whl"
    ]


def test_requirements_that_no_index_has(shop: Path, of_shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    edit(shop / "holdwater.toml", "dependencies = []", 'dependencies = ["price-list"]')
    with pytest.raises(PackageBuildError, match="No matching distribution found for price-list"):
        build_package(shop, SETTINGS, describe)
    assert not (shop / "requirements.lock").exists()
    write_wheel(shop / "vendor" / "wheels", "price_list", "1.0", "LAMP = 20\n")
    archive = read_archive(build_package(shop, SETTINGS, of_shop))
    assert "vendor/wheels/price_list-1.0-py3-none-any.whl" in archive.files
