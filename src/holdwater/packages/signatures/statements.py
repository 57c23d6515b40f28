"""Signatures of archives, as they lie beside them in `ARCHIVE.sig`: what is said, and by which key.

Version 2 signs a statement: which package and version this archive is, since when, until when and for which tenants it
may be used.  What is signed is the statement as canonical JSON: UTF-8, keys sorted, no spaces.  Version 1, that of
Cloacina, signs the 32 bytes of the SHA-256 of the archive, and so says nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holdwater.errors import HoldwaterError, TrustError
from holdwater.model.time import Micros, from_datetime, to_rfc3339
from holdwater.packages.archives.archive import PackageArchive
from holdwater.packages.manifests.strict_tables import SourceFile, Table, parse_json
from holdwater.packages.signatures.signing_keys import SigningKey, decode_base64

ALGORITHM: Final = "ed25519"
SIGNATURE_BYTES: Final = 64
SUFFIX: Final = ".sig"
MAX_SIGNATURE_FILE_BYTES: Final = 65_536
MAX_AUDIENCE: Final = 100
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of a signature.  `hash`: SHA-256 of the archive, in hex.

    `package`, `version`: None in signatures of version 1.  `expires_at`: None: never.  `audience`: names of the tenants
    that may use the archive; empty: all.
    """

    hash: str
    package: str | None
    version: str | None
    signed_at: Micros
    expires_at: Micros | None = None
    audience: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Return the statement as it stands in a signature of version 2."""
        data: dict[str, Any] = {
            "hash": self.hash,
            "package": self.package,
            "version": self.version,
            "signed_at": to_rfc3339(self.signed_at),
        }
        if self.expires_at is not None:
            data["expires_at"] = to_rfc3339(self.expires_at)
        if self.audience:
            data["audience"] = list(self.audience)
        return data


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """A signature file as it was read.  `message`: the bytes that were signed."""

    format: int
    key_fingerprint: str
    statement: Statement
    message: bytes
    signature: bytes


def sign_archive(
    archive: PackageArchive,
    key: SigningKey,
    now: Micros,
    *,
    expires_at: Micros | None = None,
    audience: Sequence[str] = (),
) -> bytes:
    """Return the content of `ARCHIVE.sig`, version 2."""
    manifest = archive.manifest
    statement = Statement(archive.digest, manifest.name, manifest.version, now, expires_at, tuple(audience))
    data = statement.to_data()
    signature = key.sign(canonical_json(data))
    return _write({"version": 2, **_key_fields(key), "statement": data, "signature": _encode(signature)})


def sign_archive_as_cloacina(archive: PackageArchive, key: SigningKey, now: Micros) -> bytes:
    """Return the content of `ARCHIVE.sig`, version 1, which Cloacina reads."""
    signature = key.sign(bytes.fromhex(archive.digest))
    rest = {"package_hash": archive.digest, "signature": _encode(signature), "signed_at": to_rfc3339(now)}
    return _write({"version": 1, **_key_fields(key), **rest})


def read_signature(content: bytes) -> SignatureFile:
    """Read a signature file of version 1 or 2.  Nothing is verified.  Raises TrustError for any other content."""
    if not content.strip():
        raise _malformed("the signature file is empty", "")
    if len(content) > MAX_SIGNATURE_FILE_BYTES:
        raise _malformed(f"the signature file has more than {MAX_SIGNATURE_FILE_BYTES:,} bytes", "")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("the signature file is not UTF-8", "") from None
    top = parse_json(SourceFile("the signature file", text, _malformed))
    version = top.integer("version", least=1, most=2)
    if top.text("algorithm") != ALGORITHM:
        raise top.error("algorithm", f"not {ALGORITHM}")
    fingerprint, signature = _hex_digest(top, "key_fingerprint"), _signature(top)
    if version == 1:
        digest = _hex_digest(top, "package_hash")
        statement = Statement(digest, None, None, _instant(top, "signed_at"))
        message = bytes.fromhex(digest)
    else:
        table = top.table("statement", required=True)
        statement, message = _read_statement(table), canonical_json(table.data)
    top.close()
    return SignatureFile(version, fingerprint, statement, message, signature)


def canonical_json(data: Mapping[str, Any]) -> bytes:
    """Write JSON so that the same data has the same bytes: UTF-8, keys sorted, no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _read_statement(table: Table) -> Statement:
    audience = table.texts("audience", max_items=MAX_AUDIENCE, max_chars=200)
    if "audience" in table and not audience:
        raise table.error("audience", "no tenant is named")
    statement = Statement(
        hash=_hex_digest(table, "hash"),
        package=table.text("package"),
        version=table.text("version"),
        signed_at=_instant(table, "signed_at"),
        expires_at=_instant(table, "expires_at") if "expires_at" in table else None,
        audience=audience,
    )
    table.take("expires_at")
    table.close()
    return statement


def _key_fields(key: SigningKey) -> dict[str, Any]:
    return {"algorithm": ALGORITHM, "key_fingerprint": key.fingerprint}


def _encode(signature: bytes) -> str:
    return base64.b64encode(signature).decode("ascii")


def _write(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _malformed(message: str, hint: str) -> HoldwaterError:
    return TrustError(message, hint=hint)


def _hex_digest(table: Table, key: str) -> str:
    text = table.text(key)
    if not _HEX_DIGEST.fullmatch(text):
        raise table.error(key, "no SHA-256 in hex digits")
    return text


def _signature(table: Table) -> bytes:
    found = decode_base64(table.text("signature"), SIGNATURE_BYTES)
    if found is None:
        raise table.error("signature", f"not {SIGNATURE_BYTES} bytes in base64")
    return found


def _instant(table: Table, key: str) -> Micros:
    text = table.text(key)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise table.error(key, "no instant of RFC 3339") from None
    if found.tzinfo is None:
        raise table.error(key, "an instant without a time zone")
    return from_datetime(found.astimezone(UTC))
