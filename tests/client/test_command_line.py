"""Commands on a server print what they print on its database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.cli.main import main
from tests.client.answering import Answer, answering
from tests.server.live import API_TOKEN, Live
from tests.server.routes.conftest import GATE, Runs, runs
from tests.suite.waiting import wait_until

__all__ = ["runs"]

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|client-[0-9a-f-]{36}|key-[0-9a-f]{32}")
_INSTANTS = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z")
_DURATIONS = re.compile(r"(< )?\d+(\.\d+)? (ms|s|µs)\b|\"duration\": [0-9.e-]+")


class Lines:
    """Calls the command line in this process, on the database and on the server."""

    def __init__(self, database_url: str, live: Live, capsys: pytest.CaptureFixture[str]) -> None:
        self.on_database = ["--database", database_url]
        self.on_server = ["--server", live.origin, "--api-key", API_TOKEN]
        self._places = [
            f"--database {database_url}", f"--server {live.origin}", " --api-key env:HOLDWATER_TEST_KEY",
        ]  # fmt: skip
        self._capsys = capsys

    def call(self, place: list[str], *words: str) -> tuple[int, str, str]:
        """Exit code, and what it printed, without what names the place."""
        code = main([*words, *place])
        printed = self._capsys.readouterr()
        return code, self._without_place(printed.out), self._without_place(printed.err)

    def _without_place(self, text: str) -> str:
        for one in self._places:
            text = text.replace(f" {one}", "").replace(one, "")
        return text

    def both(self, *words: str) -> tuple[int, str, str]:
        """Call it on both, and check that they do the same."""
        mine, theirs = self.call(self.on_server, *words), self.call(self.on_database, *words)
        assert [_DURATIONS.sub("TIME", text) for text in mine[1:]] == [
            _DURATIONS.sub("TIME", text) for text in theirs[1:]
        ]
        assert mine[0] == theirs[0]
        return mine


@pytest.fixture
def lines(
    database_url: str,
    live: Live,
    runs: Runs,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Lines:
    for name in ("DATABASE", "SERVER", "API_KEY", "TENANT", "PROFILE"):
        monkeypatch.delenv(f"HOLDWATER_{name}", raising=False)
    monkeypatch.setenv("HOLDWATER_HOME", str(tmp_path / "home"))
    return Lines(database_url, live, capsys)


def made(text: str) -> str:
    """What is printed about something new, without its id and its instants, and without the author."""
    for found, shown in (
        (_IDS, "ID"),
        (_INSTANTS, "AT"),
        (_DURATIONS, "TIME"),
        (re.compile("cli:[a-z]+|\\bapi\\b"), "BY"),
    ):
        text = found.sub(shown, text)
    text = re.sub(r"(?m)^\S+ +(Running|Ready|Waiting)\n", "", text)  # of a view that may be as fast as the run
    text = re.sub(
        r"(?m)^  (it is \w+ already|a runner has taken it up|no runner has taken it up.*(\n  .*)?)$", "  NEXT", text
    )
    text = re.sub(r'(?m)"(status|activity|end_time|is_claimed|executing_tasks)": .*$', "", text)
    text = text.replace('"idempotency_key": "ID"', '"idempotency_key": null')  # one of the client's own
    text = re.sub(r"\r\d[^\r]*", "", text)  # how often progress is looked at
    return re.sub(r"\b[0-9a-f]{8}\b", "SHORT", text)


READING: Any = [
    "runs list", "runs list --json", "runs list --status failed --workflow f* --label env --search broken",
    "runs list --status !failed --limit 1 --offset 1", "runs list --parent @last", "runs list --ended-since 1h",
    "runs list --since 1h --children", "runs list --workflow nothing", "runs show COMPLETED", "runs show FAILED",
    "runs show ASKING", "runs show FAILED --json", "runs show COMPLETED --json --typed", "runs show ASKING --json",
    "runs show @last", "runs follow COMPLETED", "runs follow FAILED --json", "runs follow COMPLETED --after 2",
    "runs logs FAILED", "runs logs FAILED --json", "runs logs FAILED --node broken --attempt 1",
    "runs logs COMPLETED --follow", "runs graph COMPLETED", "runs graph FAILED --svg -", "runs graph ASKING",
    "doctor FAILED", "doctor ASKING --json", "doctor COMPLETED", "questions", "questions --json --typed",
    "questions --oldest", "workflows", "workflows --json", "workflows articles", "workflows sums --json",
    "schedules list", "schedules list --json", "schedules show nightly --json", "schedules show nightly",
    "schedules next nightly --after 2027-01-01T00:00Z", "retention show", "retention show --json",
    "retention preview --days 3", "retention preview --json", "bulk list", "bulk list --json",
    "bulk start cancel --status failed --preview", "bulk start retry --run FAILED --preview --json",
]  # fmt: skip


@pytest.fixture
def schedule(lines: Lines) -> Iterator[str]:
    code, _, _ = lines.call(
        lines.on_database, "schedules", "add", "sums", "0 2 * * *", "--name", "nightly", "--timezone", "Europe/Berlin",
        "--context", '{"amount": 3}', "--catchup", "run_all", "--jitter", "1.5", "--start", "2027-01-01T00:00Z",
    )  # fmt: skip
    assert code == 0
    yield "nightly"
    lines.call(lines.on_database, "schedules", "remove", "nightly")


def test_what_is_read_is_printed_the_same(lines: Lines, runs: Runs, schedule: str) -> None:
    names = {"COMPLETED": runs.completed, "FAILED": runs.failed, "ASKING": runs.asking}
    for command in READING:
        code, out, _ = lines.both(*[names.get(word, word) for word in command.split()])
        assert code == (1 if command.startswith("doctor") and "problem" in out else code)
        assert out or command.startswith(("runs logs COMPLETED", "bulk list")), command


def test_an_export_has_the_same_content(lines: Lines, runs: Runs) -> None:
    mine = lines.call(lines.on_server, "runs", "export", runs.failed)
    theirs = lines.call(lines.on_database, "runs", "export", runs.failed)
    assert re.sub(r'"exported_at": \d+', "", mine[1]) == re.sub(r'"exported_at": \d+', "", theirs[1])


@pytest.mark.parametrize(
    "command",
    [
        "runs show nothing", "runs show 01", "runs retry COMPLETED", "runs cancel COMPLETED", "runs answer COMPLETED 7",
        "runs answer ASKING --pause nothing yes", "runs answer ASKING 7", "runs fork COMPLETED --from nothing",
        "submit nothing", "submit articles --inputs {}", "workflows nothing", "schedules show nothing",
        "bulk show nothing", "runs logs FAILED --node nothing", "doctor nothing",
        "schedules add sums nonsense", "schedules add nothing @daily", "runs list --parent nothing",
    ],
)  # fmt: skip
def test_errors_are_told_the_same(lines: Lines, runs: Runs, command: str) -> None:
    names = {"COMPLETED": runs.completed, "FAILED": runs.failed, "ASKING": runs.asking}
    words = [names.get(word, word) for word in command.split()]
    mine, theirs = lines.call(lines.on_server, *words), lines.call(lines.on_database, *words)
    assert mine[1:] == theirs[1:]
    assert mine[0] in (1, 3, 5)
    assert theirs[0] in (2, 3, 4)
    assert (mine[0] == 3) == (theirs[0] == 3)


def test_what_is_done_is_told_the_same(lines: Lines, runs: Runs) -> None:
    told: list[list[tuple[int, str, str]]] = []
    for place in (lines.on_server, lines.on_database):
        said: list[tuple[int, str, str]] = []
        told.append(said)

        def call(*words: str, here: list[str] = place, into: list[Any] = said) -> str:
            code, out, err = lines.call(here, *words)
            into.append((code, made(out), made(err)))
            return out

        call("submit", "sums", "--input", "amount=4", "--label", "env=test", "--wait")
        call("submit", "fails", "--wait")
        run = call("submit", "articles", "--input", "topic=rain", "--wait").split()[1]
        call("runs", "answer", run, "yes")
        wait_until(lambda run=run: '"Completed"' in lines.call(lines.on_database, "runs", "show", run, "--json")[1])  # type: ignore[misc]
        call("runs", "fork", run, "--from", "review", "--set", 'text="other"', "--json")
        GATE.open.clear()
        held = call("submit", "held").split()[1]
        wait_until(lambda run=held: "Running on" in lines.call(lines.on_database, "runs", "show", run)[1])  # type: ignore[misc]
        call("runs", "pause", held, "--reason", "for the night")
        call("runs", "resume", held)
        call("runs", "cancel", held, "--reason", "enough")
        GATE.open.set()
        wait_until(lambda run=held: '"Cancelled"' in lines.call(lines.on_database, "runs", "show", run, "--json")[1])  # type: ignore[misc]
        call("bulk", "start", "forget", "--run", held, "--yes")
        call("schedules", "add", "sums", "@daily", "--name", "daily")
        call("schedules", "add", "sums", "@hourly", "--name", "daily", "--json")
        call("schedules", "pause", "daily")
        call("schedules", "resume", "daily", "--json")
        call("schedules", "remove", "daily")
        call("retention", "set", "--days", "30", "--keep-label", "audit")
        call("retention", "apply")
        call("retention", "set", "--off")
        call("runs", "prune", "--older-than", "30d", "--keep", runs.completed)
    assert told[0] == told[1]
    assert [code for code, _, _ in told[0]][:3] == [0, 1, 4]


def test_places(lines: Lines, monkeypatch: pytest.MonkeyPatch, runner: DefaultRunner) -> None:
    code, _, err = lines.call([*lines.on_database, *lines.on_server], "runs", "list")
    assert (code, "name one" in err) == (1, True)
    code, _, err = lines.call(["--api-key", "k"], "runs", "list")
    assert (code, "--api-key and --tenant go with a server" in err) == (2, True)
    server = lines.on_server[1]
    monkeypatch.setenv("HOLDWATER_SERVER", server)
    monkeypatch.setenv("HOLDWATER_API_KEY", API_TOKEN)
    assert lines.call([], "runs", "list") == lines.call(lines.on_database, "runs", "list")
    monkeypatch.setenv("HOLDWATER_DATABASE", lines.on_database[1])
    assert "name two places" in lines.call([], "runs", "list")[2]
    monkeypatch.delenv("HOLDWATER_DATABASE")
    monkeypatch.delenv("HOLDWATER_SERVER")
    assert main(["--server", server, "runs", "list"]) == 0


def test_profiles(lines: Lines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(
        "# ours\n[daemon]\npoll_interval_ms = 100  # fast\n\n[client]\n\n[ui]\nbind = 'x:1'\n"
    )
    server, expected = lines.on_server[1], lines.call(lines.on_database, "runs", "list")
    assert lines.call([], "config", "profile", "set", "prod", "--server", server, "--api-key", API_TOKEN)[0] == 0
    assert lines.call(["--profile", "prod"], "runs", "list") == expected
    text = (home / "config.toml").read_text()
    assert API_TOKEN not in text
    assert text.startswith("# ours\n[daemon]\npoll_interval_ms = 100  # fast\n")
    assert "bind = 'x:1'" in text
    key = home / "api-keys" / "prod"
    assert (key.read_text().strip(), key.stat().st_mode & 0o777) == (API_TOKEN, 0o600)
    lines.call([], "config", "profile", "use", "prod")
    assert lines.call([], "runs", "list") == expected
    listed = lines.call([], "config", "profile", "list")[1]
    assert f"*  prod  {server}" in listed
    assert API_TOKEN not in listed + lines.call([], "config", "profile", "list", "--json")[1]
    monkeypatch.setenv("HOLDWATER_TEST_KEY", API_TOKEN)
    lines.call([], "config", "profile", "set", "prod", "--api-key", "env:HOLDWATER_TEST_KEY", "--tenant", "public")
    assert lines.call([], "runs", "list") == expected
    code, _, err = lines.call(["--profile", "nothing"], "runs", "list")
    assert (code, "there is no profile 'nothing'" in err) == (1, True)
    assert lines.call([], "config", "profile", "delete", "prod")[0] == 0
    assert not key.exists()
    assert "prod" not in (home / "config.toml").read_text()


def test_what_cannot_be_reached_or_entered(lines: Lines) -> None:
    server = lines.on_server[1]
    assert lines.call(["--server", "http://127.0.0.1:1"], "runs", "list")[0] == 2
    code, _, err = lines.call(["--server", server, "--api-key", "w" * 40], "runs", "list")
    assert (code, "does not accept the API key" in err, "w" * 40 in err) == (4, True, False)
    code, _, err = lines.call(["--server", server, "--api-key", "env:HOLDWATER_NOTHING"], "runs", "list")
    assert (code, "HOLDWATER_NOTHING" in err) == (1, True)
    code, _, err = lines.call(["--server", "http://nothing.invalid", "--api-key", "k" * 40], "runs", "list")
    assert code == 2
    assert "unencrypted" in err


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Answer(200, "<html>hello</html>", "text/html"), 5, "is no Holdwater server: 200, text/html"),
        (Answer(404, "<h1>Not Found</h1>", "text/html"), 5, "is no Holdwater server: 404, text/html"),
        (Answer(404, '{"error": "no such path", "code": "not_found"}'), 5, "does not have this part of the API"),
        (Answer(200, '{"items": [{"another": "version"}], "next_cursor": null}'), 5, "does not understand"),
        (Answer(301, "", "text/html", {"location": "https://elsewhere.example"}), 5, "sends requests on to"),
        (Answer(502, "bad gateway", "text/html"), 2, "the proxy in front of the server answers 502"),
        (Answer(401, '{"error": "unauthorized", "code": "unauthorized"}'), 4, "it was sent no API key"),
        (Answer(403, '{"error": "not yours", "code": "tenant_access_denied"}'), 4, "not yours"),
        (Answer(404, '{"error": "no such tenant", "code": "tenant_not_found"}'), 3, "no such tenant"),
        (Answer(500, '{"error": "it broke", "code": "internal_error", "request_id": "r1"}'), 5, "it broke"),
    ],
)  # fmt: skip
def test_bad_answers_say_what_they_are(lines: Lines, answer: Answer, code: int, said: str) -> None:
    with answering(answer) as (url, _):
        found, out, err = lines.call(["--server", url], "runs", "list")
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_url_that_is_none_of_a_server(lines: Lines) -> None:
    for url in ("ftp://runs.example.com", "http://", "https://user:secret@runs.example.com", "runs.example.com"):
        code, _, err = lines.call(["--server", url], "runs", "list")
        assert (code, "the URL of a server" in err, "secret" in err) == (1, True, False), url
    secure = lines.on_server[1].replace("http:", "https:")
    code, _, err = lines.call(["--server", secure], "runs", "list")
    assert (code, "is not secure" in err, "hint" in err) == (2, True, True)
