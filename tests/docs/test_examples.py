"""Every example of the README and the documentation runs as printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, Block, blocks, commands, name_of
from tests.docs.shell import Shell, matches
from tests.postgres.cluster import Cluster
from tests.suite.daft_library import native_daft

EXAMPLES = [
    pytest.param(block.code, id=f"{name_of(page)}-{k}")
    for page in PAGES
    for k, block in enumerate(block for block in blocks(page) if block.language == "python" and not block.marker)
]
SESSIONS = [
    pytest.param(page, id=name_of(page))
    for page in PAGES
    if any(block.language == "console" and block.marker != "not executed" for block in blocks(page))
]
UNITS = [
    pytest.param(block.code, block.value, id=block.value)
    for page in PAGES
    for block in blocks(page)
    if block.value.endswith(".service")
]


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """A PostgreSQL database for one example."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE example")
        yield postgres.url("example")
        connection.execute("DROP DATABASE example WITH (FORCE)")


@pytest.mark.usefixtures("empty_registry")
@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(tmp_path)
    if "DaftRunner" in code:
        native_daft()
    if "DATABASE_URL" in code:
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database"))
    exec(compile(code, "<example>", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", SESSIONS)
def test_commands_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Files are written and commands run in the order of the page; each prints what the page says."""
    if any("holdwater serve " in block.code for block in blocks(page) if block.language == "console"):
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database"))
    with Shell(tmp_path) as shell:
        for block in blocks(page):
            if block.marker == "file":
                target = tmp_path / block.value
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.code, encoding="utf-8")
            elif block.language == "console" and block.marker != "not executed":
                run_console(shell, block)


def run_console(shell: Shell, block: Block) -> None:
    listed = commands(block.code)
    for k, (command, expected) in enumerate(listed):
        if block.marker == "wait for" and k == len(listed) - 1:
            output = shell.start(command, block.value)
        else:
            output = shell.run(command)
        assert matches(expected, output), f"$ {command}\nprinted\n{output}\nand the page says\n{expected}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_executed_says_so(page: Path) -> None:
    """Commands stand in console blocks, which run; a block of another kind has a marker."""
    for block in blocks(page):
        if block.language in {"sh", "bash", "ini", "yaml", "dockerfile", "toml", "sql"}:
            assert block.marker, f"{name_of(page)}: this is neither executed nor marked\n{block.code}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(("code", "name"), UNITS)
def test_systemd_accepts_the_unit(code: str, name: str, tmp_path: Path) -> None:
    unit = tmp_path / name
    unit.write_text(re.sub(r"(?<=^ExecStart=)\S+", sys.executable, code, flags=re.M), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert name not in done.stderr, done.stderr
    assert "=" in code


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "bench" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_files_of_examples_are_those_on_the_pages() -> None:
    """A page that shows a file of examples/ shows all of it."""
    shown = {(Path(block.value).name, block.code) for page in PAGES for block in blocks(page) if block.marker == "file"}
    for path in sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "examples").rglob("*.toml")]):
        text = path.read_text(encoding="utf-8")
        assert not text or (path.name, text) in shown, f"{path} is on no page"


def test_every_page_is_in_the_tree_of_contents() -> None:
    for page in PAGES[1:]:
        assert page.read_text(encoding="utf-8").startswith("# "), f"{page} has no title"
    assert (DOCS / "index.md").exists()
