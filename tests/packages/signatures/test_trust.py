"""Family 3 of hostile inputs: signatures.  Each refusal has its code."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from holdwater.errors import ConfigError, TrustError
from holdwater.model.releases import TrustedKey
from holdwater.model.time import Micros
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.signatures.signing_keys import (
    SigningKey,
    fingerprint_of,
    is_encrypted,
    make_key_pair,
    public_bytes,
    read_private_key,
    read_public_key,
    trusted_key,
)
from holdwater.packages.signatures.statements import (
    canonical_json,
    read_signature,
    sign_archive,
    sign_archive_as_cloacina,
)
from holdwater.packages.signatures.trust import verify_signature
from tests.packages.archive_files import FLOWS, OWN_MANIFEST, package

NOW: Final = Micros(1_800_000_000_000_000)
DAY_US: Final = 86_400_000_000
ARCHIVE: Final = read_archive(package())
OTHER: Final = read_archive(package({"workflow/orders/flows.py": FLOWS + "# changed\n"}))


def new_key() -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return SigningKey(private, fingerprint_of(public_bytes(private.public_key())))


def trusted(key: SigningKey, name: str = "ops") -> TrustedKey:
    return trusted_key(public_bytes(key.private.public_key()), name)


KEY: Final = new_key()
TRUSTED: Final = trusted(KEY)


def refusal(signature: bytes | None, archive: PackageArchive = ARCHIVE, **options: Any) -> tuple[str, str]:
    given = {"keys": [TRUSTED], "now": NOW, "tenant": None, **options}
    with pytest.raises(TrustError) as caught:
        verify_signature(archive, signature, given["keys"], given["now"], given["tenant"])
    return caught.value.code, caught.value.message


def changed(signature: bytes, change: Callable[[dict[str, Any]], Any], *, signed_by: SigningKey | None = None) -> bytes:
    """The signature with a change of its data, signed again if there is a key."""
    data = json.loads(signature)
    change(data)
    if signed_by is not None:
        data["signature"] = base64.b64encode(signed_by.sign(canonical_json(data["statement"]))).decode()
    return json.dumps(data).encode()


def test_a_good_signature_of_each_version() -> None:
    for signature in (
        sign_archive(ARCHIVE, KEY, NOW),
        sign_archive(ARCHIVE, KEY, NOW, expires_at=Micros(NOW + DAY_US), audience=["acme", "zenith"]),
        sign_archive_as_cloacina(ARCHIVE, KEY, NOW),
    ):
        keys = [trusted(new_key()), TRUSTED]
        assert verify_signature(ARCHIVE, signature, keys, NOW) == KEY.fingerprint
        assert verify_signature(ARCHIVE, signature, iter(keys), NOW, "acme") == KEY.fingerprint


def test_the_form_of_a_signature() -> None:
    data = json.loads(sign_archive(ARCHIVE, KEY, NOW, expires_at=Micros(NOW + DAY_US), audience=["acme"]))
    assert list(data) == ["version", "algorithm", "key_fingerprint", "statement", "signature"]
    assert data["statement"] == {
        "hash": ARCHIVE.digest,
        "package": "orders",
        "version": "1.2.0",
        "signed_at": "2027-01-15T08:00:00.000000Z",
        "expires_at": "2027-01-16T08:00:00.000000Z",
        "audience": ["acme"],
    }
    KEY.private.public_key().verify(
        base64.b64decode(data["signature"]),
        json.dumps(data["statement"], sort_keys=True, separators=(",", ":")).encode(),
    )
    first = json.loads(sign_archive_as_cloacina(ARCHIVE, KEY, NOW))
    assert set(first) == {"version", "algorithm", "package_hash", "key_fingerprint", "signature", "signed_at"}
    KEY.private.public_key().verify(base64.b64decode(first["signature"]), bytes.fromhex(ARCHIVE.digest))


def test_no_signature() -> None:
    assert refusal(None) == ("signature_required", "package orders 1.2.0 is not signed")
    assert refusal(b"")[0] == refusal(b" \n")[0] == "invalid_signature"


def test_other_revoked_and_expired_keys() -> None:
    signature = sign_archive(ARCHIVE, KEY, NOW)
    assert refusal(signature, keys=[])[0] == "signature_not_found"
    assert refusal(signature, keys=[trusted(new_key())])[0] == "signature_not_found"
    code, message = refusal(signature, keys=[replace(TRUSTED, revoked_at=Micros(NOW - 1))])
    assert code == "key_revoked"
    assert "key 'ops'" in message
    assert refusal(signature, keys=[replace(TRUSTED, expires_at=NOW)])[0] == "key_expired"
    assert verify_signature(ARCHIVE, signature, [replace(TRUSTED, expires_at=Micros(NOW + 1))], NOW) == KEY.fingerprint


def test_a_revoked_key_stays_revoked_in_the_past_and_beside_good_ones() -> None:
    """The instant in the statement is the signer's word: it does not make a signature older than the revocation."""
    signature = sign_archive(ARCHIVE, KEY, Micros(NOW - 400 * DAY_US))
    revoked = replace(TRUSTED, revoked_at=Micros(NOW - DAY_US))
    assert refusal(signature, keys=[trusted(new_key()), revoked])[0] == "key_revoked"


