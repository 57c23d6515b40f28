"""Scripts, styles and the icon of the pages, under a path with their fingerprint: browsers keep them for good.

Sources are as people write them; what is sent has no comments and no layout.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException, Response

DIRECTORY: Final = "static"
MEDIA_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""by the ending of a name"""
KEPT: Final = "public, max-age=31536000, immutable"
ASKED_AGAIN: Final = "no-cache"
FINGERPRINT_DIGITS: Final = 12

_STRING: Final = re.compile(r'("[^"\n]*")')
_JS_TEXT: Final = re.compile(
    r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`|(?<=\()/(?![/*])(?:[^/\\\n]|\\.)+/)"""
)
"""texts, templates, and regular expressions that are arguments"""
_JS_MARK: Final = re.compile(r" ?([,;:{}()=<>&|?!*\[\]]) ?")
"""signs that need no white space; + and - are not among them: `a + +b`"""

router = APIRouter()


@cache
def static_files() -> dict[str, bytes]:
    """Return all files by name, as they are sent."""
    found = {}
    for file in (resources.files("holdwater.server") / DIRECTORY).iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in MEDIA_TYPES:
            text = file.read_text(encoding="utf-8")
            found[file.name] = {"css": compact_css, "js": compact_js}.get(ending, str)(text).encode()
    return found


@cache
def fingerprint() -> str:
    """Return the fingerprint of all files together: modules import each other by relative paths."""
    digest = hashlib.sha256()
    for name, body in sorted(static_files().items()):
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()[:FINGERPRINT_DIGITS]


def compact_css(text: str) -> str:
    """Leave out comments, and white space that means nothing; texts in quotes stay as they are."""
    parts = _STRING.split(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    parts[::2] = [_compact_rules(part) for part in parts[::2]]
    return "".join(parts).strip()


def _compact_rules(text: str) -> str:
    packed = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", text))
    return packed.replace(": ", ":").replace(";}", "}")


def compact_js(text: str) -> str:
    """Leave out comments, empty lines, and white space around signs; no text goes on over the end of its line."""
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join([_compact_line(line) for line in lines if line and not line.startswith("//")]) + "\n"


def _compact_line(line: str) -> str:
    packed = []
    for number, part in enumerate(_JS_TEXT.split(line)):
        if number % 2:
            packed.append(part)
            continue
        code, is_comment, _ = part.partition(" // ")
        packed.append(_JS_MARK.sub(r"\1", code))
        if is_comment:
            break
    return "".join(packed).strip()


@router.api_route("/static/{version}/{name}", methods=["GET", "HEAD"], include_in_schema=False)
def static_file(version: str, name: str) -> Response:
    """Send a file; for good under its own fingerprint, else as it is now."""
    body = static_files().get(name)
    if body is None:
        raise HTTPException(404, f"there is no file {name!r}")
    kept = KEPT if version == fingerprint() else ASKED_AGAIN
    return Response(body, media_type=MEDIA_TYPES[name.rpartition(".")[2]], headers={"cache-control": kept})
