"""Conversion between the catalog and rows; the order of values is that of the statement's file."""

from __future__ import annotations

import json
from typing import Any, Final

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.time import UNSET, Micros
from holdwater.storage.sql.rows import Row
from holdwater.storage.sql.text_escaping import escape_text

_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def workflow_row(w: WorkflowRow) -> Row:
    return (
        w.name, w.style, w.structure, w.code, _to_json(w.descriptor), _to_json(w.nodes), w.digest, w.release,
        w.registered_at, w.seen_at,
    )  # fmt: skip


def parse_workflow_row(row: Row) -> WorkflowRow:
    name, style, structure, code, descriptor, nodes, release, registered_at, seen_at = row
    return WorkflowRow(
        name,
        style,
        structure,
        code,
        _parse_json(descriptor, {}),
        _parse_json(nodes, []),
        release,
        registered_at,
        UNSET if seen_at is None else seen_at,
    )


def catalog_plan_row(p: PlanRow, now: Micros) -> Row:
    return p.structure, p.workflow, p.style, _to_json(p.plan), now


def runner_row(r: RunnerRow) -> Row:
    values = (
        r.owner, r.name, r.host, r.pid, r.version, _to_json(r.executors), _to_json(r.workflows), int(r.own_runs_only),
        r.state, r.started_at, r.seen_at,
    )  # fmt: skip
    return tuple([escape_text(value, escape_nul=True) for value in values])


def parse_runner_row(row: Row) -> RunnerRow:
    owner, name, host, pid, version, executors, workflows, own_runs_only, state, started_at, seen_at = row
    return RunnerRow(
        owner,
        name,
        host,
        pid,
        version,
        json.loads(executors),
        json.loads(workflows),
        own_runs_only == 1,
        state,
        started_at,
        seen_at,
    )


def _parse_json(text: str | None, if_null: Any) -> Any:
    return if_null if text is None else json.loads(text)