def test_a_signature_of_another_archive() -> None:
    for signature in (sign_archive(ARCHIVE, KEY, NOW), sign_archive_as_cloacina(ARCHIVE, KEY, NOW)):
        code, message = refusal(signature, OTHER)
        assert code == "invalid_signature"
        assert "another archive" in message


def test_a_statement_of_another_hash_package_or_version() -> None:
    signature = sign_archive(ARCHIVE, KEY, NOW)
    for field, value in (("hash", OTHER.digest), ("package", "other"), ("version", "1.3.0")):
        edited = changed(signature, lambda data, f=field, v=value: data["statement"].update({f: v}))  # type: ignore[misc]
        assert refusal(edited)[0] == "invalid_signature"
        again = changed(signature, lambda data, f=field, v=value: data["statement"].update({f: v}), signed_by=KEY)  # type: ignore[misc]
        assert refusal(again)[0] == "invalid_signature"


def test_an_old_signature_is_none_of_a_new_version() -> None:
    newer = read_archive(package(manifest=OWN_MANIFEST.replace("1.2.0", "1.3.0"), top="orders-1.3.0"))
    assert refusal(sign_archive(ARCHIVE, KEY, NOW), newer)[0] == "invalid_signature"


def test_a_signature_for_other_tenants() -> None:
    signature = sign_archive(ARCHIVE, KEY, NOW, audience=["acme"])
    assert refusal(signature, tenant="zenith")[0] == "wrong_audience"
    assert refusal(signature, tenant="ACME")[0] == "wrong_audience"
    assert verify_signature(ARCHIVE, signature, [TRUSTED], NOW, "acme") == KEY.fingerprint


def test_signatures_that_are_over_or_yet_to_come() -> None:
    signature = sign_archive(ARCHIVE, KEY, NOW, expires_at=Micros(NOW + DAY_US))
    assert verify_signature(ARCHIVE, signature, [TRUSTED], Micros(NOW + DAY_US - 1)) == KEY.fingerprint
    assert "has expired" in refusal(signature, now=Micros(NOW + DAY_US))[1]
    assert "yet to come" in refusal(sign_archive(ARCHIVE, KEY, Micros(NOW + 2 * DAY_US)))[1]


