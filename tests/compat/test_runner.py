"""The runner, its options and its URLs, as the original is told them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import holdwater
from holdwater.compat import cloaca
from holdwater.compat.cloaca.urls import translate_url
from holdwater.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("sqlite:///app.db", "sqlite:///app.db"),
        ("sqlite:///app.db?mode=rwc", "sqlite:///app.db?mode=rwc"),
        ("sqlite:///./dir/app.db", "sqlite:///./dir/app.db"),
        ("sqlite:///../app.db", "sqlite:///../app.db"),
        ("sqlite://./dir/app.db", "sqlite://./dir/app.db"),
        ("sqlite:////srv/app.db", "sqlite:////srv/app.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("sqlite://:memory:", "sqlite:///:memory:"),
        ("sqlite://rel.db", "sqlite:///rel.db"),
        ("sqlite://dir/rel.db?mode=rw", "sqlite:///dir/rel.db?mode=rw"),
        ("sqlite:///srv/app.db", "sqlite:////srv/app.db"),
        ("SQLite:///srv/data/app.db?mode=rw", "sqlite:////srv/data/app.db?mode=rw"),
        ("rel.db", "sqlite:///rel.db"),
        ("dir/rel.db", "sqlite:///dir/rel.db"),
        ("/srv/app.db", "sqlite:////srv/app.db"),
        (":memory:", "sqlite:///:memory:"),
        ("", ""),
        ("sqlite:app.db", "sqlite:app.db"),
        ("invalid://connection/string", "invalid://connection/string"),
        ("postgresql://user:pass@localhost:5432/db", "postgresql://user:pass@localhost:5432/db"),
    ],
)
def test_urls(url: str, meant: str) -> None:
    assert translate_url(url) == meant


def test_an_absolute_path_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "holdwater.compat"):
        cloaca.DefaultRunner(f"sqlite://{tmp_path}/app.db").shutdown()
        cloaca.DefaultRunner(f"sqlite:///{tmp_path}/other.db").shutdown()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert f"{tmp_path}/app.db" in caplog.text
    assert (tmp_path / "app.db").exists()


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    for url in ("sqlite:///one.db", "sqlite://two.db", "three.db", "sqlite://dir/four.db"):
        cloaca.DefaultRunner(url).shutdown()
    assert sorted(f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*.db")) == [
        "dir/four.db",
        "one.db",
        "three.db",
        "two.db",
    ]


@pytest.mark.parametrize("url", ["invalid://connection/string", "", None, "sqlite:///no/such/directory/app.db"])
def test_a_url_that_cannot_be_used(url: Any) -> None:
    with pytest.raises(ValueError):
        cloaca.DefaultRunner(url)


def test_a_schema_needs_postgresql(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PostgreSQL"):
        cloaca.DefaultRunner.with_schema(f"sqlite:///{tmp_path}/runs.db", "tenant_a")


DEFAULTS = {
    "max_concurrent_tasks": 4,
    "scheduler_poll_interval_ms": 100,
    "task_timeout_seconds": 300,
    "pipeline_timeout_seconds": 3600,
    "workflow_timeout_seconds": 3600,
    "db_pool_size": 10,
    "enable_recovery": True,
    "enable_cron_scheduling": True,
    "cron_poll_interval_seconds": 30,
    "cron_max_catchup_executions": 100,
    "cron_enable_recovery": True,
    "cron_recovery_interval_seconds": 300,
    "cron_lost_threshold_minutes": 10,
    "cron_max_recovery_age_seconds": 86400,
    "cron_max_recovery_attempts": 3,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_option_can_be_read_and_set(name: str) -> None:
    config = cloaca.DefaultRunnerConfig.default()
    assert getattr(config, name) == config.to_dict()[name] == DEFAULTS[name]
    changed = not DEFAULTS[name] if isinstance(DEFAULTS[name], bool) else DEFAULTS[name] + 20
    setattr(config, name, changed)
    assert getattr(config, name) == config.to_dict()[name] == changed
    assert f"{name}={changed!r}" in repr(config)
    assert config != cloaca.DefaultRunnerConfig()
    assert cloaca.DefaultRunnerConfig(**config.to_dict()) == config == cloaca.DefaultRunnerConfig(**{name: changed})


def test_both_spellings_of_the_time_out() -> None:
    config = cloaca.DefaultRunnerConfig(pipeline_timeout_seconds=5)
    assert config.workflow_timeout_seconds == 5
    config.workflow_timeout_seconds = None  # type: ignore[assignment]
    assert config.pipeline_timeout_seconds is None
    assert "max_concurrent_tasks=4" in repr(config)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrent_tasks", 0),
        ("db_pool_size", -1),
        ("cron_poll_interval_seconds", -1),
        ("cron_poll_interval_seconds", True),
        ("cron_enable_recovery", 1),
        ("max_concurent_tasks", 3),
    ],
)
def test_options_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        cloaca.DefaultRunnerConfig(**{name: value})
    with pytest.raises(AttributeError):
        cloaca.DefaultRunnerConfig().no_such_option  # type: ignore[attr-defined]


def test_a_runner_keeps_its_options(url: str) -> None:
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=2, cron_poll_interval_seconds=5)
    with cloaca.DefaultRunner.with_config(url, config) as runner:
        config.max_concurrent_tasks = 9
        assert runner.config == cloaca.DefaultRunnerConfig(max_concurrent_tasks=2, cron_poll_interval_seconds=5)
    with cloaca.DefaultRunner.with_config(url, holdwater.DefaultRunnerConfig(db_pool_size=3)) as runner:
        assert runner.config == cloaca.DefaultRunnerConfig(db_pool_size=3)


def test_results(url: str) -> None:
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task(id="double")
        def double(context: cloaca.Context) -> cloaca.Context:
            context.set("x", 2 * context.get("x"))
            return context

    with cloaca.DefaultRunner(url) as runner:
        result = runner.execute("w", cloaca.Context({"x": 21}))
        assert isinstance(result, cloaca.PipelineResult)
        assert (result.status, result.error_message, result.final_context["x"]) == ("Completed", None, 42)
        with pytest.raises(ValueError):
            runner.execute("unknown", cloaca.Context())
    with pytest.raises(ValueError):
        runner.execute("w", cloaca.Context())
