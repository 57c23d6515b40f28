"""Which archives a database accepts: those that a trusted key has signed, or all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holdwater.errors import TrustError
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.releases import ReleaseStore
from holdwater.packages.registries.registry import StoredArchive
from holdwater.packages.signatures.trust import verify_signature


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Verifies signatures by the trusted keys of a database, before an archive is unpacked.

    The keys are read each time: one that was revoked is so at once.  `requires`: returns True if archives without the
    signature of a trusted key are refused.  Otherwise they count as unsigned; but a signature of a trusted key that is
    wrong, or whose key is revoked or has expired, is refused all the same.  `tenant`: the one that signatures must be
    for, if they name any; None for a database without tenants.
    """

    store: ReleaseStore
    clock: Clock
    requires: Callable[[], bool] = lambda: False
    tenant: str | None = None

    @property
    def is_required(self) -> bool:
        """True if archives need a signature now."""
        return self.requires()

    def __call__(self, stored: StoredArchive) -> str:
        """Return the fingerprint of the key, "" for an unsigned archive.

        Raises TrustError, StoreUnavailable; ConfigError without the extra `packages`.
        """
        is_required = self.is_required
        if stored.signature is None and not is_required:
            return ""
        keys = self.store.list_trusted_keys()
        try:
            return verify_signature(stored.archive, stored.signature, keys, self.clock.now(), self.tenant)
        except TrustError as error:
            if error.code == "signature_not_found" and not is_required:
                return ""
            raise
