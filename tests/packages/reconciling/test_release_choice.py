from __future__ import annotations

import pytest

from holdwater.model.releases import ReleaseRow
from holdwater.packages.reconciling.release_choice import choose_active, find_conflicts, retry_delay_seconds
from holdwater.packages.registries.registry import RegistryEntry


def row(version: str, pinned: bool = False) -> ReleaseRow:
    return ReleaseRow(version, version, "p", version, pinned=pinned)


@pytest.mark.parametrize(
    ("versions", "active"),
    [
        (["1.9", "1.10"], "1.10"),
        (["1.0", "1.0.post1", "1.0rc1"], "1.0.post1"),
        (["1.0.dev3", "1.0a1"], "1.0a1"),
        (["0.dev0+9", "0.dev0+10"], "0.dev0+10"),
        (["1!0.1", "9"], "1!0.1"),
        (["not a version", "0.0.1"], "0.0.1"),
    ],
)
def test_the_highest_version_is_active(versions: list[str], active: str) -> None:
    for order in (versions, versions[::-1]):
        chosen = choose_active([row(version) for version in order])
        assert chosen is not None
        assert chosen.version == active


def test_a_pinned_one_is_active() -> None:
    chosen = choose_active([row("2.0"), row("1.0", pinned=True), row("3.0")])
    assert chosen is not None
    assert chosen.version == "1.0"
    assert choose_active([]) is None


def test_pauses_between_attempts() -> None:
    assert [retry_delay_seconds(n) / 60 for n in (1, 2, 3, 4, 5, 6, 7, 8, 100_000)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [retry_delay_seconds(n, timed_out=True) for n in (1, 2, 3)] == [5, 120, 240]


def test_conflicts() -> None:
    entries = [
        RegistryEntry(release=release, digest=release, package=package, version=version, source=source)
        for release, package, version, source in [
            ("a", "orders", "1.0", "/w/a"), ("b", "orders", "1.0", "/w/b"), ("c", "orders", "1.1", "/w/c"),
            ("d", "Other", "1.0", "/w/d"), ("e", "other", "1.0", "/w/e"), ("f", "third", "1.0", "/w/f"),
        ]
    ]  # fmt: skip
    found = find_conflicts(entries)
    assert sorted(found) == ["a", "b", "d", "e"]
    assert "/w/a and /w/b" in found["a"]
    assert found["a"] == found["b"]
