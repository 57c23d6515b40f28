"""The rule by which a file counts as complete, driven by instants that the test says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from holdwater.packages.registries.settled_files import FileStamp, SettledFiles
from tests.suite.effort import property_test

A, B = Path("/w/a"), Path("/v/b")


def stamp(n: int) -> FileStamp:
    return FileStamp(n, n, 1)


def test_a_file_counts_when_it_was_quiet() -> None:
    files = SettledFiles(1.0)
    assert not files.observe({A: stamp(1)}, 0.0)
    assert files.next_check_at() == 1.0
    assert not files.observe({A: stamp(2)}, 0.9)  # it grows
    assert not files.observe({A: stamp(2)}, 1.0)
    assert files.observe({A: stamp(2)}, 1.9)
    assert files.files == {A: stamp(2)}
    assert files.next_check_at() is None
    assert not files.observe({A: stamp(2)}, 5.0)


def test_an_event_delays_it_although_nothing_shows() -> None:
    files = SettledFiles(1.0)
    files.observe({A: stamp(1)}, 0.0)
    files.note_event(A, 0.8)
    assert not files.observe({A: stamp(1)}, 1.0)
    assert files.observe({A: stamp(1)}, 1.8)


def test_a_file_that_changes_stays_as_it_was_until_it_is_quiet() -> None:
    files = SettledFiles(1.0)
    files.observe({A: stamp(1)}, 0.0, complete=[A])
    assert files.files == {A: stamp(1)}
    files.observe({A: stamp(2)}, 1.0)
    assert files.files == {A: stamp(1)}
    assert files.observe({A: stamp(2)}, 2.0)
    assert files.files == {A: stamp(2)}


def test_a_file_that_is_replaced_is_never_gone() -> None:
    files = SettledFiles(1.0)
    files.observe({A: stamp(1)}, 0.0, complete=[A])
    assert not files.observe({}, 1.0)
    assert not files.observe({A: stamp(2)}, 1.5)
    assert files.files == {A: stamp(1)}
    assert files.observe({A: stamp(2)}, 2.5)
    assert not files.observe({}, 3.0)
    assert files.observe({}, 4.0)
    assert files.files == {}


def test_a_folder_that_cannot_be_seen_says_nothing() -> None:
    files = SettledFiles(1.0)
    files.observe({A: stamp(1), B: stamp(1)}, 0.0, complete=[A, B])
    assert not files.observe({}, 1.0, unseen_folders=[A.parent])
    assert files.observe({}, 9.0, unseen_folders=[A.parent])
    assert files.files == {A: stamp(1)}
    assert files.drop_folder(A.parent)
    assert files.files == {}
    assert not files.drop_folder(A.parent)


@property_test(
    st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 3)), st.booleans()), max_size=30),
    quick_examples=50,
    long_examples=3000,
)
def test_what_is_settled_was_quiet_before(history: list[tuple[int, int | None, bool]]) -> None:
    """Whatever happens to a file, its settled state is one it has had for the whole pause before."""
    files, now, seen = SettledFiles(5.0), 0.0, list[tuple[float, int | None, bool]]()
    for step, content, has_event in history:
        now += step
        if has_event:
            files.note_event(A, now)
        seen.append((now, content, has_event))
        before = files.files
        files.observe({} if content is None else {A: stamp(content)}, now)
        if files.files != before:
            recent = [one for one in seen if one[0] > now - 5.0]
            assert {one[1] for one in recent} == {content}
            assert not any([one[2] for one in recent if files.files or before])
