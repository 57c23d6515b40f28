"""The pages of schedules, as a browser without scripts uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from tests.server.live import Live
from tests.server.pages_client import post_form

DAILY = {"expression": "0 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


def test_a_schedule_is_added_changed_paused_resumed_run_and_deleted(browser: httpx.Client) -> None:
    added = post_form(browser, "/schedules/new", workflow="unknown-yet", allow_unknown="1", name="nightly", **DAILY)
    assert "unknown-yet is scheduled." in added.text
    assert "At 02:00 every day" in added.text
    path = added.url.path.removeprefix("/ui/public")
    changed = post_form(browser, f"{path}/edit", expression="30 3 * * *", timezone="UTC", context='{"amount": 950}')
    assert "The schedule is changed." in changed.text
    assert "At 03:30 every day" in changed.text
    assert "950" in changed.text
    assert "nightly is paused" in post_form(browser, f"{path}/pause").text
    assert "It is paused: it does not fire" in browser.get(f"/ui/public{path}").text
    assert "fires again from now on" in post_form(browser, f"{path}/resume").text
    requested = post_form(browser, f"{path}/run")
    assert "is requested" in requested.text
    assert 'data-state="queued"' in requested.text
    deleted = post_form(browser, f"{path}/delete")
    assert deleted.url.path == "/ui/public/schedules"
    assert "nightly is deleted" in deleted.text
    assert browser.get(f"/ui/public{path}").status_code == 404


def test_the_page_of_a_schedule_leads_to_its_workflow(browser: httpx.Client, runner: DefaultRunner) -> None:
    with WorkflowBuilder("pages/nightly ~"):

        @task()
        def load(context: Context) -> None:
            pass

    schedule_id = runner.register_cron_workflow("pages/nightly ~", "0 2 * * *", "UTC")
    link = re.search(r'<dt>Workflow</dt><dd><a href="([^"]+)"', browser.get(f"/ui/public/schedules/{schedule_id}").text)
    assert link is not None
    assert browser.get(link[1]).status_code == 200


def test_a_notice_is_shown_once(browser: httpx.Client) -> None:
    added = post_form(browser, "/schedules/new", workflow="w", allow_unknown="1", **DAILY)
    assert "w is scheduled." in added.text
    assert "w is scheduled." not in browser.get(str(added.url)).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expression": "99 2 * * *"}, "99"),
        ({"timezone": "Europe/Berln"}, "did you mean"),
        ({"context": "[1]"}, "a context is a JSON object"),
        ({"context": '{"a": NaN}'}, "NaN is not JSON"),
        ({"context": "{"}, "not JSON"),
        ({"start": "tomorrow"}, "not an instant"),
        ({"grace": "long"}, "a number of seconds"),
        ({"workflow": ""}, "the name of a workflow is missing"),
        ({"workflow": "never-heard-of", "allow_unknown": ""}, "no runner of this database has known"),
        ({"jitter": "-1"}, "jitter_seconds"),
    ],
)
def test_what_does_not_fit_is_said_beside_the_form(browser: httpx.Client, fields: dict[str, str], said: str) -> None:
    answer = post_form(browser, "/schedules/new", **{"workflow": "w", "allow_unknown": "1", **DAILY, **fields})
    assert answer.status_code == 422
    assert said in answer.text


def test_fires_are_previewed_with_the_changes_of_clocks(browser: httpx.Client) -> None:
    query = {"expression": "30 2 28 3 *", "timezone": "Europe/Berlin", "fragment": "preview"}
    preview = browser.get("/ui/public/schedules/new", params=query).text
    assert preview.lstrip().startswith("<section")
    assert "fires right after" in preview
    assert "not an IANA name" in browser.get("/ui/public/schedules/new", params={**query, "timezone": "x"}).text


def test_the_list_says_the_expression_in_words(browser: httpx.Client, runner: DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("w", "*/5 * * * *", "UTC", allow_unknown=True)
    rows = browser.get("/ui/public/schedules", params={"fragment": "rows"}).text
    assert rows.lstrip().startswith("<div")
    assert f'data-schedule="{schedule_id}"' in rows
    assert "Every fifth minute of every hour" in rows


def test_a_reader_sees_no_controls(serve: object, runner: DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("w", "0 2 * * *", "UTC", allow_unknown=True)
    with serve(read_only=True).browser() as reader:  # type: ignore[operator]
        page = reader.get(f"/ui/public/schedules/{schedule_id}")
        assert "Run now" not in page.text
        assert "Read only" in page.text
        refused = reader.post(f"/ui/public/schedules/{schedule_id}/pause", headers={"sec-fetch-site": "same-origin"})
        assert refused.status_code == 403
    assert runner.get_cron_schedule(schedule_id)["enabled"]


def test_names_are_texts(browser: httpx.Client, runner: DefaultRunner) -> None:
    runner.register_cron_workflow("<img src=x>", "0 2 * * *", "UTC", allow_unknown=True)
    assert "<img src=x>" not in browser.get("/ui/public/schedules").text
