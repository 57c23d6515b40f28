"""The page of limits has the values of the code."""

from __future__ import annotations

import re

from holdwater import DefaultRunnerConfig, WorkflowRunnerConfig
from holdwater.drawing import folding
from holdwater.engine import run_batches
from holdwater.model import bulk_jobs, descriptor, error_report, logs, validation
from holdwater.model.ports import drawings
from holdwater.model.value_types import tag
from holdwater.operations import catalog, runners, starting
from holdwater.packages.archives import survey
from holdwater.packages.descriptors import descriptor as packaged
from holdwater.packages.manifests.manifest import ExecutionLimits
from holdwater.packages.reconciling import reconciler, release_choice, release_rows
from holdwater.packages.settings import ArchiveLimits, PackageSettings
from holdwater.packages.signatures import statements
from holdwater.runners.tasks import health
from holdwater.runtime import heartbeat
from holdwater.schedules import calendar
from holdwater.server import paging, parsing, protocol, request_guard, sessions
from holdwater.server.pages import packages as packages_page
from holdwater.server.streams import hub
from holdwater.service import config_file
from holdwater.service import health as service_health
from holdwater.tasks import context
from tests.docs.pages import DOCS

TEXT = (DOCS / "reference" / "limits.md").read_text(encoding="utf-8")


def row(first: str) -> str:
    """The row of the table that begins with a text."""
    (found,) = re.findall(rf"^\| {re.escape(first)}.*$", TEXT, re.M)
    return str(found).replace(",", "")


def test_limits_of_packages() -> None:
    limits = ArchiveLimits()
    found = row("archive of a [package]")
    for part in (
        f"{limits.max_packed_bytes >> 20} MiB; unpacked {limits.max_unpacked_bytes >> 20} MiB",
        f"{limits.max_file_bytes >> 20} MiB in a file",
        f"{limits.max_entries} entries",
        f"{limits.max_path_bytes} bytes and {limits.max_depth_levels} levels",
    ):
        assert part in found
    assert survey.MAX_TEXT_BYTES["holdwater.toml"] == statements.MAX_SIGNATURE_FILE_BYTES
    assert f"{statements.MAX_SIGNATURE_FILE_BYTES} bytes" in row("manifest, signature of a package")


def test_limits_of_the_daemon() -> None:
    settings, execution = PackageSettings(), ExecutionLimits()
    of_descriptor = (packaged.MAX_WORKFLOWS, packaged.MAX_TRIGGERS, packaged.MAX_SCHEDULES)
    assert "{}; {}; {}".format(*of_descriptor) in row("workflows; triggers")
    registering = row("time a package has to be registered")
    assert f"{reconciler.PACKAGE_TIMEOUT_SECONDS:g} s; {reconciler.MAX_CONCURRENT_PACKAGES} " in registering
    assert [release_choice.retry_delay_seconds(n) / 60 for n in (1, 2, 3, 99)] == [1, 2, 4, 60]
    assert f"| {execution.max_concurrent}; {execution.bodies_per_host} |" in row("processes of one package")
    assert f"| {settings.max_calls_per_host}; {settings.idle_seconds:g} s |" in row("calls of one process")
    assert f"| {settings.default_memory_mb} MiB; {settings.default_timeout_seconds:g} s |" in row("memory; time")
    of_process = f"{settings.max_open_files}; {settings.max_processes}; {settings.max_file_write_mb} MiB"
    assert of_process in row("files; processes")
    assert f"{settings.start_timeout_seconds:g} s" in row("time to import a package")
    assert f"| {release_rows.MAX_GONE_RELEASES} |" in row("releases of a package that are listed")
    assert f"| {service_health.MAX_RELEASES} |" in row("releases in a health report")
    assert f"{config_file.MAX_CONFIG_BYTES >> 20} MiB" in row("configuration of a daemon")
    assert f"| {packages_page.PAGE_RELEASES} |" in row("releases on a page")


