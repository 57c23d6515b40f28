"""Values of bodies that run in worker processes: classes of the script, types it registers, and what no other finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater import Context, DefaultRunner, DefaultRunnerConfig
from holdwater.executors import ProcessExecutor
from tests.engine.pruning_cases import all_values
from tests.model import sample_values
from tests.suite.runners import Define

SCRIPT = """
import dataclasses, sys
from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, register_type, task
from holdwater.executors import ProcessExecutor

@dataclasses.dataclass
class Point:
    x: int

class Money:
    def __init__(self, cents):
        self.cents = cents

register_type(Money, "shop.money", lambda m: m.cents, Money)

with WorkflowBuilder("flow"):

    @task()
    def make(context: Context) -> None:
        context["given"].x += 1
        context["made"] = [Point(3), Money(4)]

    @task(dependencies=[make])
    def look(context: Context) -> None:
        point, money = context["made"]
        context["seen"] = [type(point) is Point, money.cents, context["given"].x]

def main():
    config = DefaultRunnerConfig(executors={"default": ProcessExecutor(1)})
    with DefaultRunner.with_config("sqlite:///flow.db", config) as runner:
        result = runner.execute("flow", {"given": Point(1)})
        end = result.final_context
        print(result.status, result.error_message, end.get("seen"), type(end["given"]) is Point)

if __name__ == "__main__":
    main()
"""

READ = """
import sys
from holdwater import DefaultRunner
import flow
with DefaultRunner("sqlite:///flow.db") as runner:
    run = runner.list_runs()[0]
    context = runner.get_run(run.run_id).final_context
    print(context["made"][0] == flow.Point(3), context["made"][1].cents, context["given"] == flow.Point(2))
"""


def test_classes_and_types_of_a_script_in_its_workers_and_in_those_that_import_it(tmp_path: Path) -> None:
    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr

    (tmp_path / "flow.py").write_text(SCRIPT)
    assert python("flow.py") == "Completed None [True, 4, 2] True\n"
    assert python("-c", READ) == "True 4 True\n"


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[DefaultRunner]:
    config = DefaultRunnerConfig(executors={"default": ProcessExecutor(1)})
    with DefaultRunner.with_config(f"sqlite:///{tmp_path}/runs.db", config) as runner:
        yield runner


def test_every_family_through_a_worker(workers: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> None:
        context["back"] = context["v"]

    define("families", ("a", body, {}))
    result = workers.execute("families", {"v": all_values()})
    assert result.status == "Completed", result.error_message
    wanted = all_values()
    back = result.final_context["back"]
    assert [w for w, b in zip(wanted, back, strict=True) if not sample_values.is_same(w, b)] == []


def test_a_class_that_only_the_worker_has_fails_its_task(workers: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> None:
        import dataclasses
        import types

        module = types.ModuleType("of_the_worker")
        sys.modules["of_the_worker"] = module
        made = dataclasses.make_dataclass("Made", ["n"])
        made.__module__ = "of_the_worker"
        module.Made = made  # type: ignore[attr-defined]
        context["v"] = made(1)

    define("only", ("a", body, {}))
    result = workers.execute("only")
    assert result.status == "Failed"
    assert "EncodingError" in (result.error_message or "")
    assert "of_the_worker:Made" in (result.error_message or "")
