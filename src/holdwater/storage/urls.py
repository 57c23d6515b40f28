"""Database URLs, with SQLAlchemy's rules: `sqlite:///path` is relative, `sqlite:////path` absolute."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import parse_qsl

from holdwater.errors import DatabaseURLError

_T = TypeVar("_T")

Mode = Literal["rwc", "rw", "ro", "memory"]

DEFAULT_BUSY_TIMEOUT_MS: Final = 60_000

_URL_EXAMPLES: Final = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, sqlite:///:memory:, "
    "postgresql://user@host/database or memory://"
)
_MODES: Final[dict[str, Mode]] = {"rwc": "rwc", "rw": "rw", "ro": "ro", "memory": "memory"}
_JOURNAL_MODES: Final = ("WAL", "DELETE", "TRUNCATE", "PERSIST", "MEMORY")
_SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
_OPTIONS: Final = ("mode", "_journal_mode", "_synchronous", "_busy_timeout")


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A parsed database URL: location and options of a SQLite database; of PostgreSQL only the text.

    `path`: absolute, None for a database in memory.  `synchronous`: 0 to 3, SQLite's OFF, NORMAL, FULL, EXTRA.
    """

    text: str = field(repr=False)
    dialect: Literal["sqlite", "memory", "postgresql"]
    path: Path | None = None
    mode: Mode = "rwc"
    journal_mode: str = "WAL"
    synchronous: int = 2
    busy_timeout_ms: int = field(default=DEFAULT_BUSY_TIMEOUT_MS)


def parse_url(url: str) -> DatabaseURL:
    """Parse a database URL.  Raises DatabaseURLError with the path it means or the URL that was probably meant.

    Options of `sqlite`: `mode` (rwc, rw, ro, memory), `_journal_mode`, `_synchronous`, `_busy_timeout` (milliseconds).
    An unknown option warns.  The file system is not accessed.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark:
        raise _not_a_url_error(url)
    if scheme in ("postgresql", "postgres"):
        return DatabaseURL(url, "postgresql")  # libpq parses the rest
    if scheme == "memory":
        if rest:
            raise DatabaseURLError(f"{url!r}: memory:// takes neither a path nor options", hint="write memory://")
        return DatabaseURL(url, "memory")
    plain = scheme.partition("+")[0]
    if plain != scheme and plain in ("sqlite", "postgresql", "postgres"):
        hint = f"write {_masked_repr(f'{plain}://{rest}')[1:-1]}"
        raise DatabaseURLError(f"{_masked_repr(url)} names a driver; there is only one here", hint=hint)
    if scheme != "sqlite":
        raise DatabaseURLError(f"{_masked_repr(url)}: there is no store for {scheme!r}", hint=f"write {_URL_EXAMPLES}")
    return _parse_sqlite_url(url, rest)


def _parse_sqlite_url(url: str, location: str) -> DatabaseURL:
    place, _, query = location.partition("?")
    options = _parse_options(url, query)
    mode = _choose_option(url, options, "mode", _MODES, "rwc")
    journal = _choose_option(url, options, "_journal_mode", {m: m for m in _JOURNAL_MODES}, "WAL")
    levels = {name: n for n, name in enumerate(_SYNCHRONOUS)} | {str(n): n for n in range(len(_SYNCHRONOUS))}
    synchronous = _choose_option(url, options, "_synchronous", levels, 2)
    busy = options.get("_busy_timeout", str(DEFAULT_BUSY_TIMEOUT_MS))
    if not (busy.isascii() and busy.isdigit() and int(busy) < 2**31):
        raise DatabaseURLError(f"{url!r}: _busy_timeout={busy!r} is no number of milliseconds below 2^31")
    path = _parse_path(url, place)
    if mode == "memory":
        path = None
    return DatabaseURL(url, "sqlite", path, "memory" if path is None else mode, journal, synchronous, int(busy))


def _parse_path(url: str, location: str) -> Path | None:
    """Return the absolute path for the text between `sqlite://` and `?`; None for a database in memory."""
    if location in ("", "/", "/:memory:"):
        return None
    if location == ":memory:":
        raise DatabaseURLError(f"{url!r} has two slashes", hint="write sqlite:///:memory:")
    if "\0" in location:
        raise DatabaseURLError(f"{url!r}: a path has no NUL character")
    if location.startswith(("./", "../")):
        named = location
    elif location.startswith("/"):
        named = location[1:]
    else:
        raise DatabaseURLError(
            f"{url!r} has two slashes, so {location.partition('/')[0]!r} would be a host, and SQLite has none",
            hint=f"did you mean sqlite:///{location} (the file {os.path.abspath(location)})?",
        )
    if named.startswith("//"):  # POSIX leaves its meaning to the implementation
        named = "/" + named.lstrip("/")
    return Path(os.path.abspath(named))


def _parse_options(url: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _OPTIONS:
            options[name] = value
        else:
            warnings.warn(
                f"{url!r}: unknown option {name!r} is ignored; known are {', '.join(_OPTIONS)}",
                UserWarning,
                stacklevel=5,  # the caller of open_store or parse_url
            )
    return options


def _choose_option(url: str, options: dict[str, str], name: str, choices: dict[str, _T], default: _T) -> _T:
    if name not in options:
        return default
    given = options[name]
    for spelling, choice in choices.items():
        if given.lower() == spelling.lower():
            return choice
    raise DatabaseURLError(f"{url!r}: {name}={given!r} is none of {', '.join(choices)}")


def _not_a_url_error(url: str) -> DatabaseURLError:
    if not url.strip():
        return DatabaseURLError("the database URL is empty", hint=f"write {_URL_EXAMPLES}")
    if ":" in url.partition("/")[0] and url != ":memory:" and not re.match(r"[A-Za-z]:", url):
        scheme, _, rest = url.partition(":")
        return DatabaseURLError(
            f"{_masked_repr(url)} is no database URL", hint=f"did you mean {scheme}:///{rest.lstrip('/')}?"
        )
    return DatabaseURLError(
        f"{url!r} is a bare path, not a database URL",
        hint=f"did you mean sqlite:///{url}?" + ("" if url == ":memory:" else f" (the file {os.path.abspath(url)})"),
    )


def mask_password(url: str) -> str:
    """Mask every password in a URL; any other text is returned as it is."""
    url = re.sub(r"(://[^:/@?]*):.*@", r"\1:***@", url)  # up to the last @: a password may contain unescaped ones
    return re.sub(r"(?i)([?&](?:ssl)?password)=[^&]*", r"\1=***", url)


def _masked_repr(url: str) -> str:
    return repr(mask_password(url))
