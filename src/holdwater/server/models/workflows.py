"""Workflows: those that runners have announced, and those of packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from holdwater.drawing.picture import Picture
from holdwater.model.json_schema import Schema
from holdwater.model.releases import ReleaseRow, ReleaseState
from holdwater.model.time import Micros
from holdwater.operations.catalog import WorkflowInfo, WorkflowNodeInfo
from holdwater.operations.graphs import picture_of_workflow
from holdwater.operations.packaged_workflows import FoundWorkflow, ListedWorkflow
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.server.models.base import Instant, Page, RequestBody, to_instant
from holdwater.server.models.executions import ExecutionStatus
from holdwater.server.models.triggers import TriggerBody
from holdwater.server.package_sources import SourceText


class WorkflowFacts(BaseModel):
    """A workflow.  `style`: null if an older version has announced its name only: it cannot be started here.

    `id`: of its release, or its name; `package_name`, `version`, `state`, `release`: of its package, null for code of a
    runner.  `workflow_name`: null for a package that has none yet.  `runners`: names of living runners that take its
    runs.  `paused`: new runs are not started.  `structure`, `code`: fingerprints of its plan and its functions.
    `inputs_schema`: JSON Schema of its inputs.
    """

    id: str
    name: str = Field(examples=["orders"])
    package_name: str | None
    workflow_name: str | None
    version: str | None = Field(examples=["1.2.0"])
    release: str | None = Field(examples=["3f1c9a7be0d24c55"])
    state: ReleaseState | None
    paused: bool
    style: str | None
    description: str
    tags: list[str]
    runners: list[str]
    structure: str | None
    code: str | None
    inputs_schema: Any
    registered_at: Instant
    seen_at: Instant
    created_at: Instant


class WorkflowBody(WorkflowFacts):
    """A workflow of a list.  `tasks`: their names."""

    tasks: list[str]

    @classmethod
    def of(cls, found: ListedWorkflow) -> WorkflowBody:
        """Create it."""
        return cls(**_facts(found.workflow, found.release, is_paused=found.is_paused), tasks=list(found.tasks))


def _facts(info: WorkflowInfo | None, release: ReleaseRow | None, *, is_paused: bool) -> dict[str, Any]:
    registered_at = to_instant(release.registered_at if info is None and release is not None else _registered_at(info))
    return {
        "id": release.release if release is not None else "" if info is None else info.name,
        "name": info.name if info is not None else "" if release is None else release.package,
        "package_name": None if release is None else release.package,
        "workflow_name": None if info is None else info.name,
        "version": None if release is None else release.version,
        "release": None if release is None else release.release,
        "state": None if release is None else release.state,
        "paused": is_paused,
        "style": None if info is None else info.style,
        "description": "" if info is None else info.description,
        "tags": [] if info is None else list(info.tags),
        "runners": [] if info is None else list(info.runners),
        "structure": None if info is None else info.structure,
        "code": None if info is None else info.code,
        "inputs_schema": {} if info is None else info.inputs_schema,
        "registered_at": registered_at,
        "seen_at": registered_at if info is None else to_instant(info.seen_at),
        "created_at": registered_at if release is None else to_instant(release.registered_at),
    }


def _registered_at(info: WorkflowInfo | None) -> Micros | None:
    return None if info is None else info.registered_at


class WorkflowPage(Page):
    """Workflows, by name."""

    list_name = "workflows"

    items: list[WorkflowBody]


class WorkflowTask(BaseModel):
    """A task of a workflow.  `retry`: what differs from the defaults; `answer_schema`: of the question it asks.

    `branches`: of a gate or a jump, names of the tasks it may lead to ("": the end) -> the decision that does.
    """

    name: str
    kind: str
    full_name: str
    is_async: bool
    executor: str | None
    timeout_seconds: float | None
    limit: str | None
    retry: dict[str, Any] | None
    description: str | None
    source_file: str | None
    source_line: int | None
    answer_schema: Any
    child_workflow: str | None
    branches: dict[str, str] | None

    @classmethod
    def of(cls, node: WorkflowNodeInfo) -> WorkflowTask:
        """Create it from a node of an announced workflow."""
        return cls(
            name=node.name,
            kind=node.kind,
            full_name=node.full_name,
            is_async=node.is_async,
            executor=node.executor,
            timeout_seconds=node.timeout_seconds,
            limit=node.limit,
            retry=node.retry,
            description=node.doc,
            source_file=node.source_file,
            source_line=node.source_line,
            answer_schema=node.answer_schema,
            child_workflow=node.child_workflow,
            branches=node.branches,
        )


class WorkflowVersion(BaseModel):
    """A version of the package of a workflow.  `pinned`: made active by a request; `error`: why it is broken."""

    version: str
    release: str
    state: ReleaseState
    pinned: bool
    workflows: list[str]
    error: str | None
    signed_by: str
    created_at: Instant

    @classmethod
    def of(cls, row: ReleaseRow) -> WorkflowVersion:
        """Create it from the row of a release."""
        return cls(
            version=row.version,
            release=row.release,
            state=row.state,
            pinned=row.pinned,
            workflows=list(row.workflows),
            error=row.error,
            signed_by=row.signed_by,
            created_at=to_instant(row.registered_at),
        )


class TaskNode(BaseModel):
    """A task of the graph of a workflow.  `dependencies`: names of the tasks it comes after."""

    id: str
    dependencies: list[str]
    description: str | None

    @classmethod
    def list_of(cls, picture: Picture, descriptions: Mapping[str, str | None]) -> list[TaskNode]:
        """Create them from the picture of a workflow."""
        sources: dict[str, list[str]] = {name: [] for name in picture.boxes}
        for arrow in picture.arrows:
            if arrow.target in sources and arrow.source in sources and arrow.source not in sources[arrow.target]:
                sources[arrow.target].append(arrow.source)
        return [cls(id=name, dependencies=one, description=descriptions.get(name)) for name, one in sources.items()]


class DeclaredParameter(BaseModel, serialize_by_alias=True):  # type: ignore[call-arg]
    """An input of a workflow.  `type`: in JSON Schema, empty for any; `schema`: all that its JSON Schema says.

    `default`: of one that is not required.
    """

    name: str
    type: str
    json_schema: dict[str, Any] = Field(alias="schema")
    required: bool
    default: Any
    description: str

    @classmethod
    def list_of(cls, schema: Schema) -> list[DeclaredParameter]:
        """Create them from the JSON Schema of the inputs."""
        required = frozenset(schema.get("required", ()))
        properties = {name: one if isinstance(one, dict) else {} for name, one in schema.get("properties", {}).items()}
        return [
            cls(
                name=name,
                schema=one,
                type=one["type"] if isinstance(one.get("type"), str) else "",
                required=name in required,
                default=one.get("default"),
                description=str(one.get("description", "")),
            )
            for name, one in properties.items()
        ]


BuildStatus = Literal["success", "building", "failed"]
BUILD_STATUS: Final[dict[ReleaseState, BuildStatus]] = {"registering": "building", "broken": "failed"}
"""of a release; of all others it is `success`"""


class WorkflowDetail(WorkflowFacts):
    """A workflow with its tasks and the JSON Schema of its inputs.  `plan`: as runs of it record it.

    `tasks`: their names, as in lists; `nodes`: all that is known of them.
    `versions`: of its package, the newest first.  `build_status`, `build_error`: of the newest one.
    """

    tenant_id: str
    declared_params: list[DeclaredParameter]
    tasks: list[str]
    nodes: list[WorkflowTask]
    task_graph: list[TaskNode]
    plan: Any
    versions: list[WorkflowVersion]
    build_status: BuildStatus
    build_error: str | None
    schedules: list[TriggerBody]

    @classmethod
    def of_workflow(
        cls, tenant_id: str, found: FoundWorkflow, schedules: Iterable[ScheduleInfo], *, is_paused: bool
    ) -> WorkflowDetail:
        """Create it."""
        info, newest = found.info, found.versions[0] if found.versions else None
        return cls(
            **_facts(info, found.release, is_paused=is_paused),
            tenant_id=tenant_id,
            declared_params=DeclaredParameter.list_of(info.inputs_schema),
            tasks=[node.name for node in info.nodes],
            nodes=[WorkflowTask.of(node) for node in info.nodes],
            task_graph=TaskNode.list_of(picture_of_workflow(info), {node.name: node.doc for node in info.nodes}),
            plan=None if info.plan is None else info.plan.to_data(),
            versions=[WorkflowVersion.of(row) for row in found.versions],
            build_status="success" if newest is None else BUILD_STATUS.get(newest.state, "success"),
            build_error=None if newest is None or newest.state != "broken" else newest.error,
            schedules=[TriggerBody.of(one) for one in schedules],
        )


Language = Literal["python", "toml", "json"]
LANGUAGES: Final[dict[str, Language]] = {"py": "python", "pyi": "python", "toml": "toml", "json": "json"}
"""by the end of a file's name"""