def test_fixed_limits() -> None:
    assert f"{context.MAX_CONTEXT_BYTES >> 20} MiB" in row("context of a run")
    assert f"{validation.MAX_NAME_BYTES} bytes" in row("name of a workflow")
    assert f"{validation.MAX_IDEMPOTENCY_KEY_BYTES} bytes" in row("idempotency key")
    assert f"{validation.MAX_REASON_BYTES} bytes" in row("reason of a cancel")
    assert f"{validation.MAX_SECONDS:.0f} s" in row("any duration")
    assert f"{tag.MAX_DEPTH} levels" in row("nesting")
    assert f"{error_report.MAX_TRACEBACK_CHARS} characters" in row("traceback")
    assert f"{error_report.MAX_MESSAGE_CHARS} characters" in row("message of an error")
    assert f"{error_report.MAX_TEXT_CHARS} characters" in row("text of an error")
    logs_row = row("line of a log")
    assert f"{logs.MAX_LINE_CHARS} characters" in logs_row
    assert f"{logs.MAX_ATTEMPT_BYTES // 1_000_000} MB {logs.MAX_RUN_BYTES // 1_000_000} MB" in logs_row
    assert f"{calendar.MAX_EXPRESSION_CHARS} characters" in row("cron expression")
    drawn = row("tasks in one picture")
    assert f"{folding.MAX_DRAWN_BOXES};" in drawn
    assert f"{folding.MAX_NEIGHBOURS} tasks" in drawn
    kept = row("layouts of pictures")
    assert f"{drawings.MAX_LAYOUT_BYTES // 1_000_000} MB" in kept
    assert f"{drawings.MAX_LAYOUTS_BYTES // 1_000_000} MB" in kept
    assert f"{starting.MAX_RUNS_PER_CALL} {run_batches.MAX_RUNS_PER_COMMIT} in each" in row(
        "runs that one `submit_many`"
    )
    assert f"{catalog.MAX_LISTED_WORKFLOWS} " in row("workflows in one answer")
    assert f"{descriptor.MAX_DOC_CHARS} characters" in row("docstring of a node")
    assert f"{descriptor.MAX_DESCRIPTION_CHARS} characters" in row("description of a workflow")
    assert f"after {heartbeat.FIRST_HEARTBEAT_SECONDS:.0f} s then every {heartbeat.HEARTBEAT_SECONDS:.0f} s" in row(
        "a heartbeat"
    )
    gone = f"{runners.GONE_AFTER_SECONDS:.0f} s; its row is deleted after {heartbeat.FORGOTTEN_AFTER_US // 10**6} s"
    assert gone in row("silence after which a runner")
    assert f"{health.STUCK_AFTER_SECONDS:.0f} s" in row("silence of a runner's loop")


def test_options_with_defaults() -> None:
    config = {**DefaultRunnerConfig().to_dict(), **vars(WorkflowRunnerConfig())}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        for name in re.findall(r"`([a-z_]+)`", cells[3] if len(cells) > 3 else ""):
            default = config.get(name)
            if isinstance(default, (int, float)) and not isinstance(default, bool):
                assert re.search(rf"\b{default:g}\b", cells[2].replace(",", "")), f"{name} is {default}, not {cells[2]}"


def test_limits_of_the_server() -> None:
    assert f"{parsing.MAX_BODY_BYTES >> 20} MiB; {parsing.MAX_VALUES_BODY_BYTES >> 20} MiB" in row("body of a request")
    assert f"{parsing.MAX_DEPTH} levels {parsing.MAX_DIGITS} digits" in row("levels of a body")
    header = f"{request_guard.MAX_HEADER_BYTES >> 10} KiB; {request_guard.MAX_HEADERS} "
    assert f"{request_guard.MAX_URL_BYTES >> 10} KiB; {header}" in row("URL; header")
    assert f"{protocol.HEADER_SECONDS:g} s; {protocol.STALL_SECONDS:g} s" in row("time for a header")
    assert f"more than {protocol.BODY_SECONDS:g} s" in row("speed of a body")
    assert f"{protocol.MIN_BODY_BYTES_PER_SECOND} bytes/s" in row("speed of a body")
    assert f"{paging.MAX_LIMIT} ({paging.DEFAULT_LIMIT} by default); {paging.MAX_OFFSET}" in row("items of a page")
    assert f" {bulk_jobs.MAX_BULK_RUNS} " in row("runs of one bulk job")
    assert f" {hub.MAX_STREAMS} " in row("streams open")
    assert f" {sessions.SESSION_SECONDS / 86400:g} days" in row("life of a session")
