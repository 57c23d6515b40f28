"""`holdwater limits`: how many tasks may run at once."""

from __future__ import annotations

import json

from tests.cli.conftest import Shell


def test_limits_of_a_database(shell: Shell) -> None:
    shell("run", "flows:sums")
    assert "there are no limits" in shell("limits", "list").stdout
    assert shell("limits", "set", "openai", "3").stdout == "limit openai: 3 tasks at once (0 tasks run now)\n"
    found = json.loads(shell("limits", "set", "label:customer=acme", "1", "--json").stdout)
    assert (found["key"], found["max"], found["used"], found["holders"]) == ("label:customer=acme", 1, 0, [])
    assert found["set_by"].startswith("cli:")
    listed = shell("limits", "list").stdout.splitlines()
    assert [line.split()[:4] for line in listed[1:]] == [
        ["label:customer=acme", "0", "1", "0"],
        ["openai", "0", "3", "0"],
    ]
    assert [one["key"] for one in json.loads(shell("limits", "list", "--json").stdout)] == [
        "label:customer=acme",
        "openai",
    ]
    assert shell("limits", "remove", "openai").stdout == "limit openai is removed\n"
    assert shell("limits", "remove", "openai").returncode == 3
    assert shell("limits", "set", "a b", "3").returncode == 2
    assert shell("limits", "set", "openai", "many").returncode == 2
