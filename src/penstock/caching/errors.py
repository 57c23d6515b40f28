"""What can go wrong with a cache.  None of it fails a run but a cache that cannot be opened."""

from __future__ import annotations

from penstock.model.errors import PenstockError


class CacheUnavailable(PenstockError, OSError):
    """The directory of a cache cannot be used: it cannot be written, or somebody else could forge its entries."""


class Unstorable(PenstockError, TypeError):
    """A backend cannot keep this value: it cannot be copied or pickled, or is larger than the whole cache."""


class Unfingerprintable(Exception):
    """Two states of a thing cannot be told apart; `reason` says of which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def within(self, where: str) -> Unfingerprintable:
        return Unfingerprintable(f"{where}: {self.reason}")
