"""The release that new runs of a workflow take, for a run that is to be moved to it."""

from __future__ import annotations

from holdwater.errors import InvalidArgument, StructureChanged, WorkflowNotFound
from holdwater.model.child_ids import child_ref
from holdwater.model.claim_keys import claim_key
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow
from holdwater.model.registry import Registry


def find_active_release(row: RunRow, registry: Registry, store: Store) -> str | None:
    """Find the release that new runs of a run's workflow take here, or else by the catalog; None: code of a process.

    Raises StructureChanged if that has another structure of it, as far as that is known here; WorkflowNotFound;
    InvalidArgument for a child run of a node, which goes where its parent goes; StoreUnavailable.
    """
    ref = child_ref(row)
    if ref is not None:
        raise InvalidArgument(
            f"run {row.id} is a child run of node {ref[1]!r}, and is moved with its parent", hint=f"retry run {ref[0]}"
        )
    local = registry.find(row.workflow)
    if local is not None:
        return local.release  # its structure is checked where it is executed
    known = store.get_workflow(row.workflow)
    if known is None or known.structure is None:
        raise WorkflowNotFound(
            f"no runner of this database has announced a workflow named {row.workflow!r}: it has no active release",
            hint="retry the run without a release: it stays on its own",
        )
    if row.structure not in known.structures:
        raise StructureChanged(
            f"run {row.id} cannot be moved to {claim_key(known.name, known.release)!r}: it was recorded under the "
            f"structure {row.structure}, and that has {known.structure}",
            hint="retry it on its own release, or start a new run",
        )
    return known.release
