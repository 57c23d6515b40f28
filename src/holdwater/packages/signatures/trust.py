"""Verification of signatures by trusted keys, before anything of an archive is unpacked.

Order of the checks: the file, the key (known, not revoked, not expired), the signature, then what it states.  Each
refusal is a TrustError with a code for programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdwater.errors import TrustError
from holdwater.model.releases import TrustedKey
from holdwater.model.time import Micros, to_rfc3339
from holdwater.packages.archives.archive import PackageArchive
from holdwater.packages.signatures.signing_keys import (
    PUBLIC_KEY_BYTES,
    decode_base64,
    fingerprint_of,
    require_cryptography,
)
from holdwater.packages.signatures.statements import SignatureFile, Statement, read_signature

MAX_CLOCK_DIFFERENCE_US: Final = 24 * 3600 * 1_000_000
"""a signature may be so much younger than this machine's clock says it is"""


def verify_signature(
    archive: PackageArchive,
    signature: bytes | None,
    keys: Iterable[TrustedKey],
    now: Micros,
    tenant: str | None = None,
) -> str:
    """Verify the signature of an archive, and return the fingerprint of the key that made it.

    `signature`: the content of its `.sig` file; None: it has none.  `keys`: those that are trusted, revoked and expired
    ones included.  `now`: microseconds since the epoch.  `tenant`: the name of the one that would use the archive; None
    for a database without tenants, which no audience restricts.
    Raises TrustError with code signature_required without a signature, signature_not_found if it is of no trusted key,
    key_revoked, key_expired, wrong_audience, and invalid_signature for all else; ConfigError without the extra
    `packages`.
    """
    if signature is None:
        raise TrustError(
            f"package {archive.manifest.name} {archive.manifest.version} is not signed",
            code="signature_required",
            hint="`holdwater package sign ARCHIVE --key FILE`",
        )
    require_cryptography()
    found = read_signature(signature)
    key = _find_key(found, keys)
    _check_key(key, now)
    _check_bytes(found, key)
    _check_statement(found.statement, archive, now, tenant)
    return key.fingerprint


def _find_key(found: SignatureFile, keys: Iterable[TrustedKey]) -> TrustedKey:
    for key in keys:
        if key.fingerprint == found.key_fingerprint:
            return key
    raise TrustError(
        f"the archive has no signature of a trusted key: it is signed by {found.key_fingerprint[:16]}",
        code="signature_not_found",
        hint="trust its public key, or have the archive signed by a key that is trusted",
    )


def _check_key(key: TrustedKey, now: Micros) -> None:
    shown = f"key {key.name!r} ({key.fingerprint[:16]})"
    if key.revoked_at is not None:
        raise TrustError(f"{shown} was revoked at {to_rfc3339(key.revoked_at)}", code="key_revoked")
    if key.expires_at is not None and now >= key.expires_at:
        raise TrustError(f"{shown} has expired at {to_rfc3339(key.expires_at)}", code="key_expired")


def _check_bytes(found: SignatureFile, key: TrustedKey) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = decode_base64(key.public_key, PUBLIC_KEY_BYTES)
    if raw is None or fingerprint_of(raw) != key.fingerprint:
        raise TrustError(f"the row of the trusted key {key.name!r} is damaged: its fingerprint is of another key")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(found.signature, found.message)
    except (InvalidSignature, ValueError):
        raise TrustError(
            f"the signature is not that of key {key.name!r} ({key.fingerprint[:16]}) for what it states"
        ) from None


def _check_statement(statement: Statement, archive: PackageArchive, now: Micros, tenant: str | None) -> None:
    manifest = archive.manifest
    if statement.hash != archive.digest:
        raise TrustError("the signature is that of another archive: the SHA-256 differs")
    if statement.package is not None and (statement.package, statement.version) != (manifest.name, manifest.version):
        raise TrustError(
            f"the signature is for {statement.package} {statement.version}; the manifest says {manifest.name} "
            f"{manifest.version}"
        )
    if statement.signed_at > now + MAX_CLOCK_DIFFERENCE_US:
        raise TrustError(f"the signature is of {to_rfc3339(statement.signed_at)}, which is yet to come")
    if statement.expires_at is not None and now >= statement.expires_at:
        raise TrustError(f"the signature has expired at {to_rfc3339(statement.expires_at)}")
    if tenant is not None and statement.audience and tenant not in statement.audience:
        raise TrustError(
            f"the signature is for the tenants {', '.join(statement.audience)[:200]}, not for {tenant!r}",
            code="wrong_audience",
        )
