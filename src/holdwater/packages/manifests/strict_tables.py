"""Reading of TOML and JSON files without tolerance: every key is known and of its type, or an error names its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import HoldwaterError, ManifestError
from holdwater.model.suggestions import did_you_mean

KeyPath = tuple[str | int, ...]
"""keys and indexes from the top of a file to a value"""

_HEADER: Final = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?\Z")
_ASSIGNMENT: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*="""
)
_ERROR_LINE: Final = re.compile(r"\s*\(at line (\d+), column \d+\)\Z")
_MAX_CHARS: Final = 65_536


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is read: its name and text, for messages."""

    name: str
    text: str
    make_error: Callable[[str, str], HoldwaterError] = lambda message, hint: ManifestError(message, hint=hint)
    """makes the error of (message, hint)"""

    def error(self, path: KeyPath, problem: str, hint: str = "") -> HoldwaterError:
        """Make the error for a value: `FILE, line N: KEY: PROBLEM`."""
        line = _json_line(self.text, path) if self.text.lstrip().startswith("{") else _toml_line(self.text, path)
        key = f"{format_key(path)}: " if path else ""
        return self.make_error(f"{self.name}, line {line}: {key}{problem}", hint)


def format_key(path: KeyPath) -> str:
    """`schedules[0].cron`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else str(part)
    return shown


def parse_toml(source: SourceFile) -> Table:
    """Parse a TOML file.  Raises the file's error (ManifestError)."""
    try:
        data = tomllib.loads(source.text)
    except RecursionError:
        raise source.make_error(f"{source.name}: the file is nested too deeply", "") from None
    except ValueError as error:
        said, line = str(error), getattr(error, "lineno", None)
        found = _ERROR_LINE.search(said)
        where = f", line {line or (found[1] if found else 1)}"
        raise source.make_error(f"{source.name}{where}: {_ERROR_LINE.sub('', said)}", "") from None
    return Table(data, source)


def parse_json(source: SourceFile) -> Table:
    """Parse a JSON file whose top is an object without doubled keys.  Raises the file's error (ManifestError)."""
    try:
        data = json.loads(source.text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError:
        raise source.make_error(f"{source.name}: the file is nested too deeply", "") from None
    except json.JSONDecodeError as error:
        raise source.make_error(f"{source.name}, line {error.lineno}: {error.msg}", "") from None
    except ValueError as error:
        raise source.make_error(f"{source.name}: {error}", "") from None
    if not isinstance(data, dict):
        raise source.make_error(f"{source.name}: its top is no object", "")
    return Table(data, source)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} comes twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


