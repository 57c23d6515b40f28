"""The descriptor an archive was built with, and the one its code gives elsewhere."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import PackageError
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.building.build import build_package, describe_in_fresh_host
from holdwater.packages.building.scaffold import make_package
from holdwater.packages.descriptors.descriptor_comparison import check_built_descriptor
from holdwater.packages.settings import PackageSettings
from tests.packages.archive_files import package

SETTINGS = PackageSettings()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> PackageArchive:
    folder = tmp_path_factory.mktemp("built")
    make_package(folder, "shop")
    return read_archive(build_package(folder / "shop", SETTINGS, lambda draft: describe_in_fresh_host(draft, SETTINGS)))


def changed(archive: PackageArchive, **fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(archive.descriptor or {}), **fields}


def test_the_same_content(archive: PackageArchive) -> None:
    check_built_descriptor(archive, archive.descriptor)
    other_python = changed(archive)
    other_python["workflows"][0]["code"] = "0" * 16
    check_built_descriptor(archive, other_python)
    check_built_descriptor(read_archive(package()), {"anything": "at all"})


def test_differences_are_named(archive: PackageArchive) -> None:
    trigger = {"name": "inbox", "workflow": "shop", "poll_interval_us": 1_000_000, "allow_concurrent": False}
    renamed = changed(archive)
    renamed["workflows"][0]["plan"]["nodes"][0]["name"] = "renamed"
    for described, message in (
        (changed(archive, triggers=[trigger]), "trigger 'inbox' is not in it"),
        (changed(archive, workflows=[]), "shop"),
        (renamed, "shop"),
    ):
        with pytest.raises(PackageError, match=message):
            check_built_descriptor(archive, described)


def test_a_package_that_is_something_else_where_it_is_registered(tmp_path: Path) -> None:
    """Its modules look at what they find when they are imported."""
    make_package(tmp_path, "shop")
    flows = tmp_path / "shop/workflow/shop/flows.py"
    flows.write_text(re.sub(r"@task\(dependencies=\[price_orders\], trigger.*", "", flows.read_text(), flags=re.DOTALL))
    text = flows.read_text()
    data = build_package(tmp_path / "shop", SETTINGS, lambda draft: describe_in_fresh_host(draft, SETTINGS))
    flows.write_text(text + "\n    @task()\n    def more(context):\n        pass\n")
    described = json.loads(
        read_archive(
            build_package(tmp_path / "shop", SETTINGS, lambda draft: describe_in_fresh_host(draft, SETTINGS))
        ).texts["descriptor.json"]
    )
    with pytest.raises(PackageError, match=r"is not what its descriptor\.json says: workflow 'shop' is another one"):
        check_built_descriptor(read_archive(data), described)
