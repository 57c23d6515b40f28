"""Limits and secrets, wherever runs are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from holdwater.operations.limits import LimitInfo
from holdwater.operations.secrets import SecretInfo


class Limits(ABC):
    """Limits on tasks that run at once.  The methods raise LimitNotFound, InvalidArgument."""

    @abstractmethod
    def list_limits(self) -> Sequence[LimitInfo]:
        """List limits with their holders, by key."""

    @abstractmethod
    def set_limit(self, key: str, max_running: int) -> LimitInfo:
        """Set how many tasks may run at once."""

    @abstractmethod
    def remove_limit(self, key: str) -> None:
        """Remove a limit."""


class Secrets(ABC):
    """Texts that task functions ask for by name.  The methods raise SecretNotFound, InvalidArgument."""

    @abstractmethod
    def list_secrets(self) -> Sequence[SecretInfo]:
        """List what is known of the secrets, by name."""

    @abstractmethod
    def put_secret(self, name: str, fields: Mapping[str, str]) -> SecretInfo:
        """Create a secret, or replace its texts."""

    @abstractmethod
    def remove_secret(self, name: str) -> None:
        """Remove a secret."""
