"""Sources of packages: modules, and folders that were not built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from holdwater.daemon.source_files import collect_modules
from holdwater.daemon.sources import ModuleSource, PackageSource, find_source, package_name
from holdwater.errors import ManifestError, PackageBuildError
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest, PackageSchedule
from holdwater.packages.manifests.manifest_text import write_manifest
from holdwater.packages.manifests.own_manifest import read_own_manifest
from holdwater.packages.settings import ArchiveLimits


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


SHOP = {
    "flows.py": "import json, helpers\nfrom shop.prices import price\nimport requests\n",
    "helpers.py": "import importlib\nfrom . import nothing\n",
    "unrelated.py": "raise SystemExit\n",
    "shop/__init__.py": "",
    "shop/prices.py": "import other\n",
    "shop/prices.csv": "1,2\n",
    "shop/__pycache__/prices.cpython-311.pyc": "x",
    "shop/.hidden": "x",
    "shop/env/pyvenv.cfg": "x",
    "shop/env/lib/big.py": "x",
    "other/data.py": "",
}


def test_a_module_with_what_it_imports_from_there(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    files = collect_modules(tmp_path, ["flows"], ArchiveLimits())
    assert sorted(files) == [
        "flows.py", "helpers.py", "other/data.py", "shop/__init__.py", "shop/prices.csv", "shop/prices.py",
    ]  # fmt: skip
    assert sorted(collect_modules(tmp_path, ["shop.prices"], ArchiveLimits())) == [
        "other/data.py", "shop/__init__.py", "shop/prices.csv", "shop/prices.py",
    ]  # fmt: skip


def test_a_module_that_cannot_be_parsed_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {"flows.py": "import helpers\ndef (\n", "helpers.py": ""})
    assert list(collect_modules(tmp_path, ["flows"], ArchiveLimits())) == ["flows.py"]


def test_too_much_is_refused_before_all_of_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"flows/__init__.py": "", **{f"flows/{k}.txt": "x" * 100 for k in range(20)}})
    for limits in (ArchiveLimits(max_entries=10), ArchiveLimits(max_unpacked_bytes=1000)):
        with pytest.raises(PackageBuildError, match="has too much for a package"):
            collect_modules(tmp_path, ["flows"], limits)


def test_sources_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, SHOP)
    write(tmp_path / "orders", {"holdwater.toml": MANIFEST, "workflow/orders.py": ""})
    monkeypatch.chdir(tmp_path)
    assert find_source("flows.py") == ModuleSource(tmp_path, "flows")
    assert find_source("shop/prices.py") == ModuleSource(tmp_path, "shop.prices")
    assert find_source("shop") == ModuleSource(tmp_path, "shop")
    assert find_source("shop.prices") == ModuleSource(tmp_path, "shop.prices")
    assert find_source(str(tmp_path / "orders")) == PackageSource(tmp_path / "orders", "orders")
    for place, says in (("other", "neither a package nor a module"), ("nothing.py", "there is no file")):
        with pytest.raises(PackageBuildError, match=says):
            find_source(place)
    write(tmp_path, {"2fast.py": ""})
    with pytest.raises(PackageBuildError, match="no name of a module"):
        find_source("2fast.py")
    assert [package_name(name) for name in ("shop", "_shop", "__2", "x" * 99)] == ["shop", "shop", "p2", "x" * 63]


MANIFEST = """format = 1
[package]
name = "orders"
version = "1.2.0"
[entry]
modules = ["orders"]
[requires]
dependencies = ["pandas>=2"]
[[schedules]]
name = "nightly"
workflow = "orders"
cron = "0 2 * * *"
context = {"day of" = {week = [1, 2.5, true, "ä\\u0022"]}}
"""


def test_the_archive_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path, {"holdwater.toml": MANIFEST, "workflow/orders.py": "x = 1\n", "notes.txt": "", "vendor/v.py": ""})
    snapshot = PackageSource(tmp_path, "orders").snapshot()
    archive = read_archive(snapshot.build("0.dev0+3"))
    assert (archive.manifest.name, archive.manifest.version) == ("orders", "0.dev0+3")
    assert archive.manifest.schedules[0].context == {"day of": {"week": [1, 2.5, True, 'ä"']}}
    assert archive.manifest.dependencies == ()
    assert sorted(archive.files) == ["holdwater.toml", "vendor/v.py", "workflow/orders.py"]
    assert snapshot.build("0.dev0+3") == PackageSource(tmp_path, "orders").snapshot().build("0.dev0+3")


def test_a_snapshot_is_another_one_after_a_change(tmp_path: Path) -> None:
    write(tmp_path, {"holdwater.toml": MANIFEST, "workflow/orders.py": "x = 1\n"})
    source = PackageSource(tmp_path, "orders")
    digests = [source.snapshot().digest]
    write(tmp_path, {"holdwater.toml": MANIFEST.replace("1.2.0", "1.3.0")})
    assert source.snapshot().digest == digests[0], "versions are given by who serves it"
    for files in (
        {"workflow/orders.py": "x = 2\n"},
        {"workflow/more.py": ""},
        {"holdwater.toml": MANIFEST[:-1] + "\n"},
    ):
        write(tmp_path, files)
        digests.append(source.snapshot().digest)
    assert len(set(digests)) == 3, "the last change is none"
    (tmp_path / "holdwater.toml").write_text("format = 2")
    with pytest.raises(ManifestError):
        source.snapshot()


def test_a_module_that_went_away(tmp_path: Path) -> None:
    with pytest.raises(PackageBuildError, match="is not in"):
        ModuleSource(tmp_path, "flows").snapshot()


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = PackageManifest(
        name="orders",
        version="1!2.0.post1",
        modules=("orders.flows", "orders.more"),
        description='Says "hello"\nand \\ goodbye',
        author="Ängström <a@b.c>",
        requires_python=">=3.11",
        requires_holdwater=">=0.1",
        dependencies=("pandas>=2,<3",),
        execution=ExecutionLimits(
            max_concurrent=2,
            bodies_per_host=3,
            memory_mb=512,
            timeout_seconds=1.5,
            network=False,
            env=("A",),
            secrets=("smtp",),
        ),
        schedules=(
            PackageSchedule(name="a", workflow="w", cron="* * * * *", catchup="run_all", overlap="skip"),
            PackageSchedule(name="b", workflow="w", cron="0 2 * * *", timezone="Europe/Berlin", context={"x": [1, {}]}),
        ),
    )
    assert read_own_manifest(write_manifest(manifest)) == manifest
    small = PackageManifest(name="orders", version="1", modules=("orders",))
    assert read_own_manifest(write_manifest(small)) == small
    assert "[execution]" not in write_manifest(replace(small, description="x"))
