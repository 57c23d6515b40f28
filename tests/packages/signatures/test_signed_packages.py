"""A database that takes signed packages only: its folder, its keys, and what is left of those it refuses."""

from __future__ import annotations

import bz2
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.operations.releases import ReleaseInfo, list_releases
from holdwater.operations.trusted_keys import find_trusted_key, list_trusted_keys, revoke_key, trust_key
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.reconciling.engine_packages import EnginePackages
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.watching import PackageWatcher
from holdwater.packages.settings import PackageSettings
from holdwater.packages.signatures.signing_keys import SigningKey
from holdwater.packages.signatures.statements import sign_archive
from tests.packages.archive_files import (
    OWN_MANIFEST,
    PACKAGE_TOML,
    Entry,
    package,
    package_entries,
    package_of_05,
    tar,
    wheel,
)  # fmt: skip
from tests.packages.signatures.test_trust import KEY, TRUSTED, new_key
from tests.suite.waiting import poll_pause

FLOWS: Final = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task()
    def load(context):
        context["done"] = True
"""
OLD_SECONDS: Final = 1_000_000_000
"""the time of change of files that are complete"""


class Place:
    """A folder of packages, and a runner that executes them."""

    def __init__(self, folder: Path, watcher: PackageWatcher, runner: DefaultRunner, packages: EnginePackages) -> None:
        self.folder, self.watcher, self.runner, self.packages = folder, watcher, runner, packages
        self.database = Database.of(runner._engine)

    def drop(self, version: str, key: SigningKey | None) -> None:
        manifest = OWN_MANIFEST.replace("1.2.0", version)
        data = package({"workflow/orders/flows.py": FLOWS}, manifest, top=f"orders-{version}")
        path = self.folder / f"orders-{version}.cloacina"
        if key is not None:
            signature = sign_archive(read_archive(data), key, self.database.clock.now())
            path.with_name(f"{path.name}.sig").write_bytes(signature)
        path.write_bytes(data)
        os.utime(path, (OLD_SECONDS, OLD_SECONDS))

    def reconcile(self) -> dict[str, ReleaseInfo]:
        while len(self.watcher.files()) < len(list(self.folder.glob("*.cloacina"))):  # bounded by the test's time-out
            poll_pause()
        self.packages.reconciler.reconcile()
        return {one.version: one for one in list_releases(self.database)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "packages"
    folder.mkdir()
    packages = EnginePackages(PackageSettings(require_signatures=True), tmp_path / "home")
    config = DefaultRunnerConfig(executors=dict(packages.executors))
    watcher = PackageWatcher([folder], debounce_seconds=0.01, rescan_seconds=0.1, on_change=lambda: None)
    watcher.start()
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config, registry=Registry()) as runner:
        registry = FilesystemWorkflowRegistry(folder, watcher)
        packages.attach(runner._engine, registry, interval_seconds=60, author="tests")
        yield Place(folder, watcher, runner, packages)
    watcher.close()


def test_only_signed_packages_are_executed(place: Place, tmp_path: Path) -> None:
    trust_key(place.database, TRUSTED)
    place.drop("1.0.0", KEY)
    place.drop("1.1.0", None)
    place.drop("1.2.0", new_key())
    found = place.reconcile()
    assert {version: one.state for version, one in found.items()} == {
        "1.0.0": "active",
        "1.1.0": "broken",
        "1.2.0": "broken",
    }
    assert found["1.0.0"].signed_by == KEY.fingerprint
    assert "package orders 1.1.0 is not signed" in (found["1.1.0"].error or "")
    assert "no signature of a trusted key" in (found["1.2.0"].error or "")
    unpacked = [path.name for path in (tmp_path / "home" / "releases").iterdir() if not path.name.startswith(".")]
    assert unpacked == [found["1.0.0"].digest]
    assert place.runner.submit("orders").result(60).final_context["done"] is True

    revoked = revoke_key(place.database, TRUSTED.fingerprint[:12])
    assert revoked.revoked_at is not None
    place.drop("1.3.0", KEY)
    found = place.reconcile()
    assert (found["1.0.0"].state, found["1.3.0"].state) == ("active", "broken")
    assert "was revoked" in (found["1.3.0"].error or "")


def test_an_old_signed_version_is_no_downgrade(place: Place) -> None:
    trust_key(place.database, TRUSTED)
    place.drop("2.0.0", KEY)
    place.reconcile()
    place.drop("1.0.0", KEY)
    found = place.reconcile()
    assert {version: one.state for version, one in found.items()} == {"2.0.0": "active", "1.0.0": "inactive"}


def test_hostile_archives_beside_a_good_one(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused leaves nothing on disk, and keeps no other package waiting."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    hostile = {
        "parent": package(more=[Entry(b"../../../evil", b"x")]),
        "link": package(more=[Entry(b"orders-1.2.0/workflow/x", kind=b"2", link=b"/etc/passwd")]),
        "wheel": package({"vendor/wheels/lib-1.0-py3-none-any.whl": wheel({"json.py": ""})}),
        "bomb": bz2.compress(tar([*package_entries()]) + bytes(50 << 20)),
        "rust": package_of_05(PACKAGE_TOML.replace('"python"', '"rust"')),
        "text": b"hello",
        "empty": b"",
    }
    for name, data in hostile.items():
        (place.folder / f"{name}.cloacina").write_bytes(data)
        os.utime(place.folder / f"{name}.cloacina", (OLD_SECONDS, OLD_SECONDS))
    trust_key(place.database, TRUSTED)
    place.drop("1.0.0", KEY)
    found = place.reconcile()
    assert [(one.version, one.state) for one in found.values() if one.state != "broken"] == [("1.0.0", "active")]
    assert place.runner.submit("orders").result(60).final_context["done"] is True
    rejected = {
        Path(one.source).stem: one.error
        for one in FilesystemWorkflowRegistry(place.folder, place.watcher).list().rejected
    }
    assert rejected.keys() == hostile.keys()
    assert "`..`" in rejected["parent"]
    unpacked = [path.name for path in (tmp_path / "home" / "releases").iterdir() if not path.name.startswith(".")]
    assert unpacked == [found["1.0.0"].digest]
    assert os.listdir(tmp_path / "tmp") == []
    assert not list(tmp_path.rglob("evil"))


def test_trusted_keys_by_name_and_fingerprint(place: Place) -> None:
    from holdwater.errors import TrustError

    assert list_trusted_keys(place.database) == []
    added = trust_key(place.database, replace(TRUSTED, name="ops", added_by="cli:ada"))
    assert list_trusted_keys(place.database) == [added]
    assert added.added_at == pytest.approx(place.database.clock.now(), abs=60_000_000)
    assert find_trusted_key(place.database, "ops") == find_trusted_key(place.database, KEY.fingerprint) == added
    for wanted in ("opsy", KEY.fingerprint[:7], ""):
        with pytest.raises(TrustError, match="there is no trusted key"):
            find_trusted_key(place.database, wanted)
    first = revoke_key(place.database, "ops")
    assert revoke_key(place.database, "ops") == first
    with pytest.raises(TrustError, match="was revoked"):
        trust_key(place.database, TRUSTED)
