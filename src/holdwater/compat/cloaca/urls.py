"""The original's reading of SQLite URLs: the text after `sqlite://` is the path."""

from __future__ import annotations

from pathlib import PurePosixPath

from holdwater.model.log_context import get_logger

_log = get_logger(__name__)


def translate_url(url: str) -> str:
    """Translate to a URL for Holdwater: three slashes relative, four absolute.

    A bare path and `sqlite://PATH` are relative.  `sqlite:///a/b.db` is absolute, which is logged with the path at
    INFO; `sqlite:///app.db` would be a file in the root directory and stays relative to the working directory.
    Any other text is returned as it is, so that Holdwater raises its own error for a malformed URL.
    """
    if not isinstance(url, str):
        return url
    scheme, mark, rest = url.partition("://")
    if not mark:
        is_path = url.strip() and (url == ":memory:" or ":" not in url.partition("/")[0])
        return f"sqlite:///{url}" if is_path else url
    if scheme.lower() != "sqlite" or rest.startswith(("./", "../", "//")) or rest.partition("?")[0] in ("", "/"):
        return url
    if not rest.startswith("/"):
        return f"sqlite:///{rest}"
    path = PurePosixPath(rest.partition("?")[0])
    if len(path.parts) < 3 or path.parts[1] == ".." or rest.startswith("/./"):
        return url
    _log.info("%s: the database is the absolute path %s", url, path)
    return f"sqlite:///{rest}"
