"""An engine tells its meter of commits, claims, attempts and runs."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from holdwater import Context, WorkflowBuilder, task
from holdwater.engine import Engine
from holdwater.model.events import Failed
from holdwater.model.journal import JournalEntry
from holdwater.model.registry import Registry
from holdwater.runtime.config import DriverConfig
from holdwater.server.metrics.engine_counts import EngineCounts
from holdwater.server.metrics.families import Families


def test_runs_and_attempts_are_counted(tmp_path: Path) -> None:
    workflows, registry = Registry(), CollectorRegistry()
    calls: list[int] = []
    with WorkflowBuilder("counted", into=workflows):

        @task(retry_attempts=2, retry_delay_ms=0)
        def flaky(context: Context) -> None:
            calls.append(1)
            if len(calls) == 1:
                raise ValueError

        @task(dependencies=[flaky], retry_attempts=1)
        def fails(context: Context) -> None:
            raise ValueError

    counts = EngineCounts(Families(registry, "holdwater"))
    engine = Engine(f"sqlite:///{tmp_path}/runs.db", DriverConfig(), registry=workflows, meter=counts)
    try:
        assert engine.execute("counted", {}).status == "failed"
    finally:
        engine.close(5.0)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"holdwater_{name}", labels)

    assert value("tasks_total", status="completed", reason="ok") == 1
    assert value("tasks_total", status="retried", reason="task_error") == 1
    assert value("tasks_total", status="failed", reason="task_error") == 1
    assert value("workflows_total", status="failed", reason="task_error") == 1
    assert value("task_duration_seconds_count") == 3
    assert value("workflow_duration_seconds_count") == 1
    assert value("scheduler_claim_attempts_total", outcome="empty") is not None
    commits = value("driver_commit_seconds_count")
    assert commits is not None
    assert commits >= 3


def test_a_task_whose_context_cannot_be_read_is_counted() -> None:
    registry = CollectorRegistry()
    counts = EngineCounts(Families(registry, "holdwater"))
    counts.on_entries([JournalEntry(Failed(0, 1, "DecodingError", "DecodingError: no such class"))])
    reason = {"status": "failed", "reason": "context_load_failed"}
    assert registry.get_sample_value("holdwater_tasks_total", reason) == 1
    assert registry.get_sample_value("holdwater_context_merge_failures_total", {"kind": "DecodingError"}) == 1
