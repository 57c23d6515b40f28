"""A new package: a small project with a workflow, its manifest and its test."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.content_rules import check_module_name
from holdwater.packages.building.scaffold_graphs import GRAPH_FLOWS, GRAPH_TEST
from holdwater.packages.building.scaffold_project import GITIGNORE, MANIFEST, PYTEST_INI, README
from holdwater.packages.building.scaffold_steps import STEPS_FLOWS, STEPS_TEST
from holdwater.packages.building.scaffold_tasks import TASKS_FLOWS, TASKS_TEST
from holdwater.packages.manifests.own_manifest import read_own_manifest

PackageStyle = Literal["tasks", "steps", "graphs"]
STYLES: Final[Mapping[PackageStyle, tuple[str, str]]] = {
    "tasks": (TASKS_FLOWS, TASKS_TEST),
    "steps": (STEPS_FLOWS, STEPS_TEST),
    "graphs": (GRAPH_FLOWS, GRAPH_TEST),
}
"""style -> texts of its module and of the test of it"""
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


def make_package(parent: Path, name: str, style: PackageStyle = "tasks") -> list[Path]:
    """Write a new package into the folder `parent/name`, and return its files.

    Raises PackageBuildError if the folder is there with files in it, ManifestError or ArchiveError for a name that no
    package can have, OSError.
    """
    module = _SEPARATORS.sub("_", name.lower()).strip("_")
    flows, test = STYLES[style]
    files = {
        "holdwater.toml": MANIFEST,
        f"workflow/{module}/__init__.py": "",
        f"workflow/{module}/flows.py": flows,
        "tests/test_flows.py": test,
        "pytest.ini": PYTEST_INI,
        "README.md": README,
        ".gitignore": GITIGNORE,
    }
    filled = {path: text.replace("@NAME@", name).replace("@MODULE@", module) for path, text in files.items()}
    read_own_manifest(filled["holdwater.toml"])
    check_module_name(f"workflow/{module}/flows.py", f"{module}/flows.py")
    folder = parent / name
    if folder.exists() and (not folder.is_dir() or os.listdir(folder)):
        raise PackageBuildError(f"{folder} is there already, and is not empty")
    written = []
    for path, text in filled.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written
