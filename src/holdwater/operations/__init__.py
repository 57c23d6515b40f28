"""Functions on a database of runs: read, start, control, answer, fork, prune, verify, schedule.

They return frozen dataclasses and raise the errors of `holdwater.errors`.  Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.operations.bulk_jobs import (
        SelectedRuns,
        create_bulk_job,
        execute_bulk_job,
        get_bulk_job,
        list_bulk_jobs,
        preview_bulk_job,
        stop_bulk_job,
    )
    from holdwater.operations.catalog import WorkflowInfo, WorkflowNodeInfo, get_workflow, list_workflows
    from holdwater.operations.control import (
        RunSituation,
        answer_pause,
        cancel_run,
        find_pause,
        fork_run,
        inspect_run,
        is_executing,
        pause_run,
        resume_run,
        retry_run,
        wait_for_pickup,
    )
    from holdwater.operations.databases import Database, open_for_control, open_for_reading, open_for_writing
    from holdwater.operations.doctor import Finding, diagnose_installation, diagnose_run
    from holdwater.operations.exporting import export_run
    from holdwater.operations.limits import LimitHolder, LimitInfo, get_limit, list_limits, remove_limit, set_limit
    from holdwater.operations.logs import LogFollower, LogLine, LogPage, follow_logs, read_logs
    from holdwater.operations.migration import migrate_database
    from holdwater.operations.pruning import (
        RetentionPreview,
        StoredRetention,
        apply_retention,
        get_retention,
        preview_pruning,
        preview_retention,
        prune_runs,
        set_retention,
    )
    from holdwater.operations.questions import (
        OpenQuestion,
        QuestionCount,
        QuestionPage,
        count_questions,
        list_questions,
    )
    from holdwater.operations.runners import RunnerInfo, find_runners, list_runners
    from holdwater.operations.runs import (
        RunPage,
        count_runs,
        find_run,
        follow_run,
        list_runs,
        page_runs,
        run_histogram,
        show_run,
    )
    from holdwater.operations.schedule_forecast import (
        CronForecast,
        check_timezone,
        forecast_cron,
        list_timezones,
    )
    from holdwater.operations.schedule_queries import (
        count_fires,
        find_schedule,
        get_schedule,
        get_trigger,
        list_fires,
        list_schedules,
    )
    from holdwater.operations.schedule_views import FireInfo, FireStats, ScheduleInfo
    from holdwater.operations.schedules import (
        change_cron,
        change_timing,
        delete_schedule,
        register_cron,
        request_run_now,
        set_schedule_enabled,
        set_trigger_enabled,
    )
    from holdwater.operations.starting import start_by_name, start_many, start_run
    from holdwater.operations.verification import VerifyReport, verify_database

__all__ = [
    "CronForecast",
    "Database",
    "Finding",
    "FireInfo",
    "FireStats",
    "LimitHolder",
    "LimitInfo",
    "LogFollower",
    "LogLine",
    "LogPage",
    "OpenQuestion",
    "QuestionCount",
    "QuestionPage",
    "RetentionPreview",
    "RunPage",
    "RunSituation",
    "RunnerInfo",
    "ScheduleInfo",
    "SelectedRuns",
    "StoredRetention",
    "VerifyReport",
    "WorkflowInfo",
    "WorkflowNodeInfo",
    "answer_pause",
    "apply_retention",
    "cancel_run",
    "change_cron",
    "change_timing",
    "check_timezone",
    "count_fires",
    "count_questions",
    "count_runs",
    "create_bulk_job",
    "delete_schedule",
    "diagnose_installation",
    "diagnose_run",
    "execute_bulk_job",
    "export_run",
    "find_pause",
    "find_run",
    "find_runners",
    "find_schedule",
    "follow_logs",
    "follow_run",
    "forecast_cron",
    "fork_run",
    "get_bulk_job",
    "get_limit",
    "get_retention",
    "get_schedule",
    "get_trigger",
    "get_workflow",
    "inspect_run",
    "is_executing",
    "list_bulk_jobs",
    "list_fires",
    "list_limits",
    "list_questions",
    "list_runners",
    "list_runs",
    "list_schedules",
    "list_timezones",
    "list_workflows",
    "migrate_database",
    "open_for_control",
    "open_for_reading",
    "open_for_writing",
    "page_runs",
    "pause_run",
    "preview_bulk_job",
    "preview_pruning",
    "preview_retention",
    "prune_runs",
    "read_logs",
    "register_cron",
    "remove_limit",
    "request_run_now",
    "resume_run",
    "retry_run",
    "run_histogram",
    "set_limit",
    "set_retention",
    "set_schedule_enabled",
    "set_trigger_enabled",
    "show_run",
    "start_by_name",
    "start_many",
    "start_run",
    "stop_bulk_job",
    "verify_database",
    "wait_for_pickup",
]

_EXPORTS = {
    ".bulk_jobs": (
        "SelectedRuns",
        "create_bulk_job",
        "execute_bulk_job",
        "get_bulk_job",
        "list_bulk_jobs",
        "preview_bulk_job",
        "stop_bulk_job",
    ),
    ".catalog": (
        "WorkflowInfo",
        "WorkflowNodeInfo",
        "get_workflow",
        "list_workflows",
    ),
    ".control": (
        "RunSituation",
        "answer_pause",
        "cancel_run",
        "find_pause",
        "fork_run",
        "inspect_run",
        "is_executing",
        "pause_run",
        "resume_run",
        "retry_run",
        "wait_for_pickup",
    ),
    ".databases": (
        "Database",
        "open_for_control",
        "open_for_reading",
        "open_for_writing",
    ),
    ".doctor": (
        "Finding",
        "diagnose_installation",
        "diagnose_run",
    ),
    ".exporting": ("export_run",),
    ".limits": (
        "LimitHolder",
        "LimitInfo",
        "get_limit",
        "list_limits",
        "remove_limit",
        "set_limit",
    ),
    ".logs": (
        "LogFollower",
        "LogLine",
        "LogPage",
        "follow_logs",
        "read_logs",
    ),
    ".migration": ("migrate_database",),
    ".pruning": (
        "RetentionPreview",
        "StoredRetention",
        "apply_retention",
        "get_retention",
        "preview_pruning",
        "preview_retention",
        "prune_runs",
        "set_retention",
    ),
    ".questions": (
        "OpenQuestion",
        "QuestionCount",
        "QuestionPage",
        "count_questions",
        "list_questions",
    ),
    ".runners": (
        "RunnerInfo",
        "find_runners",
        "list_runners",
    ),
    ".runs": (
        "RunPage",
        "count_runs",
        "find_run",
        "follow_run",
        "list_runs",
        "page_runs",
        "run_histogram",
        "show_run",
    ),
    ".schedule_forecast": (
        "CronForecast",
        "check_timezone",
        "forecast_cron",
        "list_timezones",
    ),
    ".schedule_queries": (
        "count_fires",
        "find_schedule",
        "get_schedule",
        "get_trigger",
        "list_fires",
        "list_schedules",
    ),
    ".schedule_views": (
        "FireInfo",
        "FireStats",
        "ScheduleInfo",
    ),
    ".schedules": (
        "change_cron",
        "change_timing",
        "delete_schedule",
        "register_cron",
        "request_run_now",
        "set_schedule_enabled",
        "set_trigger_enabled",
    ),
    ".starting": (
        "start_by_name",
        "start_many",
        "start_run",
    ),
    ".verification": (
        "VerifyReport",
        "verify_database",
    ),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
