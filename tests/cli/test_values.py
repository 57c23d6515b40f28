"""Values on the command line: plain JSON, text for people, and exactly as they are stored."""

from __future__ import annotations

import json

from holdwater import Context
from tests.cli.conftest import Shell

MODULE = """
import dataclasses, datetime as dt, enum
from zoneinfo import ZoneInfo
from holdwater import WorkflowBuilder, task
from holdwater.graphs import Graph, interrupt, node

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Point:
    x: object
    y: object = 0

with WorkflowBuilder("makes"):

    @task()
    def make(context):
        context["at"] = dt.datetime(2026, 7, 1, 9, tzinfo=ZoneInfo("Europe/Berlin"))
        context["p"] = Point((1, {2}), Colour.RED)
        context["n"] = [float("nan"), 1]

@node(output_name="draft")
def write(x):
    return Point(x)

@interrupt(answer_name="ok")
def approve(draft):
    return draft

asks = Graph([write, approve], name="asks")
"""

AS_TEXT = {"at": "2026-07-01 09:00:00+02:00", "p": "Point(x=(1, {2}), y=Colour.RED)", "n": "[nan, 1]"}
AS_PLAIN_JSON = {"at": "2026-07-01T09:00:00+02:00", "p": {"x": [1, [2]], "y": "RED"}, "n": ["NaN", 1]}


def test_a_run_by_people_by_programs_and_exactly(shell: Shell) -> None:
    (shell.home / "made.py").write_text(MODULE)
    done = shell("run", "made:makes")
    for key, text in AS_TEXT.items():
        assert f"  {key} = {text}\n" in done.stdout
    assert "$t" not in done.stdout
    (shell.home / "made.py").unlink()  # what is recorded is shown without the code
    for arguments in (("runs", "show", "@last"), ("runs", "show", "@last", "--json")):
        said = shell(*arguments)
        assert said.returncode == 0, said.stderr
        assert "$t" not in said.stdout
    assert json.loads(said.stdout)["final_context"] == AS_PLAIN_JSON
    typed = json.loads(shell("runs", "show", "@last", "--json", "--typed").stdout)["final_context"]
    assert typed["at"] == {"$t": "datetime", "v": "2026-07-01T09:00:00", "z": {"$t": "zone", "v": "Europe/Berlin"}}
    assert typed["n"] == [{"$t": "float", "v": "nan"}, 1]
    del typed["p"]
    again = Context.from_json(json.dumps(typed))
    assert str(again["at"].tzinfo) == "Europe/Berlin"


def test_questions(shell: Shell) -> None:
    (shell.home / "made.py").write_text(MODULE)
    asked = shell("run", "made:asks", "--context", '{"x": 1}')
    assert "waits for approve: Point(x=1, y=0)\n" in asked.stdout
    shown = json.loads(shell("runs", "show", "@last", "--json").stdout)
    assert shown["pauses"][0]["value"] == {"x": 1, "y": 0}
    shown = json.loads(shell("runs", "show", "@last", "--json", "--typed").stdout)
    assert shown["pauses"][0]["value"]["$t"] == "dataclass"


def test_the_context_of_a_schedule(shell: Shell) -> None:
    typed = json.dumps({"at": {"$t": "date", "v": "2026-07-01"}, "$t": 1})
    made = shell("schedules", "add", "--allow-unknown", "sums", "0 2 * * *", "--name", "daily", "--context", typed)
    assert made.returncode == 0, made.stderr
    shown = shell("schedules", "show", "daily", "--json")
    assert json.loads(shown.stdout)["context"] == {"at": "2026-07-01", "$t": 1}
