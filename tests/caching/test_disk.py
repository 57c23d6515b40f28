"""The cache on disk: exact, bounded, for many processes, and never decoding what it did not write."""

from __future__ import annotations

import os
import pickle
import shutil
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from holdwater.caching import CacheBackend, DiskCache
from holdwater.errors import CacheUnavailable, Unstorable
from tests.suite.projects import Project


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def entries(directory: Path) -> list[Path]:
    return sorted([path for path in (directory / "entries").rglob("*") if path.is_file()])


class Mine:
    opened = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __setstate__(self, state: dict[str, Any]) -> None:
        Mine.opened += 1
        self.__dict__.update(state)


VALUES: list[Any] = [
    None, 0, True, 1.5, "text", b"bytes", [1, [2]], (1, 2), {"a": 1}, {1: "a"}, {1, 2}, float("inf"), bytearray(b"x"),
    "\ud800", OrderedDict(a=1), {"$t": "tuple", "v": [1]}, 10**5000, Mine,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(type(value)) + ascii(str(type(value)))[:10])
def test_values_come_back_exactly_in_another_cache_object(directory: Path, value: Any) -> None:
    DiskCache(directory).set("key", value)
    found, back = DiskCache(directory).get("key")
    assert found
    assert back == value
    assert type(back) is type(value)


def test_the_protocol(directory: Path) -> None:
    cache = DiskCache(directory)
    assert isinstance(cache, CacheBackend)
    assert cache.get("a") == (False, None)
    cache.set("a", 1)
    cache.set("a", 2)
    cache.set("b", 3)
    assert cache.get("a") == (True, 2)
    assert len(cache) == 2
    cache.clear()
    assert cache.get("a") == (False, None)
    assert len(cache) == 0


def test_the_key_is_secret_and_stays(directory: Path) -> None:
    DiskCache(directory)
    key = directory / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert len(before) == 32
    DiskCache(directory)
    assert key.read_bytes() == before
    assert [path.name for path in directory.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o606])
def test_a_key_others_can_use_is_refused(directory: Path, mode: int) -> None:
    DiskCache(directory)
    (directory / "key").chmod(mode)
    with pytest.raises(CacheUnavailable, match="forge"):
        DiskCache(directory)


def test_a_key_of_wrong_length_is_refused(directory: Path) -> None:
    DiskCache(directory)
    (directory / "key").write_bytes(b"short")
    with pytest.raises(CacheUnavailable, match="32 bytes"):
        DiskCache(directory)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnavailable, match="cannot be used as a cache") as caught:
        DiskCache(tmp_path / "file" / "cache")
    assert isinstance(caught.value, OSError)
    assert "MemoryCache" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CacheUnavailable, match="cannot be used as a cache"):
        DiskCache(tmp_path)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


