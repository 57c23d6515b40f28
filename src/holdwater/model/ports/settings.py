"""Storage of settings."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.settings import Setting


class SettingStore(Protocol):
    """The part of a store for settings of the database."""

    def get_setting(self, name: str) -> Setting | None: ...

    def list_settings(self, prefix: str) -> list[Setting]:
        """List the settings whose name begins with a text, by name."""
        ...

    def put_setting(self, setting: Setting) -> None:
        """Write a setting, in place of the one of its name; other stores are told.

        Raises StoreUnavailable, StoreReadOnly.
        """
        ...
