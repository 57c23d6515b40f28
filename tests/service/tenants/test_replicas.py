"""All replicas agree which of them a tenant prefers."""

from __future__ import annotations

from collections import Counter

from holdwater.service.tenants.replicas import preferred_replica

TENANTS = [f"tenant_{number}" for number in range(900)]


def test_tenants_are_spread_and_few_move_when_a_replica_goes() -> None:
    before = {tenant: preferred_replica(tenant, ["a", "b", "c"]) for tenant in TENANTS}
    assert before == {tenant: preferred_replica(tenant, ["c", "a", "b"]) for tenant in TENANTS}
    assert min(Counter(before.values()).values()) > 200
    after = {tenant: preferred_replica(tenant, ["a", "b"]) for tenant in TENANTS}
    assert all([after[tenant] == replica for tenant, replica in before.items() if replica != "c"])


def test_without_replicas_there_is_none() -> None:
    assert preferred_replica("a", []) is None
