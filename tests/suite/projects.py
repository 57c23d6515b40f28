"""Projects of real modules, run by real interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAIN = """
import sys
from holdwater.caching import DiskCache, NodeCache
from tests.caching.nodes import FunctionNode, execute_cached
from proj.flow import work

print(execute_cached(NodeCache(DiskCache(sys.argv[1])), FunctionNode(work, name="work"), x=2))
"""


class Project:
    """A package `proj` beside a cache directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self.write("proj/__init__.py", "")
        self.write("main.py", MAIN)

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text()
        assert text.count(old) == 1, text
        self.write(name, text.replace(old, new))

    def start(self, *arguments: str, script: str = "main.py", seed: str = "random") -> subprocess.Popen[str]:
        paths = os.pathsep.join([str(self.directory), str(ROOT)])
        return subprocess.Popen(
            [sys.executable, "-B", str(self.directory / script), *(arguments or (str(self.cache),))],
            env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, script: str = "main.py", seed: str = "random") -> str:
        """What the script printed."""
        process = self.start(*arguments, script=script, seed=seed)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def new_project(tmp_path: Path) -> Callable[[str], Project]:
    return lambda name: Project(tmp_path / name)
