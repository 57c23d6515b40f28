"""The home of a daemon or a server, and the text of its `config.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdwater.errors import ConfigError

CONFIG_NAME: Final = "config.toml"
DEFAULT_HOME: Final = "~/.holdwater"
HOME_VARIABLE: Final = "HOLDWATER_HOME"
MAX_CONFIG_BYTES: Final = 1024 * 1024


def resolve_home(flag: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the home: that of the flag, else of HOLDWATER_HOME, else `~/.holdwater`."""
    return Path(flag or environment.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


def read_config_file(path: Path) -> str:
    """Read the text of a file; one that is not there is empty.  Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} has more than {MAX_CONFIG_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: it is not UTF-8") from error
