"""The catalog of a database: the workflows that its runners have announced, readable without their code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from holdwater.errors import WorkflowNotFound
from holdwater.model import validation
from holdwater.model.catalog import WorkflowRow
from holdwater.model.claim_keys import claim_key
from holdwater.model.events import CODE_RELEASE
from holdwater.model.json_schema import Schema
from holdwater.model.plan import Plan
from holdwater.model.releases import ReleaseRow
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.operations.databases import Database
from holdwater.operations.runners import RunnerInfo, list_runners
from holdwater.runs.info import RunInfo

MAX_LISTED_WORKFLOWS: Final = 1000


@dataclass(frozen=True, slots=True)
class WorkflowNodeInfo:
    """A task, step or node of an announced workflow.  `retry`: options of its policy that differ from their defaults.

    `full_name`: as routing compares it.  `source_file`, `source_line`: where its function is.  `answer_schema`: JSON
    Schema of the answers to its question.  `child_workflow`: name under which its child runs are recorded.
    `branches`: of a gate or a jump, names of the nodes it may lead to ("": the end) -> the decision that does.
    """

    name: str
    kind: str
    full_name: str
    is_async: bool = False
    executor: str | None = None
    timeout_seconds: float | None = None
    retry: dict[str, Any] | None = None
    doc: str | None = None
    source_file: str | None = None
    source_line: int | None = None
    answer_schema: Schema | None = None
    child_workflow: str | None = None
    branches: dict[str, str] | None = None
    limit: str | None = None
    """name of the concurrency limit it counts towards"""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> WorkflowNodeInfo:
        """Create it from an announcement, which may have facts that this version does not know."""
        return cls(**{name: value for name, value in data.items() if name in _NODE_FACTS})


_NODE_FACTS: Final = frozenset([one.name for one in fields(WorkflowNodeInfo)])


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """An announced workflow.  Instants are integer microseconds since the epoch.

    `release`: the active one of its package, None for code of a runner's own process.
    `style`, `structure`, `code`: None for one of which an older version has announced the name only; it cannot be
    started by its name.  `inputs_schema`: JSON Schema (2020-12) of the object of its inputs.
    `runners`: names of the living runners that take its runs.  `nodes`, `plan`: empty and None in a list of workflows.
    """

    name: str
    style: str | None
    structure: str | None
    code: str | None
    description: str
    tags: tuple[str, ...]
    inputs_schema: Schema
    release: str | None
    registered_at: Micros
    seen_at: Micros
    runners: tuple[str, ...] = ()
    nodes: tuple[WorkflowNodeInfo, ...] = ()
    plan: Plan | None = field(default=None, repr=False)


def list_workflows(
    database: Database, *, limit: int = MAX_LISTED_WORKFLOWS, after: str = ""
) -> tuple[WorkflowInfo, ...]:
    """List announced workflows by name, those behind `after`.  Raises StoreUnavailable."""
    runners = list_runners(database)
    return tuple([_to_info(row, runners) for row in database.store.list_workflows(limit, after)])


def get_workflow(database: Database, name: str) -> WorkflowInfo:
    """Read an announced workflow with its nodes and its plan.

    Raises WorkflowNotFound, with names that come close; InvalidArgument, StoreUnavailable.
    """
    row = database.store.get_workflow(validation.check_search_text("the name of a workflow", name))
    if row is None:
        names = [one.name for one in database.store.list_workflows(MAX_LISTED_WORKFLOWS)]
        raise WorkflowNotFound(
            f"no runner of this database has announced a workflow named {validation.shorten_repr(name)}",
            hint=did_you_mean(name, names) or "`holdwater workflows` lists those that are",
        )
    data = None if row.structure is None else database.store.get_plan(row.structure)
    return _to_info(row, list_runners(database), None if data is None else Plan.from_data(data))


def announced_attempts(database: Database, workflow: str) -> dict[str, int]:
    """Return the number of attempts of each task that has more than one, as the workflow was announced last.

    Empty for a workflow that is not announced.  Raises StoreUnavailable.
    """
    row = database.store.get_workflow(workflow)
    nodes = [] if row is None else row.nodes
    return {node["name"]: node["retry"]["max_attempts"] for node in nodes if "max_attempts" in node.get("retry", ())}


def workflow_of_release(database: Database, release: ReleaseRow, name: str) -> WorkflowInfo:
    """Return a workflow as a release of a package describes it.  Raises WorkflowNotFound, StoreUnavailable."""
    said = release.describe_workflow(name)
    if said is None:
        raise WorkflowNotFound(
            f"{release.package} {release.version} has no workflow {validation.shorten_repr(name)}",
            hint=did_you_mean(name, release.workflows) or f"release {release.release} is {release.state}",
        )
    at = release.registered_at
    row = WorkflowRow(
        name, said["style"], said["structure"], said["code"], said["descriptor"], said["nodes"], release.release, at, at
    )
    return _to_info(row, list_runners(database), Plan.from_data(said["plan"]))


def find_other_release(database: Database, run: RunInfo) -> str | None:
    """Find the active release that a retry can move a run to, by the catalog; "": code of a runner's own process.

    None: it is on it already, or has another structure, or is a child run.  Raises StoreUnavailable.
    """
    row = None if run.parent_id is not None else database.store.get_workflow(run.workflow)
    if row is None or row.release == run.release or run.structure not in row.structures:
        return None
    return row.release or CODE_RELEASE


def _to_info(row: WorkflowRow, runners: Sequence[RunnerInfo], plan: Plan | None = None) -> WorkflowInfo:
    said = row.descriptor
    return WorkflowInfo(
        row.name,
        row.style,
        row.structure,
        row.code,
        said.get("description", ""),
        tuple(said.get("tags", ())),
        said.get("inputs_schema", {}),
        row.release,
        row.registered_at,
        row.seen_at,
        tuple([runner.name for runner in runners if runner.takes(claim_key(row.name, row.release))]),
        tuple([WorkflowNodeInfo.of(node) for node in row.nodes]),
        plan,
    )
