"""`holdwater secrets`: texts come from stdin or a file, and never come back."""

from __future__ import annotations

import json
from pathlib import Path

from holdwater.engine.secret_keys import VARIABLE
from tests.cli.conftest import Shell


def test_secrets_of_a_database(shell: Shell, tmp_path: Path) -> None:
    shell("run", "flows:sums")
    key = shell("secrets", "keygen").stdout.strip()
    refused = shell("secrets", "set", "smtp", stdin="swordfish\n")
    assert (refused.returncode, VARIABLE in refused.stderr) == (2, True)
    shell.environment[VARIABLE] = key
    assert "there are no secrets" in shell("secrets", "list").stdout
    assert shell("secrets", "set", "smtp", stdin="swordfish\n").stdout == "secret smtp is set (value)\n"
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({"user": "mail", "password": "swordfish"}))
    made = json.loads(shell("secrets", "set", "smtp", "--fields", "--file", str(texts), "--json").stdout)
    assert made["fields"] == ["password", "user"]
    assert made["updated_by"].startswith("cli:")
    listed = shell("secrets", "list").stdout
    assert "smtp" in listed
    assert "swordfish" not in listed + shell("secrets", "list", "--json").stdout
    shell.environment[VARIABLE] = f"{shell('secrets', 'keygen').stdout.strip()},{key}"
    assert shell("secrets", "rotate").stdout == "1 secret encrypted anew: all have the first key now\n"
    assert shell("secrets", "set", "x", "--fields", stdin="no json").returncode == 2
    assert shell("secrets", "set", "a b", stdin="x").returncode == 2
    assert shell("secrets", "remove", "smtp").returncode == 0
    assert shell("secrets", "remove", "smtp").returncode == 3
