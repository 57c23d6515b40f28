"""Files that come into a folder: a trigger finds the next one, and a run adds up what is in it."""

import csv
import os
from pathlib import Path

from holdwater import Context, TriggerResult, WorkflowBuilder, task, trigger

INBOX = Path(os.environ.get("INBOX", "inbox"))

with WorkflowBuilder("import-sales") as builder:
    builder.description("Adds up the sales of a file, and files it.")

    @task()
    def read(context: Context) -> None:
        """Read the rows, which are recorded then."""
        with (INBOX / context["file"]).open(newline="", encoding="utf-8") as file:
            context["sales"] = [{"item": row["item"], "eur": float(row["eur"])} for row in csv.DictReader(file)]

    @task(dependencies=[read])
    def add_up(context: Context) -> None:
        """Add up what was sold."""
        context["total"] = sum(sale["eur"] for sale in context["sales"])

    @task(dependencies=[add_up])
    def file_away(context: Context) -> None:
        """Move the file, so that the trigger does not find it again; after a crash it may be moved already."""
        done = INBOX / "done"
        done.mkdir(exist_ok=True)
        source = INBOX / context["file"]
        if source.exists():
            source.replace(done / context["file"])


@trigger(on="import-sales", name="next-file", poll_interval="1s")
def next_file() -> TriggerResult:
    """Start a run for the first file. One with the same context waits until that has ended."""
    waiting = sorted(INBOX.glob("*.csv"))
    return TriggerResult.fire({"file": waiting[0].name}) if waiting else TriggerResult.skip()
