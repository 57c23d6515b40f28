"""The graph `weather_review`: a person decides about the report.  Importing this module registers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from holdwater.demo import files
from holdwater.graphs import Graph, interrupt, node

REVIEW_NAME: Final = "weather_review"


@node(output_name="summary")
def summarise(findings: list[str]) -> list[str]:
    """Choose the findings that are shown to the person who decides."""
    return findings[1:4]


@interrupt(answer_name="approved", response_type=bool)
def approve(summary: list[str]) -> dict[str, object]:
    """Ask a person whether the report may be published."""
    return {"question": "Publish the report?", "summary": summary}


@node(output_name="decision")
def publish(report: str, approved: bool) -> str:
    """Write down the decision beside the report."""
    decision = "published" if approved else "withdrawn"
    files.write_atomically(Path(report).with_suffix(".decision.txt"), f"{decision}\n")
    return decision


def review_graph() -> Graph:
    """Build the graph.  Inputs: `findings` (sentences), `report` (path of the report)."""
    return Graph([summarise, approve, publish], name=REVIEW_NAME)


def review_inputs(report: str, findings: Sequence[str]) -> dict[str, object]:
    """Build the inputs of a review."""
    return {"report": report, "findings": list(findings)}
