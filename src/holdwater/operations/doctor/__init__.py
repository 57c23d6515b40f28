"""Diagnosis: the reasons why a run does not move, and whether a database can hold runs."""

from __future__ import annotations

from holdwater.operations.doctor.findings import Finding, Severity
from holdwater.operations.doctor.installation import diagnose_installation
from holdwater.operations.doctor.runs import diagnose_run

__all__ = ["Finding", "Severity", "diagnose_installation", "diagnose_run"]
