"""The workflow `weather_etl`.  Importing this module registers it.

                       repair (only if validate failed)
                      /
    load -> validate ---> temperature --> heat_note or mild_note ----.
                      |-> rain        --.                             |
                      '-> extremes    ---+-> merge -> draw -> report <'
    fetch_normals ----------------------'

The context holds JSON only, and little of it: each analysis removes the rows it has read and adds its figures.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from holdwater.demo import days, extremes, files, normals, page, picture, rain, temperature, words
from holdwater.tasks import Context, WorkflowBuilder, context_value, task, task_failed

WORKFLOW_NAME: Final = "weather_etl"
HOT_DAYS_WORTH_A_NOTE: Final = 40


def begin_task(context: Context, task_id: str) -> Path:
    """Begin a task function: append to the effects log and pause for the spectator; returns the output directory."""
    directory = Path(context["output_dir"])
    files.log_effect(directory, task_id)
    time.sleep(context.get("pause_seconds", 0.0))
    return directory


with WorkflowBuilder(WORKFLOW_NAME) as builder:
    builder.description("Four years of daily weather: checked, analysed in parallel, merged, drawn and reported")

    @task(id="load", retry_attempts=3, retry_delay_ms=200, retry_backoff="fixed")
    def load(context: Context) -> Context:
        """Read the rows of the packaged file, or of the one named by `csv_path`, as text."""
        begin_task(context, "load")
        path = context.get("csv_path")
        text = Path(path).read_text(encoding="utf-8") if path else files.read_package_data("seattle-weather.csv")
        context["rows"] = days.read_rows(text)
        return context

    # One attempt: invalid data stays invalid.
    @task(id="validate", dependencies=[load], retry_attempts=1)
    def validate(context: Context) -> Context:
        """Parse the rows as days; a few invalid ones are rejected, too many fail the task."""
        begin_task(context, "validate")
        checked = days.validate_rows(context["rows"])
        context["rows"] = [list(day) for day in checked.days]
        context["checked"] = {
            "days": len(checked.days),
            "rejected": [list(fault) for fault in checked.rejected],
            "missing_days": checked.missing_days,
        }
        return context

    @task(id="repair", dependencies=[load, validate], trigger_rules=task_failed("validate"))
    def repair(context: Context) -> Context:
        """Write two files for a manual repair of the data: the valid rows, and the others with the reasons."""
        directory = begin_task(context, "repair")
        rows = context["rows"]
        faults = dict(days.partition_rows(rows)[1])
        good = [row for number, row in enumerate(rows, start=1) if number not in faults]
        bad = [[str(number), fault, *rows[number - 1]] for number, fault in faults.items()]
        context["repaired"] = str(files.write_csv(directory / "repaired.csv", [days.HEADER, *good]))
        context["rejected"] = str(files.write_csv(directory / "rejected.csv", [["row", "fault", *days.HEADER], *bad]))
        context.remove("rows")
        return context

    @task(id="temperature", dependencies=[validate])
    def analyse_temperature(context: Context) -> Context:
        """Compute months, years and trend; the number of hot days decides which note is written."""
        begin_task(context, "temperature")
        rows = days.days_from_json(context["rows"])
        context["temperature"] = {
            "months": temperature.monthly(rows),
            "years": temperature.yearly(rows),
            "mean_c": temperature.mean_temperature(rows),
            "trend_c_per_year": round(temperature.yearly_trend(rows), 3),
        }
        context["hot_days"] = temperature.count_hot_days(rows)
        context.remove("rows")
        return context

    @task(id="rain", dependencies=[validate])
    def analyse_rain(context: Context) -> Context:
        """Compute totals, the wettest day and the longest spells."""
        begin_task(context, "rain")
        rows = days.days_from_json(context["rows"])
        context["rain"] = {
            "months": rain.monthly(rows),
            "years": rain.yearly(rows),
            "wettest_day": rain.wettest_day(rows),
            "dry_spell": rain.longest_dry_spell(rows),
            "wet_spell": rain.longest_wet_spell(rows),
        }
        context.remove("rows")
        return context

    @task(id="extremes", dependencies=[validate])
    def analyse_extremes(context: Context) -> Context:
        """Compute extreme days, mean wind, and kinds of weather."""
        begin_task(context, "extremes")
        rows = days.days_from_json(context["rows"])
        context["extremes"] = {
            "records": extremes.records(rows),
            "kinds": extremes.count_kinds(rows),
            "mean_wind_m_s": extremes.mean_wind(rows),
        }
        context.remove("rows")
        return context

    # The first attempt of a directory is refused; the spare ones are for processes that die in between.
    @task(id="fetch_normals", retry_attempts=6, retry_delay_ms=300, retry_backoff="fixed")
    def fetch_normals(context: Context) -> Context:
        """Request the climate normals from the service on loopback."""
        context["normals_c"] = normals.fetch_normals(begin_task(context, "fetch_normals"))
        return context

    @task(
        id="heat_note",
        dependencies=[analyse_temperature],
        trigger_rules=context_value("hot_days", ">", HOT_DAYS_WORTH_A_NOTE),
    )
    def heat_note(context: Context) -> Context:
        """Write the note for a period with many hot days."""
        begin_task(context, "heat_note")
        context["note"] = words.heat_note(context["temperature"])
        return context

    @task(
        id="mild_note",
        dependencies=[analyse_temperature],
        trigger_rules=context_value("hot_days", "<", HOT_DAYS_WORTH_A_NOTE + 1),
    )
    def mild_note(context: Context) -> Context:
        """Write the note for a period with few hot days."""
        begin_task(context, "mild_note")
        context["note"] = words.mild_note(context["temperature"])
        return context

    @task(id="merge", dependencies=[analyse_temperature, analyse_rain, analyse_extremes, fetch_normals])
    def merge(context: Context) -> Context:
        """Combine the figures of all branches into findings."""
        begin_task(context, "merge")
        context["deviation_c"] = normals.mean_deviation(context["temperature"]["months"], context["normals_c"])
        context["findings"] = words.findings(context.to_dict())
        return context

    @task(id="draw", dependencies=[merge])
    def draw(context: Context) -> Context:
        """Write the picture to a file."""
        directory = begin_task(context, "draw")
        drawn = picture.render_picture(
            context["temperature"]["months"],
            context["rain"]["months"],
            context["normals_c"],
            context["extremes"]["records"],
        )
        context["picture"] = str(files.write_atomically(directory / "weather.svg", drawn))
        return context

    @task(id="report", dependencies=[draw, heat_note, mild_note])
    def report(context: Context) -> Context:
        """Write the page with the picture."""
        directory = begin_task(context, "report")
        drawn = Path(context["picture"]).read_text(encoding="utf-8")
        context["report"] = str(
            files.write_atomically(directory / "report.html", page.render_page(context.to_dict(), drawn))
        )
        return context
