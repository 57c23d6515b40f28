from __future__ import annotations

import os
import threading
from pathlib import Path

from holdwater.demo import files


def test_effects_count_the_beginnings_of_each_body(tmp_path: Path) -> None:
    place = tmp_path / "not" / "there"
    assert [files.log_effect(place, name) for name in ("load", "rain", "load")] == [1, 1, 2]
    assert files.read_effects(place) == [
        f"{name} {os.getpid()} {n}" for name, n in (("load", 1), ("rain", 1), ("load", 2))
    ]


def test_lines_of_parallel_tasks_do_not_mix(tmp_path: Path) -> None:
    names = [f"task-{i}" for i in range(8)]

    def note(name: str) -> None:
        for _ in range(25):
            files.log_effect(tmp_path, name)

    threads = [threading.Thread(target=note, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line.split() for line in files.read_effects(tmp_path)]
    assert sorted((name, int(attempt)) for name, _, attempt in lines) == [(n, i) for n in names for i in range(1, 26)]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = files.write_atomically(tmp_path / "a.txt", "one")
    files.write_csv(path, [["a", "b,c"], ["1", "2"]])
    assert path.read_text(encoding="utf-8") == 'a,"b,c"\n1,2\n'
    assert list(tmp_path.iterdir()) == [path]
