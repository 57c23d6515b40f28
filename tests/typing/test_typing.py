"""Type checkers agree with users: right code passes, wrong code does not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
FILES = ("right.py", "wrong.py")


Errors = dict[str, set[int]]
"""lines with errors by the name of the file"""


def _mypy(directory: Path) -> Errors:
    files = [str(HERE / name) for name in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(directory), *files],
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
    )
    assert done.returncode in (0, 1), done.stderr
    return {name: {int(n) for n in re.findall(rf"{re.escape(name)}:(\d+): error", done.stdout)} for name in FILES}


def _pyright(directory: Path) -> Errors:
    include = [str(HERE / name) for name in FILES]
    config = {"typeCheckingMode": "strict", "include": include, "extraPaths": [str(SOURCE)]}
    (directory / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(directory)],
        capture_output=True,
        text=True,
        cwd=directory,
    )
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] > 0
    errors = [one for one in found["generalDiagnostics"] if one["severity"] == "error"]
    lines = [(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in errors]
    return {name: {line for of, line in lines if of == name} for name in FILES}


@pytest.mark.parametrize("check", [_mypy, _pyright])
def test_right_code_passes_and_wrong_code_does_not(check: Callable[[Path], Errors], tmp_path: Path) -> None:
    lines = (HERE / "wrong.py").read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert wrong
    assert check(tmp_path) == {"right.py": set(), "wrong.py": wrong}


def test_right_code_runs() -> None:
    done = subprocess.run([sys.executable, str(HERE / "right.py")], capture_output=True, text=True)
    assert done.stdout.split() == ["AA", "2", "[1]", "completed", "Completed"], done.stderr