class PausedWorkflowBody(BaseModel):
    """A workflow that was paused, or resumed.  `id`, `name`: its name."""

    tenant_id: str
    id: str
    name: str
    workflow_name: str
    paused: bool
    status: Literal["paused", "resumed"]

    @classmethod
    def of(cls, tenant_id: str, workflow: str, *, is_paused: bool) -> PausedWorkflowBody:
        """Create it."""
        status: Literal["paused", "resumed"] = "paused" if is_paused else "resumed"
        return cls(
            tenant_id=tenant_id, id=workflow, name=workflow, workflow_name=workflow, paused=is_paused, status=status
        )


class SourceFileBody(BaseModel):
    """A file of a package.  `contents`: empty for one that is no text, or has more than 1 MB (`is_shown`)."""

    path: str
    size: int
    is_shown: bool
    contents: str
    language: Language | None

    @classmethod
    def of(cls, found: SourceText) -> SourceFileBody:
        """Create it from a file of an archive."""
        language = LANGUAGES.get(found.path.rpartition(".")[2])
        is_shown = found.text is not None
        return cls(path=found.path, size=found.size, is_shown=is_shown, contents=found.text or "", language=language)


class WorkflowSource(BaseModel):
    """The files of the package of a workflow, as they were uploaded.  `id`: of the release."""

    tenant_id: str
    id: str
    workflow_name: str
    package_name: str
    version: str
    release: str
    files: list[SourceFileBody]


class ExecuteBody(RequestBody):
    """A new run.  `context`: its inputs by name; `timeout_seconds`: its time limit, null for none.

    `version`: of the package, in place of the active one.
    """

    context: dict[str, Any] = Field(default_factory=dict, examples=[{"order_id": 17}])
    labels: dict[str, str] = Field(default_factory=dict, max_length=32, examples=[{"env": "prod"}])
    timeout_seconds: float | None = Field(3600.0, gt=0, le=3_155_760_000)
    version: str | None = Field(None, max_length=64, examples=["1.2.0"])


class StartedExecution(BaseModel):
    """A run that is recorded, and that a runner takes when it has room.

    `status`: scheduled; that of the run if its key has found it (`is_new` is false).  `release`: of its package, null
    for code of a runner.
    """

    execution_id: str
    workflow_name: str
    tenant_id: str
    status: Literal["scheduled"] | ExecutionStatus
    is_new: bool
    release: str | None
