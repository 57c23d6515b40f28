from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import ConfigError
from holdwater.service.config_file import resolve_home
from holdwater.service.declared_options import ALL_OPTIONS
from holdwater.service.settings import (
    DaemonSettings,
    read_settings,
    settings_that_need_restart,
)

WHOLE = """
database_url = "sqlite:////data/x.db"

[daemon]
poll_interval_ms = 250
log_level = "debug"
shutdown_timeout_s = 5
watcher_debounce_ms = 100
reconcile_interval_s = 2.5
trigger_poll_interval_ms = 2000
cron_max_catchup = 7
cron_recovery_interval_s = 60
cron_lost_threshold_min = 5

[watch]
directories = ["/opt/workflows", "~/flows"]

[ui]
bind = "127.0.0.1:9000"

[retention]
days = 30
logs_days = 7
keep_labels = ["keep"]

[packages]
isolation = "process"
max_hosts = 3
require_signatures = true

[packages.pythons]
"3.12" = "/usr/bin/python3.12"

[packages.limits]
max_packed_bytes = 1000
"""


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None, **flags: Any) -> DaemonSettings:
    (tmp_path / "config.toml").write_text(text)
    return read_settings(tmp_path, environment or {}, flags)


def test_a_whole_file(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.database_url == "sqlite:////data/x.db"
    assert (found.poll_interval_ms, found.log_level, found.shutdown_timeout_seconds) == (250, "debug", 5)
    assert (found.reconcile_interval_seconds, found.cron_max_catchup) == (2.5, 7)
    assert found.directories == ("/opt/workflows", "~/flows")
    assert found.ui_bind == "127.0.0.1:9000"
    assert (found.retention.days, found.retention.logs_days, found.retention.keep_labels) == (30, 7, ("keep",))
    assert (found.packages.max_hosts, found.packages.require_signatures) == (3, True)
    assert found.packages.pythons == {"3.12": "/usr/bin/python3.12"}
    assert found.packages.limits.max_packed_bytes == 1000


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}) == DaemonSettings()


def test_variables_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    variables = {
        "HOLDWATER_DAEMON_POLL_INTERVAL_MS": "300",
        "HOLDWATER_DAEMON_LOG_LEVEL": "warning",
        "HOLDWATER_DATABASE": "sqlite:////data/y.db",
        "HOLDWATER_WATCH_DIRECTORIES": "/a,/b",
        "HOLDWATER_PACKAGES_ALLOW_INDEX": "true",
        "HOLDWATER_UI_BIND": "8080",
        "HOLDWATER_DEBUG": "1",
    }
    found = read(tmp_path, WHOLE, variables, poll_interval_ms=20, log_level=None, directories=("/c",))
    assert (found.poll_interval_ms, found.log_level) == (20, "warning")
    assert found.database_url == "sqlite:////data/y.db"
    assert found.directories == ("/a", "/b", "/c")
    assert found.packages.allow_index
    assert found.ui_bind == "8080"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[daemon]\npoll_intervall_ms = 5\n", "line 2: daemon.poll_intervall_ms: ", "poll_interval_ms"),
        ("\n[daemons]\n", "line 2: daemons: ", "daemon"),
        ("[daemon]\nlog_level = 'loud'\n", "line 2: daemon.log_level: 'loud'", "warning"),
        ("[daemon]\n\npoll_interval_ms = 'x'\n", "line 3: daemon.poll_interval_ms: not a whole number", ""),
        ("[daemon]\npoll_interval_ms = 5\n", "5 is not from 10", ""),
        ("[daemon]\nshutdown_timeout_s = nan\n", "daemon.shutdown_timeout_s", ""),
        ("[watch]\ndirectories = '/x'\n", "line 2: watch.directories: not a list", ""),
        ("[packages]\nisolation = 'none'\n", "packages.isolation", "namespace"),
        ("[packages.limits]\nmax_entires = 3\n", "line 2: packages.limits.max_entires", "max_entries"),
        ("[daemon\n", "line 1", ""),
        ("daemon = 3\n", "line 1: daemon: not a table", ""),
        ("[retention]\ndays = 1\nlogs_days = 2\n", "[retention]", ""),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "config.toml" in str(caught.value)
    assert hint in caught.value.hint


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"[daemon]\n\xff")
    with pytest.raises(ConfigError, match=r"line 2: it is not UTF-8"):
        read_settings(tmp_path, {})
    (tmp_path / "config.toml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match=r"bytes"):
        read_settings(tmp_path, {})
    (tmp_path / "config.toml").unlink()
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read"):
        read_settings(tmp_path, {})


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"HOLDWATER_DAEMON_POLL_INTERVAL_MS: not a whole number"):
        read(tmp_path, "", {"HOLDWATER_DAEMON_POLL_INTERVAL_MS": "often"})
    variables = [variable for one in ALL_OPTIONS for variable in one.variables]
    shared = {"HOLDWATER_DATABASE_URL", "HOLDWATER_DATABASE"}  # of a daemon and of a server
    assert {one for one in variables if variables.count(one) > 1} == shared


def test_what_needs_a_restart(tmp_path: Path) -> None:
    old, new = read(tmp_path, WHOLE), read(tmp_path, WHOLE.replace("max_hosts = 3", "max_hosts = 4"))
    assert settings_that_need_restart(old, new) == ["packages.max_hosts"]
    new = read(tmp_path, WHOLE.replace("/data/x.db", "/data/z.db").replace("250", "260").replace("1000\n", "2000\n"))
    assert settings_that_need_restart(old, new) == ["database_url"]


def test_the_home() -> None:
    assert resolve_home("/x", {"HOLDWATER_HOME": "/y"}) == Path("/x")
    assert resolve_home(None, {"HOLDWATER_HOME": "~/y"}) == Path.home() / "y"
    assert resolve_home(None, {}) == Path.home() / ".holdwater"
