"""`python -m holdwater.compat.cloacinactl`: the command line of Cloacina, translated into Holdwater's.

`daemon` with its options, `status`, `health`, `reload` and `stop`.  `--home` and `-v` are also understood before the
command, and the home is `~/.cloacina` where there is one and none of Holdwater's.  The rest raises NotInThisVersion.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from holdwater.compat.stubs import NotInThisVersion

ORIGINAL_HOME: Final = "~/.cloacina"
_OF_THE_DAEMON: Final = ("status", "health", "reload", "stop")
_GLOBAL_FLAGS: Final = ("-v", "--verbose")
_ELSEWHERE: Final = {
    "serve": "the API server is not in this version; `holdwater daemon --ui` serves one database on this machine",
    "package": "`holdwater package` builds, inspects, signs and lists packages",
    "config": "config.toml of the home is edited by hand; `holdwater daemon reload` takes it in",
    "admin": "`holdwater prune` and `holdwater retention` delete old runs",
}


def translate(arguments: Sequence[str]) -> list[str]:
    """Translate the words behind `cloacinactl` into those behind `holdwater`.  Raises NotInThisVersion."""
    words = list(arguments)
    moved: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("--help", "-h", "--version"):
        word = words.pop(0)
        moved.append(word)
        if word == "--home" and words:
            moved.append(words.pop(0))
    command = words[0] if words else "--help"
    if command in ("--help", "-h", "--version"):
        return [command]
    if command in _OF_THE_DAEMON:
        return ["daemon", command, *[word for word in moved if word not in _GLOBAL_FLAGS], *words[1:]]
    if command != "daemon":
        raise NotInThisVersion(f"cloacinactl {command} is not here", hint=_ELSEWHERE.get(command, "holdwater --help"))
    rest = words[1:]
    if rest and rest[0] in _OF_THE_DAEMON:
        return ["daemon", rest[0], *[word for word in moved if word not in _GLOBAL_FLAGS], *rest[1:]]
    return ["daemon", "start", *moved, *(rest[1:] if rest[:1] == ["start"] else rest)]


def main() -> NoReturn:
    """Become the command of Holdwater; exits with 2 for what is not here."""
    if "HOLDWATER_HOME" not in os.environ:
        original = Path(ORIGINAL_HOME).expanduser()
        if original.is_dir() and not Path("~/.holdwater").expanduser().exists():
            os.environ["HOLDWATER_HOME"] = str(original)
    try:
        words = translate(sys.argv[1:])
    except NotInThisVersion as error:
        print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", "holdwater", *words])


if __name__ == "__main__":
    main()
