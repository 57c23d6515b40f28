"""The workflow on the real engine: once through, refused data, and killed in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdwater.demo import weather
from holdwater.demo.files import read_effects
from holdwater.demo.run import WORKFLOW_NAME, initial_context
from holdwater.runners.tasks.default_runner import DefaultRunner
from holdwater.runners.tasks.results import PipelineResult
from tests.demo.figures import CSV

PAUSE_SECONDS = 0.1
SKIPPED = {"repair", "mild_note"}


def run_demo(directory: Path, pause_seconds: float = 0, **extra: str) -> PipelineResult:
    with DefaultRunner(f"sqlite:///{directory}/demo.db") as runner:
        return runner.execute(
            WORKFLOW_NAME, {**initial_context(directory, pause_seconds), **extra}, idempotency_key="demo"
        )


def statuses(result: PipelineResult) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for task in result.task_results:
        found.setdefault(task.status, set()).add(task.task_name)
    return found


def started_tasks(directory: Path) -> list[tuple[str, int]]:
    """Task and process of each body that has begun."""
    return [(line.split()[0], int(line.split()[1])) for line in read_effects(directory)]


def test_the_shape_of_the_workflow() -> None:
    workflow = weather.builder.build()
    levels = [{name.rpartition("::")[2] for name in level} for level in workflow.get_execution_levels()]
    assert levels == [
        {"load", "fetch_normals"},
        {"validate"},
        {"repair", "temperature", "rain", "extremes"},
        {"heat_note", "mild_note", "merge"},
        {"draw"},
        {"report"},
    ]


def test_once_through(tmp_path: Path) -> None:
    result = run_demo(tmp_path)
    assert result.status == "Completed"
    assert statuses(result).keys() == {"Completed", "Skipped"}
    assert statuses(result)["Skipped"] == SKIPPED
    assert {t.task_name: t.attempt_count for t in result.task_results if t.attempt_count > 1} == {"fetch_normals": 2}
    assert sorted(name for name, _ in started_tasks(tmp_path)) == sorted(
        [*statuses(result)["Completed"], "fetch_normals"]
    )
    context = result.final_context.to_dict()
    assert "rows" not in context, "the final context is small"
    assert context["note"] == "Many hot days: 63 reached 30 °C, 23 of them in 2015."
    assert len(context["temperature"]["months"]) == 48


def test_asked_again_nothing_runs_again(tmp_path: Path) -> None:
    first = run_demo(tmp_path).final_context.to_dict()
    noted = read_effects(tmp_path)
    assert run_demo(tmp_path).final_context.to_dict() == first
    assert read_effects(tmp_path) == noted


def test_refused_data_lead_to_repair_and_no_report(tmp_path: Path) -> None:
    doctored = tmp_path / "doctored.csv"
    doctored.write_text(CSV.read_text(encoding="utf-8").replace("sun", "frogs"), encoding="utf-8")
    result = run_demo(tmp_path, csv_path=str(doctored))
    assert result.status == "Failed"
    assert statuses(result)["Failed"] == {"validate"}
    assert statuses(result)["Completed"] == {"load", "fetch_normals", "repair"}
    assert (tmp_path / "rejected.csv").read_text(encoding="utf-8").count("unknown weather 'frogs'") == 714
    assert not (tmp_path / "report.html").exists()


CHILD = """
import sys
from pathlib import Path
from tests.demo.test_run import run_demo
run_demo(Path(sys.argv[1]), float(sys.argv[2]))
"""


@pytest.mark.parametrize("lines", [1, 2, 4, 7, 9, 10])
def test_killed_in_the_middle_it_goes_on_and_repeats_nothing_recorded(tmp_path: Path, lines: int) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(PAUSE_SECONDS)], cwd=root)
    deadline = time.monotonic() + 60
    while len(read_effects(tmp_path)) < lines and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.002)
    time.sleep(PAUSE_SECONDS / 2)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    killed = datetime.now(UTC)
    before = started_tasks(tmp_path)
    assert len(before) >= lines

    result = run_demo(tmp_path, PAUSE_SECONDS)
    assert result.status == "Completed"
    recorded = {t.task_name for t in result.task_results if t.end_time and datetime.fromisoformat(t.end_time) < killed}
    after = [name for name, _ in started_tasks(tmp_path)[len(before) :]]
    assert recorded or lines < 4, "else this test shows nothing"
    assert recorded.isdisjoint(after)
    assert len(after) == len(set(after)) or after.count("fetch_normals") == 2
    assert {name for name, _ in started_tasks(tmp_path)} == {t.task_name for t in result.task_results} - SKIPPED
    assert (tmp_path / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
