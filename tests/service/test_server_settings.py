from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import ConfigError
from holdwater.service.server_settings import ServerSettings, parse_bind, read_server_settings
from holdwater.service.settings import read_settings

DATABASE = 'database_url = "postgresql://db/x"\n'


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **flags: Any) -> ServerSettings:
    (tmp_path / "config.toml").write_text(text)
    return read_server_settings(tmp_path, environment or {}, flags)


def test_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, DATABASE) == ServerSettings(database_url="postgresql://db/x")


def test_a_daemon_and_a_server_can_have_one_file(tmp_path: Path) -> None:
    text = DATABASE + '[daemon]\npoll_interval_ms = 50\n[server]\nbind = "127.0.0.1:9"\n[packages]\nmax_hosts = 3\n'
    assert (read(tmp_path, text).bind, read(tmp_path, text).packages.max_hosts) == ("127.0.0.1:9", 3)
    assert read_settings(tmp_path, {}).poll_interval_ms == 50


def test_the_database(tmp_path: Path) -> None:
    both = DATABASE + '[server]\ndatabase_url = "postgresql://db/server"\n'
    assert read(tmp_path, both).database_url == "postgresql://db/server"
    assert read(tmp_path, both, {"DATABASE_URL": "postgresql://db/env"}).database_url == "postgresql://db/env"
    assert read(tmp_path, "", {"HOLDWATER_DATABASE": "postgresql://db/y"}).database_url == "postgresql://db/y"
    environment = {"DATABASE_URL": "postgresql://db/env"}
    assert read(tmp_path, both, environment, database_url="postgresql://db/f").database_url == "postgresql://db/f"
    with pytest.raises(ConfigError, match="needs a database") as refused:
        read(tmp_path, "")
    assert "DATABASE_URL" in refused.value.hint


def test_signatures_are_required_if_either_table_says_so(tmp_path: Path) -> None:
    for text in ("[server]\nrequire_signatures = true\n", "[packages]\nrequire_signatures = true\n"):
        settings = read(tmp_path, DATABASE + text)
        assert (settings.require_signatures, settings.packages.require_signatures) == (True, True)
    assert read(tmp_path, DATABASE, {"HOLDWATER_REQUIRE_SIGNATURES": "true"}).packages.require_signatures


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    settings = read(
        tmp_path, 'database_url = "postgresql://u:secret-one@db/x"', {"HOLDWATER_BOOTSTRAP_KEY": "secret-two"}
    )
    assert settings.bootstrap_key == "secret-two"
    assert "secret" not in repr(settings)


def test_slots_of_a_tenant() -> None:
    assert ServerSettings(max_concurrent_tasks=8).tenant_slots == 2
    assert ServerSettings(max_concurrent_tasks=2).tenant_slots == 1
    assert ServerSettings(max_concurrent_tasks=8, tenant_max_concurrent=5).tenant_slots == 5


@pytest.mark.parametrize(
    "text",
    [
        'bind = "localhost"', 'bind = "::1:80"', 'bind = "x:99999"', 'metrics_prefix = "Hold water"',
        "tenant_engines = 0", "unknown = 1",
    ],
)  # fmt: skip
def test_what_cannot_be(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, f"{DATABASE}[server]\n{text}\n")


def test_addresses() -> None:
    assert parse_bind("[::1]:80") == ("::1", 80)
    assert parse_bind(":80") == ("0.0.0.0", 80)
