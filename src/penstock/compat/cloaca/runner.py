"""The runner and its options, as the original is told them."""

from __future__ import annotations

from typing import Any

from penstock.compat.cloaca.absent import CONFIG_OPTIONS, RunnerMethods
from penstock.compat.cloaca.urls import translated
from penstock.model.errors import ConfigError
from penstock.runners import config as product
from penstock.runners.default import DefaultRunner as Runner


class DefaultRunnerConfig(product.DefaultRunnerConfig):
    """Penstock's options, and those of the original's scheduler, which are checked, kept and have no effect yet:
    `enable_cron_scheduling` and everything that begins with `cron_` (times in the unit of the name).
    """

    def __init__(self, **options: Any) -> None:
        object.__setattr__(self, "_kept", dict(CONFIG_OPTIONS))
        super().__init__(**options)

    _kept: dict[str, bool | int]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in CONFIG_OPTIONS:
            super().__setattr__(name, value)
            return
        default = CONFIG_OPTIONS[name]
        if type(value) is not type(default) or value < 0:
            wanted = "True or False" if isinstance(default, bool) else "an integer of 0 or more"
            raise ConfigError(f"{name} must be {wanted}, not {value!r}")
        self._kept[name] = value

    def __getattr__(self, name: str) -> bool | int:
        if name in CONFIG_OPTIONS:
            return self._kept[name]
        raise AttributeError(f"{type(self).__name__} has no option {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Every option by name, those without effect included."""
        return {**super().to_dict(), **self._kept}

    def plain(self) -> product.DefaultRunnerConfig:
        """The options that Penstock has."""
        return product.DefaultRunnerConfig(**super().to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultRunnerConfig) and self.to_dict() == other.to_dict()

    __hash__ = None

    def __repr__(self) -> str:
        default = DefaultRunnerConfig().to_dict()
        shown = [f"{k}={v!r}" for k, v in self.to_dict().items() if v != default[k] or k == "max_concurrent_tasks"]
        return f"DefaultRunnerConfig({', '.join(shown)})"


class DefaultRunner(Runner, RunnerMethods):
    """Penstock's runner, with database URLs as the original reads them.  Raises what that raises."""

    def __init__(
        self, database_url: str, *, config: product.DefaultRunnerConfig | None = None, schema: str | None = None
    ) -> None:
        given = DefaultRunnerConfig() if config is None else config
        plain = given.plain() if isinstance(given, DefaultRunnerConfig) else given
        super().__init__(translated(database_url), config=plain, schema=schema)
        self._given = DefaultRunnerConfig(**given.to_dict())

    @property
    def config(self) -> DefaultRunnerConfig:
        """A copy of the options it runs with."""
        return DefaultRunnerConfig(**self._given.to_dict())
