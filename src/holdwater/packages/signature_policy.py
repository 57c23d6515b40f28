"""Which archives a database accepts: those that a trusted key has signed, or all."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.releases import ReleaseStore
from holdwater.packages.registry import StoredArchive
from holdwater.packages.trust import verify_signature


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Verifies signatures by the trusted keys of a database.

    `is_required`: an archive without a signature is refused.  Otherwise one is looked at where it can be verified: the
    archive has it, and the database has keys.
    """

    store: ReleaseStore
    clock: Clock
    is_required: bool = False

    def __call__(self, stored: StoredArchive) -> str:
        """Return the fingerprint of the key, "" without a signature.  Raises TrustError, StoreUnavailable."""
        keys = self.store.list_trusted_keys()
        if not self.is_required and (stored.signature is None or not keys):
            return ""
        return verify_signature(stored.archive, stored.signature, keys, self.clock.now())
