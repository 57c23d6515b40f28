"""Keys of secrets: their forms, what is bound to what, and that nothing shows them."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from holdwater.engine.secret_keys import VARIABLE, SecretKeys, generate_key
from holdwater.errors import ConfigError, SecretsUnavailable
from holdwater.model.secrets import SealedSecret
from holdwater.model.time import Micros

FIELDS = {"value": "swordfish", "user": "Grüße \0"}
URL_SAFE = base64.urlsafe_b64encode(b"\xff" * 32).decode()
ONE, TWO = base64.b64encode(b"1" * 32).decode(), (b"2" * 32).hex()


def sealed(keys: SecretKeys, scope: str = "public", name: str = "smtp") -> SealedSecret:
    data = keys.seal(scope, name, FIELDS)
    return SealedSecret(name, "id", tuple(FIELDS), data, keys.first_id, Micros(1), "", Micros(1), "")


@pytest.mark.parametrize(
    "text", [ONE, ONE.rstrip("="), TWO, TWO.upper(), f"{ONE},{TWO}", f" {TWO}\n{ONE}\n", URL_SAFE]
)  # fmt: skip
def test_keys_are_read_in_several_forms(text: str) -> None:
    keys = SecretKeys.parse(text)
    assert keys.unseal("public", sealed(keys)) == FIELDS


@pytest.mark.parametrize(
    "text", ["", "short", "ä" * 44, "0" * 63, f"{ONE},{TWO},{ONE}", base64.b64encode(b"1" * 31).decode()]
)
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SecretKeys.parse(text)
    assert not text or text not in f"{caught.value} {caught.value.hint}"


def test_keys_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(SecretsUnavailable, match=VARIABLE):
        SecretKeys.from_environment({})
    file = tmp_path / "keys"
    file.write_text(f"{ONE}\n{TWO}\n")
    found = SecretKeys.from_environment({VARIABLE: f"file:{file}"})
    assert found.first_id == SecretKeys.parse(ONE).first_id
    with pytest.raises(ConfigError, match="nothing"):
        SecretKeys.from_environment({VARIABLE: f"file:{tmp_path}/nothing"})
    assert SecretKeys.parse(generate_key()).first_id != SecretKeys.parse(generate_key()).first_id


def test_both_keys_decrypt_and_the_first_encrypts() -> None:
    old, both = SecretKeys.parse(ONE), SecretKeys.parse(f"{TWO},{ONE}")
    assert both.unseal("public", sealed(old)) == FIELDS
    assert sealed(both).key_id == SecretKeys.parse(TWO).first_id
    with pytest.raises(SecretsUnavailable, match="which is not in"):
        old.unseal("public", sealed(both))


def test_a_secret_is_bound_to_its_tenant_and_name_and_cannot_be_changed() -> None:
    keys = SecretKeys.parse(ONE)
    secret = sealed(keys)
    for wrong in (
        replace(secret, name="other"),
        replace(secret, sealed=secret.sealed[:-1] + bytes([secret.sealed[-1] ^ 1])),
        replace(secret, sealed=secret.sealed[:20]),
        replace(secret, sealed=b""),
        replace(secret, sealed=b"\2" + secret.sealed[1:]),
    ):
        with pytest.raises(SecretsUnavailable, match="another tenant or name"):
            keys.unseal("public", wrong)
    with pytest.raises(SecretsUnavailable):
        keys.unseal("acme", secret)
    assert secret.sealed != keys.seal("public", "smtp", FIELDS), "each time with a nonce of its own"


def test_nothing_shows_a_key_or_a_text() -> None:
    keys = SecretKeys.parse(f"{ONE},{TWO}")
    shown = f"{keys!r} {keys} {sealed(keys)!r}"
    for text in (ONE, TWO, "1" * 32, repr(b"1" * 32), "swordfish"):
        assert text not in shown
    assert b"swordfish" not in sealed(keys).sealed
