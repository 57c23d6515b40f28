"""Descriptors of workflows and nodes from a process that is not trusted; `model.descriptor` says what they have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from holdwater.errors import ConfigError, InvalidArgument, PackageBuildError
from holdwater.model import validation
from holdwater.model.descriptor import FORMAT, MAX_DESCRIPTION_CHARS, MAX_DOC_CHARS
from holdwater.model.limits import check_limit_name
from holdwater.model.plan import PlanNode
from holdwater.model.policies import RetryPolicy
from holdwater.model.resources import check_resources
from holdwater.packages.descriptors.policies import read_retry_policy
from holdwater.packages.descriptors.schema_checks import check_schema
from holdwater.packages.descriptors.untrusted_data import (
    check_fields,
    check_list,
    check_name,
    check_names,
    check_text,
    check_texts,
    check_type,
)
from holdwater.packages.settings import EXECUTOR_NAME

TENANT: Final = "public"
MAX_TAGS: Final = 100
MAX_FILE_CHARS: Final = 500
MAX_LINE: Final = 10_000_000
MAX_NAMES: Final = 10_000
_OPTIONAL_FIELDS: Final = ("defaults", "variants", "bound_inputs")
_NODE_FIELDS: Final = (
    "is_async", "executor", "timeout_seconds", "limit", "retry", "doc", "source_file", "source_line", "answer_schema",
    "child_workflow", "branches", "resources", "waits", "has_failure_observer",
)  # fmt: skip
_RETRY_FIELDS: Final = tuple([field.name for field in dataclasses.fields(RetryPolicy)])


def check_descriptor(data: Any, workflow: str, variant_structures: Sequence[str]) -> dict[str, Any]:
    """Check the data of a workflow.  `variant_structures`: of its plans.  Raises PackageBuildError."""
    label = f"the descriptor of workflow {workflow!r}"
    fields = check_fields(data, label, ("format", "description", "tags", "inputs_schema"), _OPTIONAL_FIELDS)
    check_names(fields.get("bound_inputs", []), f"bound inputs of workflow {workflow!r}", MAX_NAMES)
    if fields["format"] != FORMAT:
        raise PackageBuildError(f"{label} has the format {fields['format']!r:.80}; this version reads {FORMAT}")
    check_text(fields["description"], f"the description of workflow {workflow!r}", MAX_DESCRIPTION_CHARS)
    check_texts(fields["tags"], f"tags of workflow {workflow!r}", MAX_TAGS)
    schema = check_schema(fields["inputs_schema"], f"the schema of inputs of workflow {workflow!r}")
    for name in (*schema.get("properties", {}), *check_type(fields.get("defaults", {}), f"defaults of {label}", dict)):
        check_name(name, f"an input of workflow {workflow!r}")
    structures = []
    for one in check_list(fields.get("variants", []), f"the variants of {label}", MAX_NAMES):
        check_fields(one, f"a variant of {label}", ("given", "structure", "required"))
        check_names(one["given"], f"a variant of {label}", MAX_NAMES)
        check_names(one["required"], f"a variant of {label}", MAX_NAMES)
        structures.append(one["structure"])
    if structures != list(variant_structures):
        raise PackageBuildError(f"{label} has other variants than plans")
    return dict(fields)


def check_nodes(data: Any, planned: Sequence[PlanNode], workflow: str, package: str) -> dict[str, dict[str, Any]]:
    """Check the data of nodes; returns it by name, with their full names.  `planned`: they in a plan, in their order.

    Raises PackageBuildError.
    """
    rows = {}
    data = check_list(data, f"the list of nodes of workflow {workflow!r}", len(planned))
    if len(data) != len(planned):
        raise PackageBuildError(f"the descriptor of workflow {workflow!r} has fewer nodes than its plans")
    for row, node in zip(data, planned, strict=True):
        full_name = f"{TENANT}::{package}::{workflow}::{node.name}"
        rows[node.name] = {**_check_node(row, workflow, node), "full_name": full_name, "executor": EXECUTOR_NAME}
    return rows


def _check_node(data: Any, workflow: str, planned: PlanNode) -> Mapping[str, Any]:
    label = f"node {planned.name!r} of workflow {workflow!r}"
    fields = check_fields(data, label, ("name", "kind", "full_name"), _NODE_FIELDS)
    if (fields["name"], fields["kind"]) != (planned.name, planned.kind):
        raise PackageBuildError(f"{label} has another name or kind in its descriptor")
    for name in ("is_async", "waits", "has_failure_observer"):
        check_type(fields.get(name, True), f"`{name}` of {label}", bool)
    if "timeout_seconds" in fields:
        validation.check_seconds(f"the time-out of {label}", fields["timeout_seconds"], error_class=PackageBuildError)
    if "limit" in fields:
        _check_limit(fields["limit"], label)
    if "retry" in fields:
        read_retry_policy(check_fields(fields["retry"], f"retries of {label}", (), _RETRY_FIELDS), label)
    check_text(fields.get("doc", ""), f"the docstring of {label}", MAX_DOC_CHARS)
    _check_source(fields, label)
    if "answer_schema" in fields:
        check_schema(fields["answer_schema"], f"the schema of answers to {label}")
    if "child_workflow" in fields:
        check_name(fields["child_workflow"], f"the child workflow of {label}")
        if planned.kind != "fan_out":
            raise PackageBuildError(f"{label} has a child workflow, which its kind does not run")
    for target, decision in check_type(fields.get("branches", {}), f"branches of {label}", dict).items():
        check_text(target, f"a branch of {label}", validation.MAX_NAME_BYTES)
        check_text(decision, f"a branch of {label}", MAX_DOC_CHARS)
    try:
        check_resources(f"resources of {label}", fields.get("resources", {}))
    except ConfigError as error:
        raise PackageBuildError(error.message) from error
    return fields


def _check_limit(name: Any, label: str) -> None:
    try:
        check_limit_name(name)
    except InvalidArgument as error:
        raise PackageBuildError(f"the limit of {label}: {error.message}", hint=error.hint) from error


def _check_source(fields: Mapping[str, Any], label: str) -> None:
    """Check that a source file is named from the folder of the package on."""
    file = check_text(fields.get("source_file", ""), f"the source file of {label}", MAX_FILE_CHARS)
    path = PurePosixPath(file)
    line = check_type(fields.get("source_line", 0), f"the source line of {label}", int)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not 0 <= line <= MAX_LINE:
        raise PackageBuildError(f"{label} is said to be in {file!r:.80}, which is no file of the package")