def _set(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data.update(values)


MALFORMED: Final = {
    "algorithm": _set(algorithm="none"),
    "algorithm of another key": _set(algorithm="rsa"),
    "case of the algorithm": _set(algorithm="ED25519"),
    "list of algorithms": _set(algorithm=["ed25519"]),
    "no algorithm": lambda data: data.pop("algorithm"),
    "version": _set(version=3),
    "version of 0": _set(version=0),
    "version as text": _set(version="2"),
    "version as truth": _set(version=True),
    "version 2 as 1": _set(version=1),
    "no version": lambda data: data.pop("version"),
    "fields of both versions": _set(package_hash="0" * 64),
    "short signature": _set(signature=base64.b64encode(b"x" * 63).decode()),
    "no signature": _set(signature=""),
    "signature in hex": _set(signature="00" * 64),
    "signature of zeros": _set(signature=base64.b64encode(bytes(64)).decode()),
    "signature with a line break": lambda data: data.update(signature=data["signature"] + "\n"),
    "url base64": lambda data: data.update(signature="-_" + data["signature"][2:]),
    "fingerprint": _set(key_fingerprint="../key"),
    "fingerprint of another case": lambda data: data.update(key_fingerprint=data["key_fingerprint"].upper()),
    "no statement": lambda data: data.pop("statement"),
    "statement as text": lambda data: data.update(statement=json.dumps(data["statement"])),
    "more in the statement": lambda data: data["statement"].update(admin=True),
    "less in the statement": lambda data: data["statement"].pop("package"),
    "instant": lambda data: data["statement"].update(signed_at="yesterday"),
    "instant without a zone": lambda data: data["statement"].update(signed_at="2026-01-01T00:00:00"),
    "empty audience": lambda data: data["statement"].update(audience=[]),
    "audience as text": lambda data: data["statement"].update(audience="acme"),
    "more at the top": _set(public_key=TRUSTED.public_key),
}  # fmt: skip


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_malformed_signatures(change: Callable[[dict[str, Any]], Any]) -> None:
    assert refusal(changed(sign_archive(ARCHIVE, KEY, NOW), change))[0] == "invalid_signature"


@pytest.mark.parametrize(
    "content",
    [
        b"null", b"[]", b"{}", b"{", b"\xff\xfe", b'{"version": 2, "version": 1}', b"[" * 60_000, b'{"a":' * 10_000,
        b" " * 70_000 + b"{}", b'{"version": NaN}', b'{"version": 1e999}', b'{"version": 2, "algorithm": "\\ud800"}',
    ],
    ids=range(12),
)  # fmt: skip
def test_files_that_are_no_signatures(content: bytes) -> None:
    assert refusal(content)[0] == "invalid_signature"


def test_both_versions_are_not_mixed() -> None:
    """A signature over the hash is none of a statement, and the other way round."""
    first = json.loads(sign_archive_as_cloacina(ARCHIVE, KEY, NOW))
    second = json.loads(sign_archive(ARCHIVE, KEY, NOW))
    for data, other in ((first, second), (second, first)):
        mixed = {**data, "signature": other["signature"]}
        assert refusal(json.dumps(mixed).encode())[0] == "invalid_signature"


def test_each_bit_of_a_signature_counts() -> None:
    data = json.loads(sign_archive(ARCHIVE, KEY, NOW))
    raw = bytearray(base64.b64decode(data["signature"]))
    for index in range(0, 64, 7):
        flipped = bytearray(raw)
        flipped[index] ^= 1
        content = json.dumps({**data, "signature": base64.b64encode(flipped).decode()}).encode()
        assert refusal(content)[0] == "invalid_signature"


def test_a_row_of_a_key_that_was_edited() -> None:
    """The key of an attacker under the fingerprint of a trusted one."""
    attacker = new_key()
    row = replace(TRUSTED, public_key=trusted(attacker).public_key)
    forged = changed(sign_archive(ARCHIVE, attacker, NOW), _set(key_fingerprint=TRUSTED.fingerprint))
    assert "damaged" in refusal(forged, keys=[row])[1]
    assert refusal(forged)[0] == "invalid_signature"
    assert "damaged" in refusal(sign_archive(ARCHIVE, KEY, NOW), keys=[replace(TRUSTED, public_key="?")])[1]


def test_keys_are_written_once_with_their_modes_and_read_back(tmp_path: Path) -> None:
    private, public, fingerprint = make_key_pair(tmp_path / "ops.2026", "a passphrase")
    assert (private.name, public.name) == ("ops.2026.key", "ops.2026.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert private.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert is_encrypted(private)
    key = read_private_key(private, "a passphrase")
    assert key.fingerprint == fingerprint == fingerprint_of(read_public_key(public))
    signature = sign_archive(ARCHIVE, key, NOW)
    keys = [trusted_key(read_public_key(public), "ops", added_by="cli:ada", added_at=NOW)]
    assert verify_signature(ARCHIVE, signature, keys, NOW) == fingerprint
    assert read_signature(signature).key_fingerprint == fingerprint
    before = private.read_bytes()
    with pytest.raises(FileExistsError):
        make_key_pair(tmp_path / "ops.2026", "other")
    assert private.read_bytes() == before


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    private, public, _ = make_key_pair(tmp_path / "ops", "right")
    plain, _, _ = make_key_pair(tmp_path / "plain", "")
    assert not is_encrypted(plain)
    for passphrase in ("", "wrong"):
        with pytest.raises(TrustError, match="its passphrase is another one"):
            read_private_key(private, passphrase)
    with pytest.raises(TrustError):
        read_private_key(plain, "not needed")
    with pytest.raises(TrustError, match="no private key"):
        read_private_key(public, "")
    with pytest.raises(TrustError, match="is a private key") as caught:
        read_public_key(plain)
    assert "only the .pub file" in caught.value.hint
    elliptic = generate_private_key(SECP256R1())
    (tmp_path / "ec.key").write_bytes(
        elliptic.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "ec.pub").write_bytes(
        elliptic.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(TrustError, match="no key of ed25519"):
        read_private_key(tmp_path / "ec.key", "")
    with pytest.raises(TrustError, match="no key of ed25519"):
        read_public_key(tmp_path / "ec.pub")
    (tmp_path / "junk").write_bytes(b"\x00junk")
    with pytest.raises(TrustError, match="no public key"):
        read_public_key(tmp_path / "junk")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(ConfigError, match=r"pip install 'holdwater\[packages\]'"):
        verify_signature(ARCHIVE, b"{}", [], NOW)
