"""Errors of fingerprints."""

from __future__ import annotations


class Unfingerprintable(Exception):
    """Two states of a thing cannot be told apart; `reason` says of which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def within(self, where: str) -> Unfingerprintable:
        return Unfingerprintable(f"{where}: {self.reason}")