TAMPERED: dict[str, Any] = {
    "last byte": flip,
    "signature": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "form": lambda data: data[:32] + b"j" + data[33:],
    "torn": lambda data: data[: len(data) // 2],
    "torn in the signature": lambda data: data[:7],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"x",
    "foreign": lambda data: pickle.dumps(Mine(1)),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_what_was_tampered_with_is_a_miss_and_never_unpickled(directory: Path, kind: str) -> None:
    cache = DiskCache(directory)
    cache.set("key", Mine(1))
    (file,) = entries(directory)
    file.write_bytes(TAMPERED[kind](file.read_bytes()))
    opened = Mine.opened
    assert cache.get("key") == (False, None)
    assert Mine.opened == opened
    assert entries(directory) == []
    assert [path for path, _ in cache.rejected] == [file]
    cache.set("key", Mine(2))
    assert cache.get("key")[1].value == 2


def test_an_entry_moved_to_another_place_is_no_entry(directory: Path) -> None:
    cache = DiskCache(directory)
    cache.set("a", 1)
    (a,) = entries(directory)
    cache.set("b", 2)
    (b,) = set(entries(directory)) - {a}
    shutil.copy(a, b)
    assert cache.get("b") == (False, None)
    assert cache.get("a") == (True, 1)


def test_an_entry_of_another_directory_is_no_entry(directory: Path, tmp_path: Path) -> None:
    DiskCache(directory).set("a", 1)
    other = DiskCache(tmp_path / "other")
    shutil.copytree(directory / "entries", tmp_path / "other" / "entries")
    assert other.get("a") == (False, None)


def test_a_directory_made_anew_under_an_open_cache(directory: Path) -> None:
    cache, other = DiskCache(directory), DiskCache(directory)
    cache.set("a", 1)
    shutil.rmtree(directory)
    assert cache.get("a") == (False, None)
    cache.set("a", 2)
    assert other.get("a") == (True, 2)
    assert DiskCache(directory).get("a") == (True, 2)


def test_a_class_that_is_gone_is_a_miss(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(directory)
    cache.set("a", Mine(1))
    monkeypatch.delitem(globals(), "Mine")
    assert cache.get("a") == (False, None)
    assert "cannot be read any more" in cache.rejected[0][1]


def test_an_unpicklable_value_is_rejected_and_the_old_one_removed(directory: Path) -> None:
    cache = DiskCache(directory, max_bytes=1000)
    cache.set("a", 1)
    with pytest.raises(Unstorable, match="cannot be pickled"):
        cache.set("a", lambda: 1)
    assert cache.get("a") == (False, None)
    with pytest.raises(Unstorable, match="max_bytes=1000"):
        cache.set("a", "x" * 1000)


def test_the_ones_used_last_are_kept(directory: Path) -> None:
    cache = DiskCache(directory, max_entries=2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert [cache.get(key)[0] for key in "abc"] == [True, False, True]


def test_bytes_and_numbers_are_bounded_at_every_moment(directory: Path) -> None:
    cache = DiskCache(directory, max_bytes=100_000, max_entries=50)
    for n in range(200):
        cache.set(str(n), "x" * (n * 37 % 9000))
        files = entries(directory)
        assert sum([file.stat().st_size for file in files]) <= 100_000
        assert len(files) <= 50
    assert cache.get("199")[0]
    assert len(cache) >= 5


def test_nothing_of_others_is_removed(directory: Path) -> None:
    directory.mkdir()
    (directory / "mine.txt").write_text("mine")
    cache = DiskCache(directory, max_entries=1)
    (directory / "entries" / "ab").mkdir(parents=True)
    (directory / "entries" / "ab" / "mine.txt").write_text("mine")
    for n in range(5):
        cache.set(str(n), n)
    cache.clear()
    assert (directory / "mine.txt").exists()
    assert (directory / "entries" / "ab" / "mine.txt").exists()


def test_drafts_of_dead_processes_are_removed(directory: Path) -> None:
    cache = DiskCache(directory, max_entries=1)
    shelf = directory / "entries" / "ab"
    shelf.mkdir(parents=True)
    for name, age_seconds in ((".dead.tmp", 7200), (".alive.tmp", 0)):
        (shelf / name).write_text("")
        now = (shelf / name).stat().st_mtime
        os.utime(shelf / name, (now - age_seconds, now - age_seconds))
    cache.set("a", 1)
    assert [path.name for path in shelf.iterdir() if path.suffix == ".tmp"] == [".alive.tmp"]


def test_notes_are_bounded_signed_and_kept_apart(directory: Path) -> None:
    cache = DiskCache(directory)
    for n in range(2000):
        cache.append_record("topic", f'{{"n":{n},"text":"{"x" * 50}"}}')
    cache.append_record("other", "text")
    texts = cache.read_records("topic")
    assert texts[-1].startswith('{"n":1999')
    assert 100 < len(texts) < 1000
    assert DiskCache(directory).read_records("other") == ["text"]
    (file,) = [path for path in (directory / "miss_log").rglob("*") if path.is_file() and path.stat().st_size < 200]
    file.write_bytes(file.read_bytes() + b"00 forged\nno line\n" + file.read_bytes().replace(b"text", b"next"))
    assert DiskCache(directory).read_records("other") == ["text"]


WRITER = """
import sys
from holdwater.caching import DiskCache

cache = DiskCache(sys.argv[1], max_bytes=60_000)
print("ready", flush=True)
sys.stdin.readline()
wrong = 0
for k in range(400):
    n = k % 40
    found, value = cache.get(f"key {n}")
    wrong += found and value != {"n": n, "text": str(n) * 500, "set": {n}}
    if not found:
        cache.set(f"key {n}", {"n": n, "text": str(n) * 500, "set": {n}})
    cache.append_record("topic", f"{n}:" + "y" * 200)
wrong += any(not text.endswith("y" * 200) for text in cache.read_records("topic"))
print(int(wrong), len(cache.rejected))
"""


def test_many_processes_at_once(project: Project) -> None:
    project.write("writer.py", WRITER)
    import subprocess
    import sys

    processes = [
        subprocess.Popen(
            [sys.executable, str(project.directory / "writer.py"), str(project.cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outs = [process.communicate("go\n", timeout=120)[0] for process in processes]
    assert outs == ["0 0\n"] * 4
    files = entries(project.cache)
    assert sum([file.stat().st_size for file in files]) <= 60_000 * (1 + 3 / 16)
    assert not [file for file in files if file.suffix == ".tmp"]
    assert [path.name for path in project.cache.iterdir() if path.is_file()] == ["key"]
