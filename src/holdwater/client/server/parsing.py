"""JSON of a server as the values that operations on a database return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, cast

from holdwater.client.server.answers import parsing
from holdwater.events.run_events import EVENT_TYPES, RunEvent
from holdwater.model.plan import Plan
from holdwater.model.records import CappedCount
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros, from_rfc3339
from holdwater.model.values import StoredValue
from holdwater.operations.catalog import WorkflowInfo, WorkflowNodeInfo
from holdwater.operations.doctor import Finding
from holdwater.operations.questions import OpenQuestion
from holdwater.operations.runners import RunnerInfo
from holdwater.runs.activity import Activity
from holdwater.runs.info import RunInfo
from holdwater.runs.logs import LogLine
from holdwater.runs.open_pauses import Pause

Body = Mapping[str, Any]
UNKNOWN_NODE: Final = -1
"""index and fence of a question's node, which only the process that has the store needs"""


def instant(text: str) -> Micros:
    """Parse an instant."""
    return from_rfc3339(text)


def instant_or_none(text: str | None) -> Micros | None:
    """Parse an instant, if there is one."""
    return None if text is None else from_rfc3339(text)


def known_fields(cls: type[Any], data: Body) -> dict[str, Any]:
    """Return the values of the fields that a dataclass has; a later server may send more."""
    return {field.name: data[field.name] for field in fields(cls) if field.name in data}


@parsing
def counts_of(data: Mapping[str, Body]) -> dict[str, CappedCount]:
    """Parse numbers of runs by status."""
    return {status: CappedCount(one["count"], is_capped=one["more"]) for status, one in data.items()}


@parsing
def run_info_of(data: Body) -> RunInfo:
    """Parse a run of a list, or a detail."""
    details = data["activity_details"]
    return RunInfo(
        id=data["id"],
        workflow=data["workflow_name"],
        style=data["style"],
        structure=data["structure"],
        code=data["code"],
        status=RunStatus(data["status"]),
        created_at=instant(data["started_at"]),
        finished_at=instant_or_none(data["completed_at"]),
        paused_at=instant_or_none(data["paused_at"]),
        deadline_at=instant_or_none(data["deadline_at"]),
        error=data["error"],
        reason=data["reason"],
        idempotency_key=data["idempotency_key"],
        parent_id=data["parent_id"],
        forked_from=data["forked_from"],
        journal_length=data["event_count"],
        activity=None if details is None else activity_of(details),
        origin=data["origin"],
        started_by=data["started_by"],
        labels=data["labels"],
        traceparent=data["traceparent"],
        release=data["release"],
    )


@parsing
def activity_of(data: Body) -> Activity:
    """Parse the activity of a run."""
    until = instant_or_none(data["waiting_until"])
    return Activity(data["state"], data["host"], data["pid"], until, data["answer_name"])


@parsing
def pause_of(data: Body) -> Pause:
    """Parse an open question of a run, with its value as it is stored."""
    return Pause(
        pause_id=data["pause_id"],
        asking_run_id=data["asking_execution_id"],
        node_index=UNKNOWN_NODE,
        fence=UNKNOWN_NODE,
        name=data["task_name"],
        answer_name=data["answer_name"],
        question=_stored(data["value"]),
        answer_schema=data["answer_schema"],
    )


@parsing
def question_of(data: Body) -> OpenQuestion:
    """Parse an open question of a list, with its value as it is stored."""
    return OpenQuestion(
        run_id=data["execution_id"],
        workflow=data["workflow_name"],
        pause_id=data["pause_id"],
        answer_name=data["answer_name"],
        asking_run_id=data["asking_execution_id"],
        node=data["task_name"],
        question=_stored(data["value"]),
        answer_schema=data["answer_schema"],
        since=instant(data["since"]),
        problem=data["problem"] or "",
    )


def _stored(tree: Any) -> StoredValue | None:
    return None if tree is None else StoredValue.from_tree(tree)


@parsing
def run_event_of(data: Body, run_id: str) -> RunEvent:
    """Parse an event of a run.  One of a type that this version does not know has its place and instants only."""
    cls = EVENT_TYPES.get(data["event_type"], RunEvent)
    seq, _, part = data["id"].partition(".")
    said = {**data["data"], "node": data["task_name"], "by": data["by"] or ""}
    values = {name: tuple(one) if isinstance(one, list) else one for name, one in known_fields(cls, said).items()}
    at, recorded_at = instant(data["created_at"]), instant(data["recorded_at"])
    place: dict[str, Any] = {"run_id": run_id, "seq": int(seq), "part": int(part), "at": at, "recorded_at": recorded_at}
    return cls(**{**values, **place})


@parsing
def log_line_of(data: Body) -> LogLine:
    """Parse a line of a log."""
    return LogLine(
        data["cursor"],
        data["task_name"],
        data["attempt"],
        data["iteration"],
        instant(data["at"]),
        data["stream"],
        data["text"],
        data["level"],
        data["logger"],
    )


@parsing
def workflow_of(data: Body) -> WorkflowInfo:
    """Parse an announced workflow."""
    plan = data.get("plan")
    return WorkflowInfo(
        name=data["name"],
        style=data["style"],
        structure=data["structure"],
        code=data["code"],
        description=data["description"],
        tags=tuple(data["tags"]),
        inputs_schema=data["inputs_schema"],
        release=data["release"],
        registered_at=instant(data["registered_at"]),
        seen_at=instant(data["seen_at"]),
        runners=tuple(data["runners"]),
        nodes=tuple([_node_of(one) for one in data.get("nodes", ())]),  # lists have their names alone
        plan=None if plan is None else Plan.from_data(plan),
    )


@parsing
def _node_of(data: Body) -> WorkflowNodeInfo:
    return WorkflowNodeInfo(**known_fields(WorkflowNodeInfo, {**data, "doc": data["description"]}))


@parsing
def runner_of(data: Body) -> RunnerInfo:
    """Parse a runner."""
    return RunnerInfo(
        owner=data["id"],
        workflows=tuple(data["workflows"]),
        started_at=instant(data["started_at"]),
        seen_at=instant(data["seen_at"]),
        **{name: data[name] for name in ("name", "host", "pid", "version", "status", "executors", "own_runs_only")},
    )


@parsing
def finding_of(data: Body) -> Finding:
    """Parse a finding of the doctor."""
    program, *command = data["command"] or [""]
    return Finding(
        code=data["code"],
        severity=data["severity"],
        sentence=data["sentence"],
        facts=cast("dict[str, Any]", json.loads(json.dumps(data["facts"]))),
        command=tuple(command) if program else (),
        run_id=data["execution_id"],
    )
