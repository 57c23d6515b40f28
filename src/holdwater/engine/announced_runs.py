"""New runs of workflows by their announcements in the catalog: without their code, or with it if this process has it.

Such a run is born with work that no runner owns, and the next runner that has its workflow takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdwater.errors import (
    InputError,
    MissingInputError,
    ReleaseBroken,
    ReleaseDraining,
    ReleaseNotFound,
    WorkflowNotFound,
)
from holdwater.model import codec, ids, input_digest, validation
from holdwater.model import events as ev
from holdwater.model.catalog import PlanRow, WorkflowRow
from holdwater.model.journal import JournalEntry
from holdwater.model.json_schema import Schema
from holdwater.model.plan import Plan
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.provenance import Provenance
from holdwater.model.records import RunRow
from holdwater.model.schema_validation import first_violation
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import add_seconds
from holdwater.model.values import StoredValue
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.run_loader import RunLoader

MAX_SUGGESTED_NAMES: Final = 1000


class AnnouncedRuns:
    """Makes runs of one database from its catalog; they are not written yet."""

    def __init__(self, store: Store, run_loader: RunLoader, clock: Clock) -> None:
        self._store, self._run_loader, self.clock = store, run_loader, clock

    def find_workflow(self, name: str, release: str | None = None) -> WorkflowRow:
        """Read the announcement of a workflow, or with `release` what that says about it.

        Raises WorkflowNotFound, with names that come close, or because the active version of its package does not have
        it; ReleaseDraining if its release is being removed.
        """
        name = validation.check_search_text("the name of a workflow", name)
        if release is not None:
            return self._find_in_release(name, release)
        found = self._store.get_workflow(name)
        if found is not None and found.structure is not None:
            self._check_release(found)
            return found
        names = [row.name for row in self._store.list_workflows(MAX_SUGGESTED_NAMES) if row.structure is not None]
        raise WorkflowNotFound(
            f"no runner of this database has announced a workflow named {validation.shorten_repr(name)}",
            hint=did_you_mean(name, names)
            or "start one that has it (holdwater worker MODULE, or a DefaultRunner in a program that imports it), or"
            " upload its package to the server",
        )

    def _find_in_release(self, name: str, release: str) -> WorkflowRow:
        """Read what a release says about a workflow, and have its plan in the database.

        Raises ReleaseNotFound, WorkflowNotFound, ReleaseDraining, ReleaseBroken.
        """
        row = self._store.get_release(release)
        if row is None:
            raise ReleaseNotFound(f"there is no release {release!r:.80} in this database")
        if row.state in ("draining", "gone"):
            raise ReleaseDraining(f"{row.package} {row.version} is being removed and starts nothing more")
        if row.state not in ("active", "inactive"):
            raise ReleaseBroken(f"{row.package} {row.version} is {row.state}, and starts nothing")
        said = row.describe_workflow(name)
        if said is None:
            raise WorkflowNotFound(f"{row.package} {row.version} has no workflow {name!r:.200}")
        plans = [Plan.from_data(one) for one in (said["plan"], *said["variants"])]
        if any([self._store.get_plan(plan.structure) is None for plan in plans]):
            self._store.announce_workflows(
                [], [PlanRow(plan.structure, name, said["style"], plan.to_data()) for plan in plans]
            )
        return WorkflowRow(
            name, said["style"], said["structure"], said["code"], said["descriptor"], said["nodes"], release
        )

    def _check_release(self, workflow: WorkflowRow) -> None:
        """Check that the release of a workflow starts runs.  Raises ReleaseDraining, WorkflowNotFound."""
        known = None if workflow.release is None else self._store.get_release(workflow.release)
        if known is None:
            return
        if known.state == "inactive":  # the announcement of the active one may be under way, if it has the workflow
            active = [row for row in self._store.list_releases(known.package) if row.state == "active"]
            if active and workflow.name not in active[0].workflows:
                raise WorkflowNotFound(
                    f"{known.package} {active[0].version}, the active version, has no workflow {workflow.name!r}",
                    hint=f"version {known.version} has it: holdwater package activate",
                )
        if known.state in ("draining", "gone"):
            raise ReleaseDraining(
                f"workflow {workflow.name!r} is of {known.package} {known.version} (release {known.release}), which is "
                "being removed and starts nothing more",
                hint="activate another version of the package, if it has one: holdwater package list",
            )

    def create_run(
        self,
        workflow: WorkflowRow,
        inputs: Mapping[str, Any] | None,
        idempotency_key: str | None,
        timeout_seconds: float | None,
        provenance: Provenance,
    ) -> ActiveRun:
        """Create a run with its first journal entry.  `timeout_seconds`: limit of the run; None: there is none.

        Raises InputError, MissingInputError, EncodingError, StoreError, StoreUnavailable.
        """
        values = check_inputs(workflow, inputs)
        now = self.clock.now()
        row = RunRow(
            id=ids.new_run_id(now),
            workflow=workflow.name,
            style=workflow.style or "",
            structure=_structure_for(workflow, values),
            code=workflow.code or "",
            created_at=now,
            deadline_at=None if timeout_seconds is None else add_seconds(now, timeout_seconds),
            release=workflow.release,
        )
        provenance.write_to(row)
        style = self._run_loader.style_of(row)
        trees = workflow.descriptor.get("defaults", {})
        defaults = {name: StoredValue.from_tree(tree) for name, tree in trees.items()}
        started = ev.Started(style.encode_inputs(values, defaults), unvalidated=True)
        if idempotency_key is not None:
            row.idempotency_key = idempotency_key
            row.inputs_digest = input_digest.digest_of_cells(started.inputs)
        definition = self._run_loader.executable_definition(row)
        if definition is not None:
            started.inputs = definition.validate_inputs(started.inputs, strict=True)
            started.unvalidated = not definition.has_code
        run = ActiveRun(row, self._run_loader.plan_of(row), style, definition, is_new=True)
        run.apply_entry(JournalEntry(started), self.clock)
        return run


def check_inputs(workflow: WorkflowRow, inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check inputs by the schema of a workflow; returns them by flat names.

    A value that JSON does not have, as a member of an Enum, fits: it was made by code, and is judged by code.
    Raises InputError, MissingInputError, EncodingError.
    """
    if inputs is not None and not isinstance(inputs, Mapping):
        raise InputError(f"inputs are a mapping of names to values, not {inputs!r:.200}")
    schema: Schema = workflow.descriptor.get("inputs_schema", {})
    properties: Schema = schema.get("properties", {})
    values = flatten_inputs(inputs or {}, properties)
    variant = find_variant(workflow, values)
    missing = [name for name in (variant or schema).get("required", ()) if name not in values]
    known = f"its inputs are {', '.join(map(repr, properties))}" if properties else "it has no inputs"
    unknown = [name for name in values if name not in properties]
    close = did_you_mean(unknown[0], properties) if unknown and properties else ""
    if missing:
        text = f"workflow {workflow.name!r} needs {', '.join(map(repr, missing))}"
        raise MissingInputError(missing, values, text, hint=f"{unknown[0]!r} was given, {close}" if close else known)
    stored = {name: StoredValue.encode(value) for name, value in values.items()}
    plain = {name: value.tree for name, value in stored.items() if value.is_scalar or codec.is_plain(value.text)}
    wrong = first_violation({**schema, "required": []}, plain)
    if wrong is not None:
        raise InputError(f"inputs of workflow {workflow.name!r} do not fit: {wrong}", hint=close or known)
    return values


