"""Settings from three places: options declared once, read from a TOML file, and from variables of the environment.

A variable takes precedence over the file.  The file is read without tolerance: an unknown key, or a value that cannot
be, is an error with its line and key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import ConfigError, HoldwaterError
from holdwater.packages.manifests.strict_tables import SourceFile, Table, parse_toml

VARIABLE_PREFIX: Final = "HOLDWATER_"

ReadOption = Callable[[Table, str], Any]
"""reads the value of a key of a table, which is there; raises its error"""


@dataclass(frozen=True, slots=True)
class DeclaredOption:
    """A setting.  `table`: where it is in the file, dotted, "" for the top.  `read`: see `ReadOption`.

    `aliases`: further names of its variable.  `needs_restart`: a process that runs does not take a new value.
    """

    table: str
    key: str
    read: ReadOption
    needs_restart: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """`TABLE.KEY`."""
        return f"{self.table}.{self.key}" if self.table else self.key

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of its variables, the first that is set counts: `HOLDWATER_TABLE_KEY`."""
        return (VARIABLE_PREFIX + self.path.replace(".", "_").upper(), *self.aliases)


def read_options(
    options: Iterable[DeclaredOption], text: str, file_name: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Read the options that are given, by path.  Raises ConfigError."""
    found: dict[str, Any] = {}
    source = SourceFile(file_name, text, _config_error)
    tables: dict[str, Table] = {"": parse_toml(source)}
    by_table: dict[str, list[DeclaredOption]] = {"": []}
    for option in options:
        for name in _parents(option.table):
            by_table.setdefault(name, [])
        by_table[option.table].append(option)
    for name in sorted(by_table):  # a table comes after the one it is in
        if name:
            parent, _, key = name.rpartition(".")
            tables[name] = tables[parent].table(key)
        for option in by_table[name]:
            table = tables[name]
            found |= {option.path: option.read(table, option.key)} if option.key in table else {}
            table.take(option.key)
    for table in tables.values():
        table.close()
    for declared in by_table.values():
        for option in declared:
            for variable in option.variables:
                if environment.get(variable, ""):
                    found[option.path] = _read_variable(option, variable, environment[variable])
                    break
    return found


def _parents(table: str) -> list[str]:
    parts = table.split(".") if table else []
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _read_variable(option: DeclaredOption, variable: str, text: str) -> Any:
    """Read a variable: a text as it is, a number, `true` or `false`, a list with commas.  Raises ConfigError."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        value = text

    def make_error(message: str, hint: str) -> HoldwaterError:
        return ConfigError(f"the variable {variable}: {message.rpartition(': ')[2]}", hint=hint)

    last: HoldwaterError | None = None
    for candidate in (value, text, [part.strip() for part in text.split(",") if part.strip()]):
        try:
            return option.read(Table({option.key: candidate}, SourceFile(variable, "", make_error)), option.key)
        except HoldwaterError as error:
            last = last or error
    assert last is not None
    raise last


def _config_error(message: str, hint: str) -> HoldwaterError:
    return ConfigError(message, hint=hint)


# -- kinds of values


def an_integer(least: int, most: int) -> ReadOption:
    """Read a whole number from `least` to `most`."""
    return lambda table, key: table.integer(key, least=least, most=most)


def a_number(least: float, most: float) -> ReadOption:
    """Read a number from `least` to `most`."""
    return lambda table, key: table.number(key, least=least, most=most)


def a_boolean() -> ReadOption:
    """Read true or false."""
    return lambda table, key: table.boolean(key)


def a_text() -> ReadOption:
    """Read a text."""
    return lambda table, key: table.text(key)


def a_choice(*choices: str) -> ReadOption:
    """Read one of several texts."""
    return lambda table, key: table.choice(key, choices)


def texts(max_items: int = 100) -> ReadOption:
    """Read a list of different texts."""
    return lambda table, key: table.texts(key, max_items=max_items)


def texts_by_name() -> ReadOption:
    """Read a table whose values are texts."""

    def read(table: Table, key: str) -> dict[str, str]:
        found = table.json_object(key)
        for name, value in found.items():
            if not isinstance(value, str):
                raise table.error(key, f"the value of {name!r} is not a text")
        return found

    return read
