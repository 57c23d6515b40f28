"""The examples of the seeds as scripts of the originals: their own names, run by `python -m holdwater.compat`.

What a page assumes stands between its examples; database URLs of other people's machines are exchanged for the test's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres.cluster import Cluster
from tests.seeds.documents import DOCS, blocks

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """An empty PostgreSQL database, and the URL that leads to it."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE originals")
        yield postgres.url("originals")
        connection.execute("DROP DATABASE originals WITH (FORCE)")


def lines_of(script: str | Path, folder: Path, *arguments: str) -> list[str]:
    """What a script prints that is run under the originals' names, and ends well."""
    path = script if isinstance(script, Path) else folder / "script.py"
    if isinstance(script, str):
        path.write_text(script, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-m", "holdwater.compat", str(path), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


# -- seed 000

COPYING = """
import cloaca
from datetime import datetime, timedelta

for workflow_name in ("my_workflow", "workflow", "worker_workflow", "daily_report"):
    with cloaca.WorkflowBuilder(workflow_name) as builder:
        builder.description("Copies every key")

        @cloaca.task(id="copy")
        def copy(context):
            for key in list(context.to_dict()):
                context.set(key + "_copy", context.get(key))
            return context

context = cloaca.Context({"a": 1})
"""
BEFORE_000 = {
    12: "schedule_id = runner.register_cron_workflow('workflow', '0 0 1 1 *', 'UTC')",  # the last was deleted
    19: "runner = cloaca.DefaultRunner('sqlite:///app.db')",
}
AFTER_000 = {
    4: "runner.shutdown()",
    14: "runner.shutdown()",
    18: "tenant_a.shutdown(); tenant_b.shutdown(); tenant_runner.shutdown()",
    25: """
runner = cloaca.DefaultRunner('sqlite:///app.db')
print(execute_workflow_safely(runner, 'workflow', context), execute_workflow_safely(runner, 'nope', context))
""",
    26: "monitor_cron_schedules(runner)",
}
"""by number of an example: what is said before it, and after it"""
NOT_PYTHON_000 = {6}


def test_000_under_its_own_names(tmp_path: Path, database: str) -> None:
    parts = [COPYING, f"database_url = {database!r}"]
    for number, text in enumerate(blocks("000"), 1):
        if number in NOT_PYTHON_000:
            continue
        if number == 17:  # hosts that do not exist: no example opens them
            text = "\n".join(line for line in text.splitlines() if line.startswith("#"))
        text = re.sub(r"postgresql://[^\"]*", database, text)
        parts += [BEFORE_000.get(number, ""), text, AFTER_000.get(number, "")]
    said = lines_of("\n".join([*parts, "runner.shutdown()"]), tmp_path)
    assert said.count("Success!") == 2
    assert "Schedule: daily_report - 0 2 * * *" in said
    assert "Workflow: daily_report" in said
    assert [line.partition(":")[0] for line in said if "Invalid" in line or "not found" in line] == [
        "Invalid database URL",
        "Workflow not found",
        "Invalid cron expression",
    ]
    threads = {line for line in said if line.startswith("Thread ")}
    assert threads == {f"Thread {t}, iteration {i}: Completed" for t in range(4) for i in range(10)}
    with psycopg.connect(database) as connection:
        for schema in ("tenant_a", "tenant_b"):
            assert connection.execute(f"SELECT count(*) FROM {schema}.runs").fetchone() == (1,)


# -- seed 002

ASSUMED = """
import concurrent.futures, logging, time
from typing import Any
from spine.core.errors import SpineError
from spine.framework.pipelines import Pipeline, PipelineResult, PipelineStatus
from spine.framework.registry import register_pipeline
from spine.orchestration.step_result import ErrorCategory, QualityMetrics, StepResult
from spine.orchestration.step_types import ErrorPolicy, LambdaStep, RetryPolicy, Step
from spine.orchestration.workflow import Workflow
from spine.orchestration.workflow_context import WorkflowContext
from spine.orchestration.workflow_runner import WorkflowRunner

logger = logging.getLogger("seed")
calls = []

@register_pipeline("my.pipeline")
class Mine(Pipeline):
    def run(self):
        return PipelineResult(PipelineStatus.COMPLETED, metrics={"rows": 3, "key": self.params.get("key")})

def my_lambda_fn(ctx, config):
    return StepResult.ok(output={"rows": ctx.get_output("step1", "rows")}, quality=QualityMetrics(record_count=3))

my_fn = my_lambda_fn

def twice(ctx, config):
    return {"twice": 2 * ctx.params["current_item"]}

per_item_workflow = Workflow("per.item", [Step.lambda_("twice", twice)])
"""
FAILING = """
def fails_once(ctx, config):
    calls.append("step3")
    if len(calls) == 1:
        raise SpineError("the service is down", category="SOURCE")
    return StepResult.ok(output={"seen": ctx.get_output("step2")})

my_workflow = Workflow("my.workflow", [*my_workflow.steps, Step.lambda_("step3", fails_once)])
"""
TRACED = """
import contextlib

class Spans:
    def start_span(self, name):
        print("span", name)
        return contextlib.nullcontext()

    def record_step(self, name, result):
        print("step", name, result.success)

CustomRunner.tracer = CustomRunner.metrics = Spans()
custom = CustomRunner()
print("custom", custom.execute(my_workflow, params={"key": "value"}).status)
"""


def example(number: int, **replaced: str) -> str:
    """The text of an example of seed 002, with other words for what it leaves out."""
    text = blocks("002")[number - 1]
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def test_002_under_its_own_names(tmp_path: Path) -> None:
    source = [
        ASSUMED,
        example(1),
        example(7),
        example(8),
        "first = my_workflow",
        FAILING,
        example(11).replace('"abc-123"', "result.run_id"),
        "context = resumed_result.context",
        "print('resumed', resumed_result.status, resumed_result.completed_steps, context.get_output('step3'))",
        example(13).replace("params={...}", "params={'key': 1}"),
        example(14).replace("    ...\n", "    return StepResult.ok(output={})\n"),
        "dry = runner.execute(Workflow('dry', [Step.lambda_('my', my_lambda)]))",
        "print('would', dry.context.get_output('my', 'would_do'))",
        "runner = WorkflowRunner()",
        example(16).replace("execute(...)", "execute(first, params={'key': 2})"),
        example(17),
        TRACED,
        example(18),
        "print('middleware', runner.execute(first, params={'key': 3}).status)",
        "step = " + example(19).lstrip().removeprefix("# Map step for parallel execution").lstrip(),
        "mapped = runner.execute(Workflow('mapped', [step]))",
        "print('map', mapped.status, mapped.context.get_output('process_all', 'item_count'))",
        example(20),
        "print('configured', runner.execute(first).status)",
    ]
    said = lines_of("\n".join(source), tmp_path)
    assert said[:2] == ["Success!", "resumed completed ['step3'] {'seen': {'rows': 3}}"]
    assert [line.partition(":")[0] for line in said[2:5]] == ["step1", "step2", "step3"]
    assert "would insert 100 records" in said
    assert [
        line for line in said if line.startswith(("custom", "span", "step step", "middleware", "map", "configured"))
    ] == [
        "span step:step2",
        "step step2 True",
        "span step:step3",
        "step step3 True",
        "custom completed",
        "middleware completed",
        "map completed 3",
        "configured completed",
    ]
    assert any(line.startswith("Total duration: ") for line in said)


# -- seed 003


def test_003_under_its_own_names(tmp_path: Path) -> None:
    blocks("003")
    (page,) = DOCS.glob("003_*.txt")
    said = lines_of(SCRIPTS / "runners.py", tmp_path, str(page))
    assert [line.partition(" ")[0] for line in said].count("ok") == len(said) >= 30, "\n".join(said)
