"""The pages of workflows, as a browser without scripts uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from holdwater import DefaultRunner, Graph, node
from holdwater.model.registry import registry
from holdwater.operations.databases import open_for_reading
from holdwater.operations.runs import show_run
from holdwater.server.run_paths import encode_run_id
from tests.server.live import Live
from tests.server.pages_client import post_form

NAME = "pages sums ~1 ß?%"
PATH = f"/workflows/{encode_run_id(NAME)}"


@node(output_name="total")
def multiply(amount: int, factor: int = 2) -> int:
    """Multiply an amount."""
    return amount * factor


@pytest.fixture(scope="module")
def workflow(runner: DefaultRunner) -> Iterator[str]:
    """A graph with a required input and one with a default, and a name that needs care in URLs."""
    name = NAME
    registry.register(Graph([multiply], name=name).program(), name)
    runner.execute(name, {"amount": 1})
    yield name
    registry.unregister(name)


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


def test_the_list_has_its_last_runs_and_leads_to_its_page(browser: httpx.Client, workflow: str) -> None:
    page = browser.get("/ui/public/workflows").text
    assert f'href="/ui/public{PATH}"' in page
    assert 'class="mark mark-completed"' in page


def test_its_page_shows_inputs_and_tasks(browser: httpx.Client, workflow: str) -> None:
    page = browser.get(f"/ui/public{PATH}").text
    assert "an integer" in page
    assert "default 2" in page
    assert 'data-node="multiply"' in page
    assert "Multiply an amount." in page


def test_a_run_is_started_with_inputs_labels_and_a_key(browser: httpx.Client, workflow: str, database_url: str) -> None:
    form = browser.get(f"/ui/public{PATH}/start").text
    assert "holdwater submit" in form
    fields = {"inputs/amount": "21", "inputs/factor": "2", "labels": "env=prod\nteam = data", "key": "pages-key"}
    names = [name for name in fields if f'name="{name}"' in form]
    assert names == list(fields)
    started = post_form(browser, f"{PATH}/start", **fields)
    assert "The run is started." in started.text
    with open_for_reading(database_url) as database:
        run_id = started.url.path.rpartition("/")[2]
        run = show_run(database.runs, run_id)
        assert run.info.labels == {"env": "prod", "team": "data"}
        assert (run.info.started_by, run.info.idempotency_key) == ("ui", "pages-key")
        assert run.inputs["amount"] is not None
    again = post_form(browser, f"{PATH}/start", **fields)
    assert "is there already" in again.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inputs/amount": "many"}, "many"),
        ({}, "missing"),
        ({"inputs/amount": "1", "labels": "prod"}, "write KEY=VALUE"),
        ({"inputs/amount": "1", "labels": "1=prod"}, "is no key of a label"),
    ],
)
def test_what_does_not_fit_is_said_beside_the_field(
    browser: httpx.Client, workflow: str, fields: dict[str, str], said: str
) -> None:
    refused = post_form(browser, f"{PATH}/start", **fields)
    assert refused.status_code == 422
    assert said in refused.text


def test_an_unknown_workflow_is_not_found(browser: httpx.Client) -> None:
    assert browser.get("/ui/public/workflows/nothing-of-this-name").status_code == 404


def test_a_reader_cannot_start(serve: object, workflow: str) -> None:
    with serve(read_only=True).browser() as reader:  # type: ignore[operator]
        assert "Start a run" not in reader.get(f"/ui/public{PATH}").text


def test_its_page_has_its_picture(browser: httpx.Client, workflow: str) -> None:
    page = browser.get(f"/ui/public{PATH}").text
    assert 'class="hw-graph"' in page
    assert "state-" not in page[page.index("<svg xmlns") : page.index("</svg>", page.index("data-arrows"))]
    alone = browser.get(f"/ui/public{PATH}/graph.svg")
    assert alone.headers["content-type"] == "image/svg+xml"
    assert 'data-node="multiply"' in alone.text


def test_it_is_paused_and_resumed(browser: httpx.Client, workflow: str) -> None:
    list_page, start = "/ui/public/workflows", f"/ui/public{PATH}/start"
    assert " data-paused" not in browser.get(list_page).text
    paused = post_form(browser, f"{PATH}/pause")
    assert "is paused. Its open runs go on." in paused.text
    assert '<div class="notice warn" data-paused>' in paused.text
    assert f'action="/ui/public{PATH}/resume"' in paused.text
    assert f'href="/ui/public{PATH}/start"' not in paused.text
    assert f'data-workflow="{NAME}" data-paused' in browser.get(list_page).text
    assert "This workflow is paused" in browser.get(start).text
    refused = post_form(browser, f"{PATH}/start", **{"inputs~mode": "json", "inputs~json": '{"amount": 1}'})
    assert (refused.status_code, "is paused" in refused.text) == (422, True)
    resumed = post_form(browser, f"{PATH}/resume")
    assert "are started again" in resumed.text
    assert f'href="/ui/public{PATH}/start"' in resumed.text
    assert " data-paused" not in browser.get(list_page).text
    unknown = post_form(browser, "/workflows/none-of-this-name/pause")
    assert "none-of-this-name" in unknown.text
    assert unknown.url.path == list_page


def test_who_only_reads_cannot_pause_it(serve: Callable[..., Live], workflow: str) -> None:
    with serve(read_only=True).browser() as reader:
        page = reader.get(f"/ui/public{PATH}").text
        assert 'commandfor="pause"' not in page
        assert f'action="/ui/public{PATH}/pause"' not in page
