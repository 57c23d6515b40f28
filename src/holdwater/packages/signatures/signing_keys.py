"""Keys of ed25519: made, written to files, and read again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdwater.errors import ConfigError, TrustError
from holdwater.model.releases import TrustedKey
from holdwater.model.time import UNSET, Micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"
PUBLIC_KEY_BYTES: Final = 32
PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
_MAX_KEY_FILE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key.  `fingerprint`: SHA-256 of the 32 bytes of its public key, in hex."""

    private: Ed25519PrivateKey
    fingerprint: str

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 bytes."""
        return self.private.sign(message)


def require_cryptography() -> None:
    """Raise ConfigError without the library cryptography."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"signatures need the library {error.name}, which is not installed",
            hint="pip install 'holdwater[packages]'",
        ) from None


def make_key_pair(target: Path, passphrase: str) -> tuple[Path, Path, str]:
    """Make a key, and write `TARGET.key` (PKCS8, encrypted, mode 600) and `TARGET.pub`; neither may be there.

    Returns both paths and the fingerprint.  "" as passphrase: the private key is not encrypted.  Raises
    FileExistsError, OSError, ConfigError without the extra `packages`.
    """
    require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private_file = target.with_name(target.name + PRIVATE_SUFFIX)
    public_file = target.with_name(target.name + PUBLIC_SUFFIX)
    for file in (private_file, public_file):
        if os.path.lexists(file):
            raise FileExistsError(f"{file} is there already")
    private = Ed25519PrivateKey.generate()
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    public = private.public_key()
    _write_new(private_file, pem, PRIVATE_MODE)
    spki = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_new(public_file, spki, PUBLIC_MODE)
    return private_file, public_file, fingerprint_of(public_bytes(public))


def is_encrypted(file: Path) -> bool:
    """Return True if a private key needs a passphrase.  Raises OSError."""
    return b"ENCRYPTED PRIVATE KEY" in _read_small(file)


def read_private_key(file: Path, passphrase: str) -> SigningKey:
    """Read a private key.  Raises TrustError for a wrong passphrase and for any other key; ConfigError, OSError."""
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        private = serialization.load_pem_private_key(_read_small(file), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TrustError(f"{file} is no private key, or its passphrase is another one: {error}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise TrustError(f"{file} is no key of ed25519")
    return SigningKey(private, fingerprint_of(public_bytes(private.public_key())))


def read_public_key(file: Path) -> bytes:
    """Read the 32 bytes of a public key.  Raises TrustError for any other file, ConfigError, OSError."""
    return parse_public_key(_read_small(file), str(file))


def parse_public_key(content: bytes, source: str) -> bytes:
    """Return the 32 bytes of a public key: of the content of a `.pub` file (PEM), or of their base64.

    `source`: a name for errors.  Raises TrustError for any other content, ConfigError.
    """
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if b"PRIVATE KEY" in content:
        raise TrustError(f"{source} is a private key", hint="only the .pub file is given to others")
    raw = decode_base64(content.decode("ascii", "replace").strip(), PUBLIC_KEY_BYTES)
    if raw is not None:
        return raw
    try:
        public = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(
            f"{source} is no public key", hint="give the .pub file that `holdwater package keygen` writes"
        ) from error
    if not isinstance(public, Ed25519PublicKey):
        raise TrustError(f"{source} is no key of ed25519")
    return public_bytes(public)


def trusted_key(
    raw: bytes, name: str, *, added_by: str = "", added_at: Micros = UNSET, expires_at: Micros | None = None
) -> TrustedKey:
    """Make the row that has the signatures of a public key accepted."""
    encoded = base64.b64encode(raw).decode("ascii")
    return TrustedKey(fingerprint_of(raw), name, encoded, added_by, added_at, expires_at)


def fingerprint_of(raw: bytes) -> str:
    """Return the fingerprint of a public key: the SHA-256 of its 32 bytes, in hex."""
    return hashlib.sha256(raw).hexdigest()


def public_bytes(public: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    return public.public_bytes_raw()


def decode_base64(text: str, size: int) -> bytes | None:
    """Decode so many bytes of base64, strictly; None for anything else."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == size and base64.b64encode(found).decode("ascii") == text else None


def _read_small(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(_MAX_KEY_FILE_BYTES)


def _write_new(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as opened:
        os.fchmod(descriptor, mode)
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
