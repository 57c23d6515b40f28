"""`install()`: which originals' names lead here, and `python -m penstock.compat`, which runs a script that way."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

import penstock
from penstock.compat import ROOMS, cloaca, install

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ROOMS:
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, name, None)  # so that what a test installs is undone
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))


def original(folder: Path, source: str = "ORIGINAL = True\n") -> None:
    (folder / "cloaca.py").write_text(source, encoding="utf-8")
    importlib.invalidate_caches()


def test_the_name_leads_here() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("cloaca")
    assert install() == ("cloaca",)
    assert install("cloaca") == ("cloaca",)
    assert importlib.import_module("cloaca") is cloaca


def test_the_original_stays_where_it_is(tmp_path: Path) -> None:
    original(tmp_path)
    assert install() == ()
    assert importlib.import_module("cloaca").ORIGINAL
    assert install() == ()
    assert install(force=True) == ("cloaca",)
    assert importlib.import_module("cloaca") is cloaca


def test_an_original_without_a_file_stays_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloaca", types.ModuleType("cloaca"))
    assert install() == ()


def test_a_blocked_name_is_not_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloaca", None)
    assert install() == ("cloaca",)


def test_a_folder_of_the_name_is_not_the_original(tmp_path: Path) -> None:
    (tmp_path / "cloaca").mkdir()
    importlib.invalidate_caches()
    assert install() == ("cloaca",)


def test_a_name_without_a_room() -> None:
    with pytest.raises(penstock.ConfigError, match="'celery'"):
        install("cloaca", "celery")
    assert "cloaca" not in sys.modules


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, penstock; penstock.DefaultRunner; sys.exit('penstock.compat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.compat", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") or k == "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_script_of_the_original(tmp_path: Path, url: str) -> None:
    done = run(str(SCRIPTS / "orders.py"), url, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "status Completed None",
        'final {"customer":"ada","log":["receive","reserve","price","ship"],"total":{"net":100,"tax":19},'
        '"confirmed":true}',
        "start {'customer': 'ada'}",
        "in order True",
        "calls ['price ok with 3 keys', 'reserve failed: OSError: the stock table is Locked',"
        " 'reserve failed: OSError: the stock table is Locked']",
        "attempts 3 2",
        "report 42",
        "broken Failed True True",
        "charged 1",
        *[f"caught {kind} True" for kind in ("ValueError", "KeyError", "KeyError", "TypeError", *["ValueError"] * 3)],
        "context None 1 None 1",
        "name ship True",
        "policy 4 0.004 True False",
    ]
    assert done.returncode == 3
    with penstock.DefaultRunner(url) as runner:  # what it left is a database of Penstock
        assert [row.workflow_name for row in runner.list_runs()] == ["broken", "nightly_report", "orders"]


def test_a_script_sees_what_python_would_show_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "beside.py").write_text("raise ImportError('the working directory is not on the path')")
    (tmp_path / "inner" / "beside.py").write_text("import cloaca\n")
    (tmp_path / "inner" / "look.py").write_text(
        "import json, pickle, sys\nimport beside\nclass Mine: pass\n"
        "pickle.loads(pickle.dumps(Mine()))\nlook: int = 1\n"
        "print(json.dumps([__name__, __file__, __doc__, __spec__, sys.argv, sys.path[0],"
        " sys.modules['__main__'].look, beside.cloaca.__name__, __annotations__['look'] is int]))\n"
    )
    expected = ["__main__", str(tmp_path / "inner" / "look.py"), None, None, ["inner/look.py", "-x", "--force"]]
    done = run("inner/look.py", "-x", "--force", cwd=tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [*expected, str(tmp_path / "inner"), 1, cloaca.__name__, True]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    raise ValueError('mine')\nf()\n",
        "x = = 1\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e\n",
        "import sys\nsys.exit('said')\n",
        "import sys\nsys.exit(5)\n",
        "import sys\nsys.excepthook = lambda *shown: print(shown[0].__name__, shown[2].tb_lineno)\nf = 1 / 0\n",
        "raise KeyboardInterrupt\n",
        "import atexit\natexit.register(print, 'over')\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    ],
)
def test_a_script_ends_as_it_would_without(source: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(source)
    plain = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    done = run("script.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_the_interrupt_above_is_a_signal(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise KeyboardInterrupt\n")
    assert run("script.py", cwd=tmp_path).returncode == -signal.SIGINT


def test_the_original_beside_the_script(tmp_path: Path) -> None:
    original(tmp_path)
    (tmp_path / "script.py").write_text("import cloaca\nprint(hasattr(cloaca, 'ORIGINAL'))\n")
    done = run("script.py", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert "--force" in done.stderr
    done = run("--force", "script.py", cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("False\n", "", 0)


@pytest.mark.parametrize("arguments", [[], ["nope.py"], ["."], ["--nope", "x.py"]])
def test_usage(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: python -m penstock.compat" in done.stderr
