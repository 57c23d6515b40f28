"""The page of open questions, as a browser without scripts uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from holdwater import DefaultRunner, Graph, node
from holdwater.graphs import interrupt
from holdwater.model.registry import registry
from tests.server.live import Live
from tests.server.pages_client import post_form


@interrupt(answer_name="copies", response_type=int)
def review(text: str) -> str:
    return f"how many of <b>{text}</b>?"


@node(output_name="published")
def publish(copies: int) -> str:
    return f"{copies} copies"


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


@pytest.fixture
def asking(runner: DefaultRunner) -> Iterator[str]:
    """A run that waits for an answer."""
    registry.register(Graph([review, publish], name="pages-asking").program(), "pages-asking")
    handle = runner.submit("pages-asking", {"text": "it"})
    assert handle.result(timeout=30).status == "Paused"
    yield handle.run_id
    registry.unregister("pages-asking")


def test_a_question_is_shown_and_answered(browser: httpx.Client, asking: str, runner: DefaultRunner) -> None:
    page = browser.get("/ui/public/questions").text
    assert "how many of &lt;b&gt;it&lt;/b&gt;?" in page
    assert re.search('data-url="/ui/public/questions">1<', page)
    answered = post_form(browser, "/questions", run=asking, pause="review", value="3")
    assert "review is answered." in answered.text
    assert "the run goes on" not in answered.text  # that is for a runner to do
    assert 'data-empty="questions"' in answered.text
    assert runner._engine.wait_for_run(asking, 30).status == "completed"


def test_what_does_not_fit_is_said_beside_the_field(browser: httpx.Client, asking: str) -> None:
    refused = post_form(browser, "/questions", run=asking, pause="review", value="many")
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text
    assert 'value="many"' in refused.text
    assert re.search("<details [^>]* open>", refused.text)


def test_a_question_that_is_answered_already_changes_nothing(browser: httpx.Client, asking: str) -> None:
    post_form(browser, "/questions", run=asking, pause="review", value="3")
    again = post_form(browser, "/questions", run=asking, pause="review", value="4")
    assert "Nothing was changed" in again.text


@pytest.mark.parametrize("after", ["x", "1 2", "-1 0 a", "9" * 30 + " 0 a", "1 0 nothing"])
def test_a_place_that_is_none_is_the_beginning(browser: httpx.Client, after: str) -> None:
    assert browser.get("/ui/public/questions", params={"after": after}).status_code == 200


def test_a_reader_sees_no_forms(serve: object, asking: str) -> None:
    with serve(read_only=True).browser() as reader:  # type: ignore[operator]
        page = reader.get("/ui/public/questions").text
        assert "how many of" in page
        assert '<button class="primary">Answer' not in page


def test_every_id_of_the_page_is_there_once(browser: httpx.Client, runner: DefaultRunner, asking: str) -> None:
    runner.execute(Graph([review], name="pages-two-questions"), {"text": "snow"})
    ids = re.findall(r' id="([^"]+)"', browser.get("/ui/public/questions").text)
    assert len([one for one in ids if one.endswith("-value")]) >= 2
    assert len(ids) == len(set(ids))