def flatten_inputs(inputs: Mapping[str, Any], properties: Schema) -> dict[str, Any]:
    """Flatten mappings for the namespaces of nested graphs: `{"inner": {"x": 1}}` is `{"inner.x": 1}`.

    Raises InputError.
    """
    found: dict[str, Any] = {}
    todo = list(inputs.items())[::-1]
    while todo:
        name, value = todo.pop()
        if not isinstance(name, str):
            raise InputError(f"the name of an input is a str, not {name!r:.200}")
        is_namespace = name not in properties and any([one.startswith(f"{name}.") for one in properties])
        if is_namespace and isinstance(value, Mapping):
            todo += [(f"{name}.{inner}", one) for inner, one in list(value.items())[::-1]]
        elif name in found:
            raise InputError(f"input {name!r} is given twice, nested and as {name!r}", hint="keep one of the two")
        else:
            found[name] = value
    return found


def find_variant(workflow: WorkflowRow, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the variant of the plan for runs that are given these names; None: the plan itself.

    Raises InputError if none was announced for them.
    """
    variants: list[dict[str, Any]] = workflow.descriptor.get("variants", [])
    seeds = {name for one in variants for name in one["given"]}
    given = sorted(seeds & values.keys())
    if not given:
        return None
    for one in variants:
        if one["given"] == given:
            return one
    raise InputError(
        f"workflow {workflow.name!r} cannot be started from {', '.join(map(repr, given))} without its code",
        hint="give fewer of the inputs its loops begin with, or start it in a process that imports it",
    )


def _structure_for(workflow: WorkflowRow, values: Mapping[str, Any]) -> str:
    variant = find_variant(workflow, values)
    return str(workflow.structure if variant is None else variant["structure"])
