"""Inputs of a child run that are yet to be selected from all that its caller has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdwater.model.values import StoredValue


@dataclass(frozen=True, slots=True)
class InputsToSelect:
    """Values of a caller; the child takes those that are its inputs."""

    values: Mapping[str, StoredValue]