class Table:
    """A table of a file, whose keys are taken one by one; `close` refuses those that are left.

    Every method raises the file's error (ManifestError), with its line and key.  A key without a default has to be
    there.
    """

    def __init__(self, data: Mapping[str, Any], source: SourceFile, path: KeyPath = ()) -> None:
        self.data = data
        self._source = source
        self._path = path
        self._taken: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def keys(self) -> list[str]:
        """Return the keys of the table, those not taken included."""
        return list(self.data)

    def error(self, key: str | int | None, problem: str, hint: str = "") -> HoldwaterError:
        """Make the error for a key of this table; None: for the table."""
        return self._source.error(self._path if key is None else (*self._path, key), problem, hint)

    def take(self, key: str) -> Any:
        """Return a value of any type, None without it."""
        self._taken.append(key)
        return self.data.get(key)

    def text(self, key: str, default: str | None = None, *, max_chars: int = 1000) -> str:
        """Return a text without control characters other than line breaks."""
        value: str = self._typed(key, default, str, "a text")
        if len(value) > max_chars:
            raise self.error(key, f"more than {max_chars:,} characters")
        if not value.replace("\n", "").replace("\t", "").isprintable():
            raise self.error(key, "control characters")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of several texts."""
        value = self.text(key, default)
        if value not in choices:
            hint = did_you_mean(value, choices) or f"one of {', '.join(choices)}"
            raise self.error(key, f"{value[:100]!r} is none of its values", hint)
        return value

    def integer(self, key: str, default: int | None = None, *, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`."""
        value: int = self._typed(key, default, int, "a whole number")
        if not least <= value <= most:
            raise self.error(key, f"{str(value)[:100]} is not from {least:,} to {most:,}")
        return value

    def number(self, key: str, default: float | None = None, *, least: float, most: float) -> float:
        """Return a number from `least` to `most`."""
        value: float = self._typed(key, default, (int, float), "a number")
        if not least <= value <= most:  # false for NaN, too; a whole number may be too large for a float
            raise self.error(key, f"{str(value)[:100]} is not from {least:g} to {most:g}")
        return float(value)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """Return true or false."""
        found: bool = self._typed(key, default, bool, "true or false")
        return found

    def texts(self, key: str, *, max_items: int = 100, max_chars: int = 1000) -> tuple[str, ...]:
        """Return a list of different texts; empty without the key."""
        values: list[Any] = self._typed(key, [], list, "a list of texts")
        if len(values) > max_items:
            raise self.error(key, f"more than {max_items:,} items")
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= max_chars:
                raise self._source.error((*self._path, key, index), "not a text, or empty, or too long")
            if value in values[:index]:
                raise self._source.error((*self._path, key, index), f"{value!r} comes twice")
        return tuple(values)

    def table(self, key: str, *, required: bool = False) -> Table:
        """Return a table; an empty one without the key."""
        data = self._typed(key, None if required else {}, dict, "a table")
        return Table(data, self._source, (*self._path, key))

    def tables(self, key: str, *, max_items: int) -> list[Table]:
        """Return a list of tables; empty without the key."""
        items: list[Any] = self._typed(key, [], list, "a list of tables")
        if len(items) > max_items:
            raise self.error(key, f"more than {max_items:,} of them")
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise self._source.error((*self._path, key, index), "not a table")
        return [Table(item, self._source, (*self._path, key, index)) for index, item in enumerate(items)]

    def json_object(self, key: str) -> dict[str, Any]:
        """Return a table of what JSON has: texts, numbers, booleans, lists, tables; empty without the key."""
        value: dict[str, Any] = self._typed(key, {}, dict, "a table")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise self.error(key, f"it has a value that JSON has not: {error}", "write dates as texts") from None
        return value

    def close(self) -> None:
        """Refuse the keys that were not taken."""
        for key in self.data:
            if key not in self._taken:
                known = [name for name in self._taken if name not in self.data] or self._taken
                hint = did_you_mean(key, known) or f"the keys of this table are {', '.join(sorted(self._taken))}"
                raise self.error(key, "the key is unknown", hint)

    def _refuse_misspelt(self, wanted: str) -> None:
        for key in self.data:
            if key not in self._taken and (hint := did_you_mean(key, [wanted])):
                raise self.error(key, "the key is unknown", hint)

    def _typed(self, key: str, default: Any, kind: type | tuple[type, ...], shown: str) -> Any:
        self._taken.append(key)
        if key not in self.data:
            if default is None:
                self._refuse_misspelt(key)
                raise self._source.error(self._path, f"the key {key!r} is missing")
            return default
        value = self.data[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"not {shown}")
        return value


def _toml_line(text: str, path: KeyPath) -> int:
    """Return the line of the value at a path, or of the table around it."""
    best_line, best_depth = 1, 0
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _keys(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found = table
        elif assignment := _ASSIGNMENT.match(line):
            found = (*table, *_keys(assignment[1]))
        else:
            continue
        if best_depth < len(found) <= len(path) and path[: len(found)] == found:
            best_line, best_depth = number, len(found)
    return best_line


def _keys(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _json_line(text: str, path: KeyPath) -> int:
    """Return about the line of the value at a path: that of its key, after those of the keys above it."""
    position = 0
    for key in path:
        if isinstance(key, str):
            found = text.find(json.dumps(key, ensure_ascii=False), position)
            position = max(found, position)
    return text.count("\n", 0, position) + 1
