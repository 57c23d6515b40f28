"""The command line of Cloacina, word by word."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from holdwater.cli.main import cli
from holdwater.compat.cloacinactl import VERBS, adopt_environment, translate
from holdwater.compat.stubs import NotInThisVersion


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("daemon --watch-dir /w --poll-interval 500", "daemon start --watch-dir /w --poll-interval 500"),
        ("daemon start --home /h", "daemon start --home /h"),
        ("--home /h daemon stop", "daemon stop --home /h"),
        ("status", "daemon status"),
        ("serve --bind 0.0.0.0:8080 --database-url U", "serve --bind 0.0.0.0:8080 --database-url U"),
        ("--home /h server start --bind B", "serve --home /h --bind B"),
        ("server status --json", "server status --json"),
        ("server stop", "server stop"),
        ("workflow list --server S --api-key env:K --tenant T", "--server S --api-key env:K --tenant T workflows"),
        ("workflow inspect orders -o json", "workflows orders --json"),
        ("workflow run orders --context -", "submit orders --inputs -"),
        ("--profile=prod execution list", "--profile prod runs list"),
        ("execution status 01", "runs show 01"),
        ("execution events 01 --follow --since 7", "runs follow 01 --after 7"),
        ("tenant delete acme", "tenants remove acme"),
        ("key create ci --role read", "keys create ci --role read"),
        ("trigger fire nightly", "schedules run-now nightly"),
        ("secret delete smtp", "secrets remove smtp"),
        ("package pack .", "package build ."),
        ("config profile use prod", "config profile use prod"),
        ("admin cleanup-events --database-url U --older-than 1d", "runs prune --database U --older-than 1d"),
        ("admin cleanup-events --database-url U", "runs prune --database U --older-than 90d"),
        ("--version", "--version"),
        ("", "--help"),
    ],
)
def test_words(theirs: str, ours: str) -> None:
    assert translate(theirs.split()) == ours.split()


@pytest.mark.parametrize(
    "words",
    ["graph list", "reactor fire x", "compiler status", "instance list", "config set a b", "completions", "workflow",
     "workflow list -o yaml", "admin cleanup-events --dry-run", "no-such-noun"],
)  # fmt: skip
def test_what_is_not_here_says_what_is(words: str) -> None:
    with pytest.raises(NotInThisVersion) as refused:
        translate(words.split())
    assert refused.value.hint


WORDS = {
    "daemon": "start stop status health", "server": "start stop status health", "serve": "", "status": "",
    "compiler": "start stop status health", "package": "new build validate pack publish upload list inspect delete",
    "workflow": "list inspect run", "execution": "list status events", "graph": "list status accumulators",
    "reactor": "fire force-fire", "accumulator": "inject", "tenant": "create list delete",
    "key": "create list revoke", "trigger": "list inspect fire pause resume",
    "instance": "create list inspect delete", "secret": "create rotate list get delete",
    "config": "get set list profile", "admin": "cleanup-events", "completions": "bash",
}  # fmt: skip
NOT_HERE = {
    "compiler", "graph", "reactor", "accumulator", "instance", "completions", "package publish", "secret get",
    "config get", "config set", "config list",
}  # fmt: skip


@pytest.mark.parametrize(
    "words", [f"{noun} {verb}".strip() for noun, all_ in WORDS.items() for verb in all_.split() or [""]]
)
def test_every_word_of_the_original_is_translated_or_named_with_its_successor(words: str) -> None:
    if words.split()[0] in NOT_HERE or words in NOT_HERE:
        with pytest.raises(NotInThisVersion, match=words) as refused:
            translate(words.split())
        assert (
            "`holdwater " in refused.value.hint or "config.toml" in refused.value.hint or "click" in refused.value.hint
        )
        return
    command: click.Command | None = cli
    for word in translate(words.split()):
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word)
    assert command is not None
    assert not isinstance(command, click.Group) or words == "config profile"


def test_a_verb_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(NotInThisVersion) as refused:
        translate(["tenant", "rename"])
    assert refused.value.hint == "cloacinactl tenant create | list | delete"


@pytest.mark.parametrize("ours", sorted(set(VERBS.values())), ids=" ".join)
def test_every_translation_is_a_command_of_ours(ours: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    for word in ours:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
        assert command is not None


def test_the_environment_of_the_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cloacina").mkdir()
    found = {"CLOACINA_API_KEY": "a", "CLOACINA_TENANT": "theirs", "HOLDWATER_TENANT": "ours"}
    warnings = adopt_environment(found)
    assert (found["HOLDWATER_API_KEY"], found["HOLDWATER_TENANT"]) == ("a", "ours")
    assert found["HOLDWATER_HOME"] == str(tmp_path / ".cloacina")
    assert len(warnings) == 2
    (tmp_path / ".holdwater").mkdir()
    found = {}
    assert adopt_environment(found) == []
    assert found == {}
