"""Every bug the kernel has had, as the journal that showed it: a plan, its events, what they must lead to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import IllegalEvent
from holdwater.kernel import Machine, compile_plan
from holdwater.model.plan import Plan
from tests.kernel.journal import from_row

JOURNALS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


def test_there_are_journals() -> None:
    assert JOURNALS


@pytest.mark.parametrize("path", JOURNALS, ids=lambda p: p.stem)
def test_journal(path: Path) -> None:
    case = json.loads(path.read_text())
    m = Machine(compile_plan(Plan.from_data(case["plan"])))
    for row in case["events"]:
        m.apply(from_row(row))
    assert _summarize(m) == case["expect"], case["about"]
    before = m.snapshot()
    for row in case["refused"]:
        assert not m.accepts(from_row(row)), case["about"]
        with pytest.raises(IllegalEvent):
            m.apply(from_row(row))
        assert m.snapshot() == before


def _summarize(m: Machine) -> dict[str, Any]:
    """`latest`: the cells that have been written, the latest write last."""
    stamps = {c: m.versions[k] for c, k in m.compiled_plan.cell_index.items() if m.versions[k]}
    return {
        "status": m.status,
        "state": m.node_states,
        "fired": m.run_counts,
        "todo": sorted([type(c).__name__, i] for i, c in m.todo.items()),
        "held": m.halted_nodes,
        "errors": sorted([i, *e] for i, e in m.errors.items()),
        "latest": sorted(stamps, key=stamps.__getitem__),
    }
