"""The table of open questions against the journals of all runs."""

from __future__ import annotations

from holdwater import DefaultRunner


def assert_questions_are_recorded(runner: DefaultRunner) -> None:
    """Check that the store lists just the questions that are open by the journals of its runs."""
    store, reader = runner._engine.store, runner._engine.reader
    recorded = {(row.run_id, row.node, row.fence) for row in store.list_questions(1000)}
    by_journal = {
        (row.id, node, fence) for row in store.iter_runs() for node, fence in reader.fold(row).open_questions().items()
    }
    assert recorded == by_journal
