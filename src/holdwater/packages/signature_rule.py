"""The rule of a database about signatures: which archives may be registered in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdwater.errors import TrustError
from holdwater.model.releases import TrustedKey
from holdwater.model.time import Micros
from holdwater.packages.registry import StoredArchive
from holdwater.packages.trust import verify_signature


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """Verifies the signature of an archive before it is unpacked.

    `list_keys`: reads the trusted keys, each time: a key that was revoked is so at once.  `now`: the clock.
    `is_required`: archives without a signature of a trusted key are refused; otherwise they count as unsigned, but a
    signature of a trusted key that is wrong, or whose key is revoked or expired, is refused all the same.
    """

    list_keys: Callable[[], Sequence[TrustedKey]]
    now: Callable[[], Micros]
    is_required: bool = False
    tenant: str | None = None

    def __call__(self, stored: StoredArchive) -> str:
        """Return the fingerprint of the key that has signed an archive, "" for an unsigned one.

        Raises TrustError, StoreUnavailable; ConfigError without the extra `packages`.
        """
        if stored.signature is None and not self.is_required:
            return ""
        try:
            return verify_signature(stored.archive, stored.signature, self.list_keys(), self.now(), self.tenant)
        except TrustError as error:
            if error.code == "signature_not_found" and not self.is_required:
                return ""
            raise
