"""A new run that begins in the middle of an earlier one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from holdwater.errors import ConfigError, TaskNotFound
from holdwater.kernel.compiled_plan import CompiledPlan
from holdwater.kernel.forking import fork_journal
from holdwater.model import ids
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.provenance import FROM_CODE, inherit_provenance
from holdwater.model.records import RunRow
from holdwater.model.rules import OK_OUTCOMES
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun

MAX_LISTED_NAMES: Final = 20


def create_fork(
    source: ActiveRun,
    program: WorkflowDefinition | None,
    from_task: str,
    values: Mapping[str, Any],
    removed: Collection[str],
    clock: Clock,
    by: str = "",
) -> ActiveRun:
    """The fork of a run as it was read, not written yet; it has as much time as its source had.

    `program`: its definition, None if this process cannot execute it.  `by`: the author of the fork; labels are
    those of its source.
    Raises TaskNotFound; ConfigError (a key both set and removed, a removed key that the run never had, an input that a
    node of a graph does not have); EncodingError; WorkflowError (a node in a loop); DecodingError if a rule has to be
    evaluated over a value whose class is not known here.
    """
    head, machine = source.row, source.machine
    both = [key for key in removed if key in values]
    if both:
        raise ConfigError(f"{', '.join(map(repr, both))}: to be set and to be removed", hint="do one of them")
    node = node_index(source.compiled_plan, from_task, head.id)
    edits = dict(machine.overrides)
    inputs = [read.name for read in source.compiled_plan.plan.nodes[node].reads]
    unknown = [name for name in values if inputs and name not in inputs]
    if unknown:
        raise ConfigError(
            f"{from_task!r} has no input {unknown[0]!r}",
            hint=did_you_mean(unknown[0], inputs) or f"its inputs are {', '.join(inputs)}",
        )
    if values or removed:
        edits[node] = source.style.merge_overrides(values, removed, edits.get(node))
        _check_removed(source, node, removed)
    now = clock.now()
    row = RunRow(
        id=ids.new_run_id(now),
        workflow=head.workflow,
        style=head.style,
        structure=head.structure,
        code=head.code if program is None else program.code_fingerprint,
        created_at=now,
        deadline_at=None if source.time_limit_us is None else Micros(now + source.time_limit_us),
        forked_from=head.id,
        release=head.release,
    )
    inherit_provenance(row, head, "fork")
    row.started_by = by or FROM_CODE.started_by
    run = ActiveRun(row, source.compiled_plan, source.style, program, is_new=True)
    run.start_from_journal(fork_journal(source.compiled_plan, source.entries, node, edits), clock)
    return run


def _check_removed(source: ActiveRun, node: int, removed: Collection[str]) -> None:
    """Raises ConfigError for a name that neither the node sees nor the run has produced.

    Where something before the node is still to run, or will run again, any name may come to be.
    """
    plan, index, states = source.compiled_plan.plan, source.compiled_plan.node_index, source.machine.node_states
    before, stack = set[int](), [node]
    while stack:
        direct = {index[name] for name in plan.nodes[stack.pop()].after} - before
        before |= direct
        stack += direct
    if any(states[i] not in OK_OUTCOMES for i in before):
        return
    known = sorted({*source.run_data.visible_names(node), *source.stored_outputs()})
    unknown = [name for name in removed if name not in known]
    if unknown:
        listed = f"it sees {', '.join(known[:MAX_LISTED_NAMES])}" if known else "it sees nothing"
        raise ConfigError(
            f"{plan.nodes[node].name!r} does not see {unknown[0]!r}, which is to be removed",
            hint=did_you_mean(unknown[0], known) or listed,
        )


def fork_cells(fork: ActiveRun, source_id: str, from_task: str) -> dict[str, Any]:
    """The request of a fork as cells: equal requests under one idempotency key are one fork."""
    return {"fork": source_id, "from": from_task, **{str(i): edits for i, edits in fork.machine.overrides.items()}}


def node_index(layout: CompiledPlan, name: str, run_id: str) -> int:
    """The node of a task, by its name or its full name.  Raises TaskNotFound, with names that come close."""
    node = layout.node_index.get(name, layout.node_index.get(name.rpartition("::")[2]))
    if node is not None:
        return node
    names = list(layout.node_index)
    close = did_you_mean(name, names)
    listed = ", ".join(names[:MAX_LISTED_NAMES]) + (
        f" and {len(names) - MAX_LISTED_NAMES} more" * (len(names) > MAX_LISTED_NAMES)
    )
    raise TaskNotFound(
        f"run {run_id} has no task {name!r}",
        hint=(f"{close} " if close else "") + f"its tasks are {listed}",
    )
