"""Descriptors of packages: what a package holds, as JSON data that its own process makes and others read.

`{"format": 1, "package", "version", "workflows": [...], "triggers": [...], "schedules": [...]}`.  A workflow: `name`,
`style`, `structure`, `code`, `is_child` (it is only run inside of another one), `plan` and `variants` (plans as data),
`descriptor` and `nodes` (see `model.descriptor`), `variant_nodes` (those that only variants have).  A trigger: `name`,
`workflow`, `poll_interval_us` (microseconds), `allow_concurrent`.  A schedule: `name`, `workflow`, `cron`, `timezone`.
All are sorted by name, and files are named from the folder of the package on, so that the same package has the same
descriptor everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdwater.errors import HoldwaterError, PackageBuildError
from holdwater.model.catalog import PlanRow, WorkflowRow
from holdwater.model.descriptor import describe_workflow
from holdwater.model.plan import Plan
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry
from holdwater.model.time import UNSET
from holdwater.model.triggers import TriggerRegistry
from holdwater.packages.descriptors.plan_checks import STYLES, read_plan
from holdwater.packages.descriptors.untrusted_data import check_fields, check_list, check_name, check_tree, check_type
from holdwater.packages.descriptors.workflow_checks import check_descriptor, check_nodes
from holdwater.packages.manifests.manifest import PackageManifest, PackageSchedule, PackageTrigger
from holdwater.schedules import Cron, SchedulePolicy

FORMAT: Final = 1
MAX_WORKFLOWS: Final = 2_000
"""of one package, those inside of others included"""
MAX_VARIANTS: Final = 64
"""plans of one workflow"""
MAX_TRIGGERS: Final = 100
MAX_SCHEDULES: Final = 1_000
MAX_CODE_CHARS: Final = 64
MAX_CRON_CHARS: Final = 1_000
MIN_POLL_INTERVAL_US: Final = 100_000
MAX_POLL_INTERVAL_US: Final = 100 * 366 * 86_400_000_000
_WORKFLOW_FIELDS: Final = (
    "name", "style", "structure", "code", "is_child", "plan", "variants", "descriptor", "nodes", "variant_nodes",
)  # fmt: skip


# -- made where the code is


def describe_package(
    registry: Registry,
    triggers: TriggerRegistry,
    manifest: PackageManifest,
    root: Path | None = None,
    schedules: Iterable[PackageSchedule] = (),
) -> dict[str, Any]:
    """Describe all that the modules of a package have registered.

    `root`: the folder of the package, from which on source files are named; those elsewhere are left out.  `schedules`:
    those of its code, beside those of its manifest.  Raises PackageBuildError for a workflow that cannot be described.
    """
    described: dict[str, dict[str, Any]] = {}
    todo = [(name, registry.get(name), False) for name in registry.names()]
    while todo:
        name, definition, is_child = todo.pop()
        if name not in described or (described[name]["is_child"] and not is_child):
            described[name] = _describe(name, definition, is_child, root)
            todo += [(child.plan.name, child, True) for child in definition.child_definitions().values()]
    return {
        "format": FORMAT,
        "package": manifest.name,
        "version": manifest.version,
        "workflows": [described[name] for name in sorted(described)],
        "triggers": [
            {
                "name": one.name,
                "workflow": one.workflow,
                "poll_interval_us": one.poll_interval_us,
                "allow_concurrent": one.allow_concurrent,
            }
            for one in triggers.list_triggers()
        ],
        "schedules": [
            {"name": one.name, "workflow": one.workflow, "cron": one.cron, "timezone": one.timezone}
            for one in sorted(schedules, key=lambda one: one.name)
        ],
    }


def _describe(name: str, definition: WorkflowDefinition, is_child: bool, root: Path | None) -> dict[str, Any]:
    if definition.plan.name != name:
        raise PackageBuildError(
            f"workflow {definition.plan.name!r} is registered as {name!r}", hint="register it under its own name"
        )
    try:
        row, plans = describe_workflow(name, definition, UNSET)
    except HoldwaterError as error:
        raise PackageBuildError(f"workflow {name!r} cannot be described: {error.message}", hint=error.hint) from error
    nodes = {one["name"]: one for one in row.nodes}
    for plan in [Plan.from_data(one.plan) for one in plans[1:]]:
        if any([one.name not in nodes for one in plan.nodes]):
            other, _ = describe_workflow(name, definition.variant(plan.variant), UNSET)
            nodes = {**{one["name"]: one for one in other.nodes}, **nodes}
    common = {one["name"] for one in row.nodes}
    return {
        "name": name,
        "style": row.style,
        "structure": row.structure,
        "code": row.code,
        "is_child": is_child,
        "plan": plans[0].plan,
        "variants": [one.plan for one in plans[1:]],
        "descriptor": row.descriptor,
        "nodes": [_with_relative_file(node, root) for node in row.nodes],
        "variant_nodes": [_with_relative_file(one, root) for one_name, one in nodes.items() if one_name not in common],
    }


def _with_relative_file(node: dict[str, Any], root: Path | None) -> dict[str, Any]:
    file = node.get("source_file")
    if file is None:
        return node
    path = Path(file)
    if root is None or not path.is_relative_to(root):
        return {key: value for key, value in node.items() if key not in ("source_file", "source_line")}
    return {**node, "source_file": path.relative_to(root).as_posix()}


# -- read where it is not trusted


@dataclass(frozen=True, slots=True)
class PackagedWorkflow:
    """A workflow of a package.  `variants`: plans beside `plan`, by their description.

    `nodes`: their descriptors by name, also of those that only variants have.  `is_child`: it is only run inside of
    another one.  `children`: names of workflows by name of node.
    """

    row: WorkflowRow
    plan: Plan
    variants: dict[str, Plan]
    nodes: dict[str, dict[str, Any]]
    is_child: bool
    children: dict[str, str]

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(frozen=True, slots=True)
class ReleaseDescriptor:
    """The content of a release, checked.

    `workflows`: by name, also those that are only run inside of others.  `schedules`: of its manifest and of its code.
    """

    workflows: dict[str, PackagedWorkflow]
    triggers: tuple[PackageTrigger, ...]
    schedules: tuple[PackageSchedule, ...]

    @property
    def workflow_names(self) -> tuple[str, ...]:
        """Names of the workflows that can be started, sorted."""
        return tuple(sorted([name for name, one in self.workflows.items() if not one.is_child]))


def read_descriptor(data: Any, manifest: PackageManifest) -> ReleaseDescriptor:
    """Read a descriptor that the process of the package made, or a row that was written of it.

    Nothing of it is trusted: sizes, names, plans, schemas, and the references between them are checked.
    Raises PackageBuildError.
    """
    check_tree(data, "the descriptor")
    fields = check_fields(
        data, "the descriptor", ("format", "package", "version", "workflows", "triggers", "schedules")
    )
    if fields["format"] != FORMAT:
        raise PackageBuildError(f"the descriptor has the format {fields['format']!r:.80}; this version reads {FORMAT}")
    if (fields["package"], fields["version"]) != (manifest.name, manifest.version):
        raise PackageBuildError(f"the descriptor is not that of {manifest.name} {manifest.version}")
    workflows: dict[str, PackagedWorkflow] = {}
    for one in check_list(fields["workflows"], "the list of workflows", MAX_WORKFLOWS):
        workflow = _read_workflow(one, manifest)
        if workflows.setdefault(workflow.name, workflow) is not workflow:
            raise PackageBuildError(f"the descriptor has two workflows named {workflow.name!r}")
    for workflow in workflows.values():
        _check_children(workflow, workflows)
    known = {name for name, one in workflows.items() if not one.is_child}
    triggers = _read_triggers(fields["triggers"], manifest, known)
    return ReleaseDescriptor(workflows, triggers, _read_schedules(fields["schedules"], manifest, known))


def _read_workflow(data: Any, manifest: PackageManifest) -> PackagedWorkflow:
    fields = check_fields(data, "a workflow of the descriptor", _WORKFLOW_FIELDS)
    name = check_name(fields["name"], "the name of a workflow")
    style = fields["style"]
    if type(style) is not str or style not in STYLES:
        raise PackageBuildError(f"workflow {name!r} has the style {style!r:.80}, which this version does not know")
    plan = read_plan(fields["plan"], name, style)
    if plan.variant or plan.structure != fields["structure"]:
        raise PackageBuildError(f"workflow {name!r} has another structure than its plan")
    variants: dict[str, Plan] = {}
    for one in check_list(fields["variants"], f"the list of plans of workflow {name!r}", MAX_VARIANTS):
        variant = read_plan(one, name, style)
        if not variant.variant or variants.setdefault(variant.variant, variant) is not variant:
            raise PackageBuildError(f"workflow {name!r} has two plans of one description")
    code = check_type(fields["code"], f"the fingerprint of the code of {name!r}", str)
    if len(code) > MAX_CODE_CHARS or not code.isalnum():
        raise PackageBuildError(f"workflow {name!r} has a fingerprint of its code that is none")
    nodes = check_nodes(fields["nodes"], plan.nodes, name, manifest.name)
    of_variants = {one.name: one for variant in variants.values() for one in variant.nodes}
    more = [one for one_name, one in of_variants.items() if one_name not in nodes]
    by_name = {**nodes, **check_nodes(fields["variant_nodes"], more, name, manifest.name)}
    descriptor = check_descriptor(fields["descriptor"], name, [one.structure for one in variants.values()])
    is_child = check_type(fields["is_child"], f"`is_child` of workflow {name!r}", bool)
    row = WorkflowRow(name, style, plan.structure, code, descriptor, list(nodes.values()))
    children = {key: one["child_workflow"] for key, one in by_name.items() if "child_workflow" in one}
    return PackagedWorkflow(row, plan, variants, by_name, is_child, children)


def _check_children(workflow: PackagedWorkflow, workflows: dict[str, PackagedWorkflow]) -> None:
    for node, child in workflow.children.items():
        inner = f"{workflow.name}/{node}"
        if child not in workflows or (workflows[child].is_child and child != inner):
            raise PackageBuildError(f"workflow {workflow.name!r} runs {child!r:.80}, which the package does not have")


def _read_triggers(data: Any, manifest: PackageManifest, workflows: set[str]) -> tuple[PackageTrigger, ...]:
    """Read the triggers of the code; what an old manifest says of one of them takes precedence."""
    found: dict[str, PackageTrigger] = {}
    for one in check_list(data, "the list of triggers", MAX_TRIGGERS):
        fields = check_fields(one, "a trigger", ("name", "workflow", "poll_interval_us", "allow_concurrent"))
        name = check_name(fields["name"], "the name of a trigger")
        interval_us = check_type(fields["poll_interval_us"], f"the interval of trigger {name!r}", int)
        allow = check_type(fields["allow_concurrent"], f"`allow_concurrent` of trigger {name!r}", bool)
        workflow = check_type(fields["workflow"], f"the workflow of trigger {name!r}", str)
        if name in found:
            raise PackageBuildError(f"the package has two triggers named {name!r}")
        found[name] = PackageTrigger(
            name=name, workflow=workflow, poll_interval_seconds=interval_us / 1e6, allow_concurrent=allow
        )
    for declared in manifest.triggers:
        if declared.name not in found:
            raise PackageBuildError(
                f"the manifest names the trigger {declared.name!r}, which no function of the package is",
                hint="decorate the function with @trigger(name=...)",
            )
        found[declared.name] = declared
    for trigger in found.values():
        if trigger.workflow not in workflows:
            raise PackageBuildError(
                f"trigger {trigger.name!r} starts {trigger.workflow!r:.80}, which the package does not have"
            )
        if not MIN_POLL_INTERVAL_US <= trigger.poll_interval_seconds * 1e6 <= MAX_POLL_INTERVAL_US:
            raise PackageBuildError(
                f"trigger {trigger.name!r} is polled every {trigger.poll_interval_seconds:g} s",
                hint=f"a trigger of a package is polled every {MIN_POLL_INTERVAL_US / 1e6:g} s at most",
            )
    return tuple([found[name] for name in sorted(found)])


def _read_schedules(data: Any, manifest: PackageManifest, workflows: set[str]) -> tuple[PackageSchedule, ...]:
    of_code = []
    for one in check_list(data, "the list of schedules", MAX_SCHEDULES):
        fields = check_fields(one, "a schedule", ("name", "workflow", "cron", "timezone"))
        name, workflow, cron, timezone = [
            check_name(fields[key], f"the {key} of a schedule") for key in ("name", "workflow", "cron", "timezone")
        ]
        of_code.append(PackageSchedule(name=name, workflow=workflow, cron=cron, timezone=timezone))
    found: dict[str, PackageSchedule] = {}
    for schedule in (*manifest.schedules, *of_code):
        if found.setdefault(schedule.name, schedule) is not schedule:
            raise PackageBuildError(f"the package has two schedules named {schedule.name!r}")
        if schedule.workflow not in workflows:
            raise PackageBuildError(
                f"schedule {schedule.name!r} starts {schedule.workflow!r:.80}, which the package does not have"
            )
        if len(schedule.cron) > MAX_CRON_CHARS:
            raise PackageBuildError(f"schedule {schedule.name!r} has more than {MAX_CRON_CHARS} characters")
        try:
            Cron(schedule.cron, schedule.timezone)
            SchedulePolicy(catchup=schedule.catchup, overlap=schedule.overlap)  # type: ignore[arg-type]
        except HoldwaterError as error:
            raise PackageBuildError(f"schedule {schedule.name!r}: {error.message}", hint=error.hint) from error
    return tuple([found[name] for name in sorted(found)])


def plan_rows(workflow: PackagedWorkflow) -> list[PlanRow]:
    """Rows of the plans of a workflow, for a catalog."""
    plans = [workflow.plan, *workflow.variants.values()]
    return [PlanRow(one.structure, workflow.name, one.style, one.to_data()) for one in plans]
