"""The rule of a database about signatures, with the keys of its store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdwater.errors import TrustError
from holdwater.model.time import Micros
from holdwater.packages.registries.registry import StoredArchive
from holdwater.packages.signatures.signature_policy import SignaturePolicy
from holdwater.packages.signatures.statements import sign_archive
from holdwater.storage.memory.store import MemoryStore
from tests.engine.fake_clock import FakeClock
from tests.packages.signatures.test_trust import ARCHIVE, KEY, NOW, OTHER, TRUSTED, new_key, trusted

CLOCK = FakeClock("2027-01-15 08:00")
SIGNED = StoredArchive(ARCHIVE, sign_archive(ARCHIVE, KEY, NOW))
UNSIGNED = StoredArchive(ARCHIVE)
BY_ANOTHER = StoredArchive(ARCHIVE, sign_archive(ARCHIVE, new_key(), NOW))
SWAPPED = StoredArchive(OTHER, SIGNED.signature)


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.put_trusted_key(trusted(new_key(), "another"))
    made.put_trusted_key(TRUSTED)
    return made


def code(rule: SignaturePolicy, stored: StoredArchive) -> str:
    with pytest.raises(TrustError) as caught:
        rule(stored)
    return caught.value.code


def test_signatures_are_required(store: MemoryStore) -> None:
    rule = SignaturePolicy(store, CLOCK, requires=lambda: True)
    assert rule(SIGNED) == KEY.fingerprint
    assert code(rule, UNSIGNED) == "signature_required"
    assert code(rule, BY_ANOTHER) == "signature_not_found"
    assert code(rule, SWAPPED) == "invalid_signature"


def test_signatures_are_not_required(store: MemoryStore) -> None:
    rule = SignaturePolicy(store, CLOCK)
    assert (rule(SIGNED), rule(UNSIGNED), rule(BY_ANOTHER)) == (KEY.fingerprint, "", "")
    assert code(rule, SWAPPED) == "invalid_signature"


@pytest.mark.parametrize("is_required", [False, True])
def test_a_key_is_revoked_at_once(store: MemoryStore, is_required: bool) -> None:
    rule = SignaturePolicy(store, CLOCK, requires=lambda: is_required)
    assert rule(SIGNED) == KEY.fingerprint
    store.put_trusted_key(replace(TRUSTED, revoked_at=Micros(NOW - 1)))
    assert code(rule, SIGNED) == "key_revoked"
    store.put_trusted_key(replace(TRUSTED, expires_at=Micros(NOW - 1)))
    assert code(rule, SIGNED) == "key_expired"
    store.delete_trusted_key(TRUSTED.fingerprint)
    assert code(SignaturePolicy(store, CLOCK, requires=lambda: True), SIGNED) == "signature_not_found"


def test_an_archive_for_another_tenant(store: MemoryStore) -> None:
    stored = StoredArchive(ARCHIVE, sign_archive(ARCHIVE, KEY, NOW, audience=["acme"]))
    assert SignaturePolicy(store, CLOCK, tenant="acme")(stored) == KEY.fingerprint
    assert code(SignaturePolicy(store, CLOCK, tenant="zenith"), stored) == "wrong_audience"
