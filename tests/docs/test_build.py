"""The documentation builds without a warning, API reference included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import holdwater
from tests.docs.pages import DOCS


def test_no_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees")]
    done = subprocess.run([*command, "-b", "html", str(DOCS), str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "DefaultRunner" in (tmp_path / "html" / "reference" / "api" / "holdwater.html").read_text(encoding="utf-8")


def test_every_exported_name_exists() -> None:
    assert not [name for name in holdwater.__all__ if not hasattr(holdwater, name)]
