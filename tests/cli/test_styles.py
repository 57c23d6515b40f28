"""`holdwater run` and `holdwater graph` on workflows of steps and on graphs; runs that wait for an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdwater.cli import exit_codes
from tests.cli.conftest import Shell

MODULE = """
from holdwater.graphs import Graph, interrupt, node, register_graph
from holdwater.steps import Step, StepResult, Workflow, register_workflow


def count(ctx, config):
    return {"rows": ctx.get_param("n", 3)}


def load(ctx, config):
    if ctx.get_output("count", "rows") > 9:
        return StepResult.fail("too many rows", "DATA_QUALITY")
    return {"loaded": ctx.get_output("count", "rows")}


nightly = Workflow(
    "reports.nightly",
    [
        Step.lambda_("count", count),
        Step.choice("some", lambda ctx: ctx.get_output("count", "rows") > 0, "load"),
        Step.lambda_("load", load),
    ],
)


@node(output_name="draft")
def write(topic: str) -> str:
    return f"About {topic}"


@interrupt(answer_name="decision")
def approve(draft: str) -> dict:
    return {"draft": draft}


@interrupt(answer_name="title")
def entitle(draft: str) -> str:
    return "\\x1b]0;owned\\x07 which title?"


@node(output_name="final")
def finish(draft: str, decision: str) -> str:
    return f"{draft}: {decision}"


review = Graph([write, approve, finish])
both = Graph([write, approve, entitle], name="two questions")
register_graph(Graph([write], name="draft only"))
"""


@pytest.fixture
def styles(shell: Shell) -> Shell:
    (shell.home / "styles.py").write_text(MODULE)
    return shell


def test_a_workflow_of_steps(styles: Shell) -> None:
    done = styles("run", "styles:nightly", "--context", '{"n": 5}')
    assert done.returncode == 0, done.stderr
    assert "count" in done.stdout
    assert "  load = {'loaded': 5}\n" in done.stdout
    (run,) = json.loads(styles("runs", "list", "--json").stdout)
    assert (run["workflow_name"], run["status"]) == ("reports.nightly", "Completed")


def test_a_failed_step_is_1(styles: Shell) -> None:
    done = styles("run", "styles:nightly", "--context", '{"n": 10}')
    assert done.returncode == 1
    assert "too many rows" in done.stdout


def test_a_graph_by_its_variable_and_by_its_name(styles: Shell) -> None:
    done = styles("run", "styles.py", "--context", '{"topic": "rain"}', "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["workflow_name"], run["final_context"]) == ("draft only", {"draft": "About rain"})
    assert styles("run", "styles:draft only", "--context", '{"topic": "rain"}').returncode == 0
    missing = styles("run", "styles:review")
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: missing: 'topic'\n  -> 'topic', taken by 'write'\n")
    assert """hint: give a value for each: --context '{"topic": "..."}'""" in missing.stderr


def test_a_run_that_waits_for_an_answer_says_how_to_give_it(styles: Shell) -> None:
    done = styles("run", "styles:review", "--context", '{"topic": "rain"}')
    assert done.returncode == 4
    (run,) = json.loads(styles("runs", "list", "--json").stdout)
    run_id = run["run_id"]
    assert "waits for approve: draft: About rain\n" in done.stdout
    assert f"`holdwater runs answer {run_id} ANSWER`" in done.stdout

    again = styles("run", "styles:review", "--resume", run_id, "--json")
    assert again.returncode == 4
    question = {
        "pause_id": "approve",
        "answer_name": "decision",
        "value": {"draft": "About rain"},
        "answer_schema": None,
    }
    assert json.loads(again.stdout)["pauses"] == [question]

    answered = styles("runs", "answer", run_id, "--database", "sqlite:///holdwater.db", "print it")
    assert answered.returncode == 0, answered.stderr
    assert "--resume" in answered.stdout
    end = styles("run", "styles:review", "--resume", run_id, "--json")
    assert end.returncode == 0
    assert json.loads(end.stdout)["final_context"]["final"] == "About rain: print it"
    assert json.loads(end.stdout)["pauses"] == []


def test_several_questions_are_told_apart(styles: Shell) -> None:
    done = styles("run", "styles:both", "--context", '{"topic": "rain"}')
    assert done.returncode == 4
    assert "waits for approve: " in done.stdout
    assert "waits for entitle: " in done.stdout
    assert "--pause approve " in done.stdout
    assert "\x1b" not in done.stdout


def test_drawings(styles: Shell) -> None:
    steps = styles("graph", "styles:nightly")
    assert steps.returncode == 0, steps.stderr
    assert "some [choice]  => load (then) | END (else)" in steps.stdout
    assert styles("graph", "styles:nightly", "--format", "mermaid").stdout.startswith("flowchart TD\n")
    graph = styles("graph", "styles:review")
    assert "approve [interrupt]" in graph.stdout
    chart = styles("graph", "styles:review", "--format", "mermaid")
    assert chart.stdout.startswith("flowchart TD\n")
    assert "approve" in chart.stdout


@pytest.mark.parametrize("target", ["styles:nightly", "styles:review"])
def test_drawings_as_svg(styles: Shell, tmp_path: Path, target: str) -> None:
    file = tmp_path / "graph.svg"
    done = styles("graph", target, "--svg", str(file), "--theme", "dark")
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8").startswith("<svg")
    assert styles("graph", target, "--svg", "-", "--theme", "dark").stdout == file.read_text(encoding="utf-8")
    assert styles("graph", target, "--svg", str(tmp_path)).returncode != 0


def test_drawings_of_runs(styles: Shell) -> None:
    assert styles("run", "styles:review", "--context", '{"topic": "rain"}').returncode == exit_codes.STOPPED
    outline = styles("runs", "graph", "@last")
    assert outline.returncode == 0, outline.stderr
    assert "✓ write" in outline.stdout
    assert "? approve [interrupt]: Waiting for a person  <- write" in outline.stdout
    drawn = styles("runs", "graph", "@last", "--svg", "-", "--theme", "light")
    assert 'class="node kind-question state-awaiting_input"' in drawn.stdout


@pytest.mark.parametrize("wanted", ["Workflow", "count", "nothing"])
def test_what_is_no_definition_is_3(styles: Shell, wanted: str) -> None:
    for command in ("run", "graph"):
        done = styles(command, f"styles:{wanted}")
        assert done.returncode == 3
        assert "hint: " in done.stderr
