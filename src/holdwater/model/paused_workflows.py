"""Workflows of a database that were paused: new runs of them are not started, by schedules and triggers neither.

Each is a setting of the database, `paused:WORKFLOW`, whose value is null when it was resumed.
"""

from __future__ import annotations

from typing import Final

from holdwater.model.ports.settings import SettingStore

PREFIX: Final = "paused:"


def setting_name(workflow: str) -> str:
    """Return the name of the setting of a workflow."""
    return f"{PREFIX}{workflow}"


def paused_names(store: SettingStore) -> frozenset[str]:
    """Return the names of the workflows that are paused.  Raises StoreUnavailable."""
    found = store.list_settings(PREFIX)
    return frozenset([one.name.removeprefix(PREFIX) for one in found if one.value is not None])
