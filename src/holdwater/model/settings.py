"""Settings of a database, which all its runners obey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdwater.model.time import Micros


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.  `value`: JSON data.  `changed_by`: author of the last change."""

    name: str
    value: Any
    changed_at: Micros
    changed_by: str = ""
