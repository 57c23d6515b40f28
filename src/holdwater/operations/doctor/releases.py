"""Runs that are pinned to a release which no live runner has."""

from __future__ import annotations

from typing import Any

from holdwater.operations.doctor.commands import continue_command
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.state import MAX_NAMES, DatabaseState, name_list
from holdwater.runs.view import RunView


def no_release_finding(state: DatabaseState, view: RunView, then: str, facts: dict[str, Any]) -> Finding:
    """Tell that no live runner has the release of a run, which there are, and the state of its own.

    `then`: another sentence, with two spaces before it.  `facts`: more of them.
    """
    run = view.info
    there = [release for release in state.releases_with_runners(run.workflow) if release]
    if there:
        said = f"these releases are there: {name_list([f'{run.workflow}@{release}' for release in there])}"
    elif state.releases_with_runners(run.workflow):
        said = "a runner has this workflow as code of its own, and no release of it"
    else:
        said = "no release of this workflow is there"
    row = state.database.store.get_release(run.release or "")
    known = "is not in this database" if row is None else f"{row.package} {row.version}, {row.state}"
    error = "" if row is None or not row.error else f"; {row.error.strip().splitlines()[-1]}"
    return Finding(
        "no_release",
        "problem",
        f"No live runner has {run.claim_key} ({known}{error}); {said}.  A run stays on its release.{then}",
        {
            "workflow": run.workflow,
            "release": run.release,
            "release_state": None if row is None else row.state,
            "releases": there[:MAX_NAMES],
            "runners": state.runner_facts(),
            **facts,
        },
        continue_command(state, view),
        view.id,
    )
