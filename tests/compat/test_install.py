"""`install()`: which originals' names lead here, and `python -m holdwater.compat`, which runs a script that way."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdwater
from holdwater.compat import SHIMS, cloaca, install
from holdwater.errors import ConfigError
from holdwater.steps import pipeline_registry

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name leads anywhere before a test, and after it those lead where they did that did before."""

    def forget() -> dict[str, types.ModuleType]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in SHIMS}

    before = forget()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    forget()
    sys.modules.update(before)


def original(folder: Path, source: str = "ORIGINAL = True\n") -> None:
    (folder / "cloaca.py").write_text(source, encoding="utf-8")
    importlib.invalidate_caches()


def test_the_name_leads_here() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("cloaca")
    assert install() == tuple(SHIMS)
    assert install("cloaca") == ("cloaca",)
    assert importlib.import_module("cloaca") is cloaca


def test_the_original_stays_where_it_is(tmp_path: Path) -> None:
    original(tmp_path)
    assert "cloaca" not in install()
    assert importlib.import_module("cloaca").ORIGINAL
    assert "cloaca" not in install()
    assert "cloaca" in install(force=True)
    assert importlib.import_module("cloaca") is cloaca


def test_an_original_without_a_file_stays_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloaca", types.ModuleType("cloaca"))
    assert "cloaca" not in install()


def test_a_blocked_name_is_not_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloaca", None)
    assert "cloaca" in install()


def test_a_folder_of_the_name_is_not_the_original(tmp_path: Path) -> None:
    (tmp_path / "cloaca").mkdir()
    importlib.invalidate_caches()
    assert "cloaca" in install()


def test_a_name_without_a_room() -> None:
    with pytest.raises(ConfigError, match="'celery'"):
        install("cloaca", "celery")
    assert "cloaca" not in sys.modules


def test_modules_below_a_name_are_those_of_the_room(tmp_path: Path) -> None:
    (tmp_path / "spine").mkdir()
    (tmp_path / "spine" / "__init__.py").write_text("")
    (tmp_path / "spine" / "orchestration.py").write_text("")
    (tmp_path / "spine" / "domain.py").write_text("")
    importlib.invalidate_caches()
    for module in ("spine.orchestration", "spine.domain"):
        importlib.import_module(module)
    assert install("spine") == ()
    assert install("spine", force=True) == ("spine",)
    found = importlib.import_module("spine.orchestration")
    assert found is importlib.import_module("holdwater.compat.spine.orchestration")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("spine.domain")


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, holdwater; holdwater.DefaultRunner; sys.exit('holdwater.compat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdwater.compat", *arguments]
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
    with holdwater.DefaultRunner(url) as runner:  # what it left is a database of Holdwater
        assert [row.workflow_name for row in runner.list_runs()] == ["broken", "nightly_report", "orders"]


FIRST_NIGHT = [
    "dry True {'dry_run': True, 'would_do': 'publish'} ['fetch', 'fetch', 'fetch']",
    "would run filings.ingest",
    "dispatched completed {'record_count': 3, 'week': 'now'} True",
    "status failed publish PermissionError: there is no licence",
    "steps ingest,fetch,validate,size,fast,each,pause of 10",
    "run ",
    "calls ingest,fetch,fetch,fetch 10",
    "skipped slow failed optional,publish",
    "results ['a', 'b', 'c']",
    "quality 1.0 {'rows': 3, 'tier': 'NMS'}",
    "middleware 3 True",
    "attempts 3",
]
SECOND_NIGHT = [
    "status completed optional nobody needs it",
    "steps publish of 10",
    "again True",
    "output {'published': 3, 'resumed': True} []",
    "checkpoints ingest,fetch,validate,size,fast,each,pause,publish",
]


def test_a_script_of_steps_goes_on_in_a_second_process(tmp_path: Path, url: str) -> None:
    failed = run(str(SCRIPTS / "filings.py"), url, cwd=tmp_path)
    assert failed.stderr == ""
    lines = failed.stdout.splitlines()
    (run_id,) = [line.removeprefix("run ") for line in lines if line.startswith("run ")]
    assert [line.replace(run_id, "") for line in lines] == FIRST_NIGHT
    assert failed.returncode == 3
    (tmp_path / "licence").touch()
    done = run(str(SCRIPTS / "filings.py"), url, run_id, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == SECOND_NIGHT
    assert done.returncode == 0
    with holdwater.DefaultRunner(url) as runner:  # what it left is a database of Holdwater
        assert runner.get_run(run_id).status == "Completed"


def test_a_script_of_steps_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install("spine") == ("spine",)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["filings.py", f"sqlite:///{tmp_path}/runs.db"])
    try:
        script = runpy.run_path(str(SCRIPTS / "filings.py"))
        assert script["main"]() == 3
    finally:
        pipeline_registry.unregister("filings.ingest")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("run ")] == [line for line in FIRST_NIGHT if line != "run "]


SHOP = [
    "levels [['receive'], ['reserve', 'approve'], ['deliver']] One order",
    "trigger inbox order 100",
    "schedule every_night order 0 2 * * * Europe/Berlin",
    "came in Completed {'customer': 'ada', 'total': 130, 'reserved': True, 'approved_for': 'ada'}",
    "executed Completed None eve ['reserve']",
    "refused a trigger with cron= says which workflow it starts",
]
WEEKLY = [
    "submitted completed {'rows': 10, 'tier': 'OTC'} backfill True ['weekly.ingest']",
    "refused ['week'] {'tier': \"'AMEX' will not do\"}",
    "status True ['ingest', 'validate', 'big', 'load'] ['audit'] audit",
    "error SpineError: there is no licence CONFIGURATION",
    "middleware; ingest True; validate True; big True; load False; load False; load True; audit False",
    "steps [('ingest', False, 'completed'), ('validate', True, 'completed'), ('big', False, 'completed'),"
    " ('load', True, 'completed'), ('audit', True, 'failed')]",
    "outputs {'tries': 3} NMS [True, True, True]",
    "bad failed CONFIGURATION",
    "error start_from='nope' is no step of workflow 'weekly'",
    "error Duplicate step name: 'a' in workflow 'twice'",
    "error DLQManager is not in this version of Holdwater",
    "error CORE_DDL is not in this version of Holdwater",
]
DESK = [
    "run True {'category': 'billing', 'answer': 'refund 1'} True None",
    "events; start desk False; classify; dispatch -> billing; dispatch; billing; end completed; start desk False;"
    " classify; dispatch -> tech; dispatch; chunk hi; chunk reboot; tech; end completed",
    "map ['refund 1', 'hi, reboot'] ['billing', 'other'] 2 desk completed",
    "chunks ['hi', 'reboot']",
    "result hi, reboot hi, reboot",
    "asks True review ('send', 'redo')",
    "again True a! True",
    "sent {'draft': 'a!', 'feedback': 'send'}",
    "events; start letters False; write; review asks; end paused; start letters True; good -> write; good; write;"
    " review asks; end paused; start letters True; good -> END; good; end completed",
    "record COMPLETED True letters True None",
    "steps [(0, 'write'), (1, 'review'), (2, 'good')] True",
    "goes on True b!",
    "sync other",
]


@pytest.mark.parametrize(("script", "lines"), [("shop", SHOP), ("weekly", WEEKLY), ("desk", DESK)])
def test_scripts_that_use_all_of_an_original(script: str, lines: list[str], tmp_path: Path) -> None:
    done = run(str(SCRIPTS / f"{script}.py"), "sqlite:///runs.db", cwd=tmp_path)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (lines, "", 3)


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
    assert "usage: python -m holdwater.compat" in done.stderr
