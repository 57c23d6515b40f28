"""Type checkers agree with users: right code passes, wrong code does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"


def _mypy(path: Path, tmp_path: Path) -> set[int]:
    """Lines with errors."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(SOURCE), "PATH": ""},
    )
    assert done.returncode in (0, 1), done.stderr
    return {int(found[1]) for found in re.finditer(rf"{re.escape(path.name)}:(\d+): error", done.stdout)}


def _pyright(path: Path, tmp_path: Path) -> set[int]:
    config = {"typeCheckingMode": "strict", "include": [str(path)], "extraPaths": [str(SOURCE)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] > 0
    errors = [one for one in found["generalDiagnostics"] if one["severity"] == "error"]
    return {one["range"]["start"]["line"] + 1 for one in errors if Path(one["file"]).name == path.name}


Checker = Callable[[Path, Path], set[int]]


@pytest.mark.parametrize("check", [_mypy, _pyright])
def test_right_code_passes(check: Checker, tmp_path: Path) -> None:
    assert check(HERE / "right.py", tmp_path) == set()


@pytest.mark.parametrize("check", [_mypy, _pyright])
def test_wrong_code_does_not(check: Checker, tmp_path: Path) -> None:
    path = HERE / "wrong.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert check(path, tmp_path) == wrong
    assert wrong


def test_right_code_runs() -> None:
    done = subprocess.run([sys.executable, str(HERE / "right.py")], capture_output=True, text=True)
    assert done.stdout.split() == ["AA", "2", "[1]", "completed", "Completed"], done.stderr
