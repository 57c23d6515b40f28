"""Filters of runs with the index that leads to them, for the tests of plans."""

from __future__ import annotations

from collections.abc import Callable

from holdwater.model.ports.store import Store
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros

FILTERS: dict[str, tuple[RunFilter, str]] = {
    "everything": (RunFilter(), "runs_children_by_status"),
    "top level": (RunFilter(top_level=True), "runs_top_level_by_status"),
    "status": (RunFilter(top_level=True, status="failed"), "runs_top_level_by_status"),
    "statuses": (RunFilter(top_level=True, excluded_statuses=("completed",)), "runs_top_level_by_status"),
    "status of all": (RunFilter(status="failed"), "runs_children_by_status"),
    "workflow": (RunFilter(top_level=True, workflow="orders"), "runs_top_level_by_workflow"),
    "workflow of all": (RunFilter(workflow="orders"), "runs_children_by_workflow"),
    "workflow and status": (
        RunFilter(top_level=True, workflow="orders", status="failed"),
        "runs_top_level_by_workflow",
    ),
    "span": (RunFilter(top_level=True, since=Micros(5), until=Micros(9)), "runs_top_level_by_status"),
    "ends": (RunFilter(top_level=True, ended_since=Micros(5)), "runs_by_finished_at"),
    "ends and status": (
        RunFilter(top_level=True, ended_until=Micros(500), status="failed"),
        "runs_by_finished_at",
    ),
    "label": (RunFilter(top_level=True, labels={"env": "prod"}), "run_labels"),
    "label key": (RunFilter(top_level=True, labels={"env": None}), "runs_top_level_by_status"),
    "label and status": (RunFilter(top_level=True, labels={"env": "prod"}, status="failed"), "run_labels"),
    "origin": (RunFilter(top_level=True, origins=("cli",)), "runs_top_level_by_status"),
    "text": (RunFilter(top_level=True, text="502"), "runs_top_level_by_status"),
    "children": (RunFilter(parent_id="r1"), "runs_by_parent_created_at"),
    "children by status": (RunFilter(parent_id="r1", status="failed"), "runs_by_parent_created_at"),
    "older": (RunFilter(top_level=True, cursor=(Micros(9_000), "r9")), "runs_top_level_by_status"),
    "newer": (RunFilter(top_level=True, cursor=(Micros(9_000), "r9"), newer=True), "runs_top_level_by_status"),
}

ASK: dict[str, Callable[[Store, RunFilter], object]] = {
    "page": lambda store, which: store.page_runs(which),
    "count": lambda store, which: store.count_runs(which),
    "histogram": lambda store, which: store.run_histogram(which, Micros(0), Micros(10_000), 1_000),
}
