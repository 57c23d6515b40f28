"""Profiles of the command line: servers by name, in the tables `[client]` of `config.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.service.config_file import CONFIG_NAME, read_config_file

TABLE: Final = "client"
PROFILES: Final = "profiles"
CURRENT: Final = "profile"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER: Final = re.compile(r"\s*\[")
_FIELDS: Final = ("server", "api_key", "tenant")


@dataclass(frozen=True, slots=True)
class Profile:
    """A server.  `api_key`: the place of the key: `env:NAME` or `file:PATH`; "": it is given at each call."""

    server: str
    api_key: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of a home.  `current`: the one that is used where a command names no place, "": none."""

    by_name: Mapping[str, Profile]
    current: str = ""

    def get(self, name: str) -> Profile:
        """Return a profile.  Raises ConfigError."""
        found = self.by_name.get(name)
        if found is None:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise ConfigError(
                f"there is no profile {name!r}", hint=f"there are: {known}; `holdwater config profile set`"
            )
        return found


def read_profiles(home: Path) -> Profiles:
    """Read the profiles of a home; other tables of the file are not looked at.  Raises ConfigError."""
    path = home / CONFIG_NAME
    table = _table_of(_parse(read_config_file(path), path), path)
    profiles = table.get(PROFILES, {})
    if not isinstance(profiles, dict):
        raise ConfigError(f"{path}: [{TABLE}.{PROFILES}] is no table")
    current = table.get(CURRENT, "")
    if not isinstance(current, str):
        raise ConfigError(f"{path}: {CURRENT} of [{TABLE}] is no text")
    return Profiles({name: _profile_of(name, found, path) for name, found in profiles.items()}, current)


def write_profiles(home: Path, profiles: Profiles) -> None:
    """Write the profiles of a home; the rest of the file stays as it is.  Raises ConfigError."""
    for name in profiles.by_name:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot be the name of a profile", hint="letters, digits, - and _")
    path = home / CONFIG_NAME
    before = read_config_file(path)
    text = _without_table(before).rstrip("\n")
    after = f"{text}\n\n{_to_toml(profiles)}" if text else _to_toml(profiles)
    if _rest_of(_parse(after, path)) != _rest_of(_parse(before, path)):
        raise ConfigError(f"{path} cannot be changed by a program", hint=f"edit its tables [{TABLE}] by hand")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace_file(path, after)


def _to_toml(profiles: Profiles) -> str:
    lines = [f"[{TABLE}]", *([f"{CURRENT} = {_quote(profiles.current)}"] if profiles.current else [])]
    for name, profile in sorted(profiles.by_name.items()):
        lines += ["", f"[{TABLE}.{PROFILES}.{name}]"]
        lines += [f"{key} = {_quote(value)}" for key, value in asdict(profile).items() if value]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Write a text as TOML has it."""
    escaped = "".join([one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in text])
    return f'"{escaped}"'


def _without_table(text: str) -> str:
    """Remove `[client]` and the tables in it from the text of a file."""
    kept: list[str] = []
    is_ours = False
    for line in text.splitlines():
        if _HEADER.match(line):
            name = line.strip().lstrip("[").partition("]")[0].strip()
            is_ours = name == TABLE or name.startswith(f"{TABLE}.")
        if not is_ours:
            kept.append(line)
    return "\n".join(kept)


def _rest_of(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != TABLE}


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _table_of(data: dict[str, Any], path: Path) -> dict[str, Any]:
    table = data.get(TABLE, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {TABLE} is no table")
    return table


def _profile_of(name: str, data: object, path: Path) -> Profile:
    where = f"{path}: [{TABLE}.{PROFILES}.{name}]"
    if not isinstance(data, dict) or any(not isinstance(value, str) for value in data.values()):
        raise ConfigError(f"{where} has texts: {', '.join(_FIELDS)}")
    unknown = [key for key in data if key not in _FIELDS]
    if unknown:
        raise ConfigError(f"{where} has no {unknown[0]!r}", hint=f"it has {', '.join(_FIELDS)}")
    if not data.get("server"):
        raise ConfigError(f"{where} names no server")
    return Profile(**data)


def _replace_file(path: Path, text: str) -> None:
    """Write a file as a whole, for this user alone.  Raises ConfigError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
