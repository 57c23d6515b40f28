"""Registering of releases: what must hold of an archive before it is executed, also when it was registered before."""

from __future__ import annotations

import bz2
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import PackageBuildError, ReleaseBroken, TrustError
from holdwater.model.releases import ReleaseRow
from holdwater.packages.archives.writing import FileContent, write_archive
from holdwater.packages.reconciling.engine_releases import EngineReleases
from holdwater.packages.reconciling.registering import ACCEPT_UNSIGNED, Registrar, VerifySignature
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.folder_scans import ScannedFolder
from holdwater.packages.signatures.signature_policy import SignaturePolicy
from tests.daemon.packages import one_task_package
from tests.packages.hosted import OpenPool

MakeRegistrar = Callable[..., Registrar]


@pytest.fixture
def runner() -> Iterator[DefaultRunner]:
    with DefaultRunner("memory://") as opened:
        yield opened


@pytest.fixture
def make_registrar(tmp_path: Path, host_home: Path, open_pool: OpenPool, runner: DefaultRunner) -> MakeRegistrar:
    registry = FilesystemWorkflowRegistry(tmp_path, ScannedFolder(tmp_path, settled_seconds=0))
    releases = EngineReleases(runner._engine, open_pool(), host_home)
    return lambda verify: Registrar(registry, releases, verify)


def put(folder: Path, data: bytes, registrar: Registrar) -> ReleaseRow:
    """The row of an archive that is put into a folder."""
    (folder / "orders.cloacina").write_bytes(data)
    (entry,) = registrar.registry.list().entries
    return ReleaseRow(entry.release, entry.digest, entry.package, entry.version, source=entry.source)


def with_descriptor(archive: bytes, descriptor: dict[str, Any]) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(archive))) as opened:
        files = {
            one.name.partition("/")[2]: FileContent(opened.extractfile(one).read())  # type: ignore[union-attr]
            for one in opened
            if one.isfile()
        }
    files["descriptor.json"] = FileContent(json.dumps(descriptor).encode())
    return write_archive("orders-1.0", files)


def test_a_release_without_a_signature_is_not_taken_up_where_one_is_required_by_now(
    make_registrar: MakeRegistrar, tmp_path: Path, runner: DefaultRunner
) -> None:
    """As after a restart with another setting: it is installed and described, and was not verified."""
    row = put(tmp_path, one_task_package("orders", "1.0"), make_registrar(ACCEPT_UNSIGNED))
    found = make_registrar(ACCEPT_UNSIGNED).register(row)
    row.descriptor, row.signed_by = found.descriptor, found.signed_by or ""
    required: VerifySignature = SignaturePolicy(runner._engine.store, runner._engine.clock, requires=lambda: True)
    with pytest.raises(TrustError) as caught:
        make_registrar(required).register(row)
    assert caught.value.code == "signature_required"
    row.state = "draining"
    with pytest.raises(ReleaseBroken, match="have no signature, which is required now"):
        make_registrar(required).register(row)
    row.signed_by = "0" * 64  # verified when it came
    assert make_registrar(required).register(row).descriptor == found.descriptor


def test_a_package_has_what_its_archive_says(make_registrar: MakeRegistrar, tmp_path: Path) -> None:
    """`package inspect` shows the descriptor of the archive: what is executed is that, or nothing."""
    registrar = make_registrar(ACCEPT_UNSIGNED)
    honest = one_task_package("orders", "1.0", workflow="orders")
    descriptor = registrar.register(put(tmp_path, honest, registrar)).descriptor
    row = put(tmp_path, with_descriptor(honest, descriptor), registrar)
    assert registrar.register(row).descriptor == descriptor

    other = with_descriptor(one_task_package("orders", "1.0", workflow="payments"), descriptor)
    with pytest.raises(PackageBuildError, match="workflow 'orders' is not registered"):
        registrar.register(put(tmp_path, other, registrar))
