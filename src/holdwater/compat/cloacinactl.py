"""`python -m holdwater.compat.cloacinactl`: the command line of Cloacina, translated into Holdwater's.

`daemon`, `serve`, `server`, and the nouns `package`, `workflow`, `execution`, `tenant`, `key`, `trigger`, `secret` with
their verbs.  `--home`, `-v`, `--profile`, `--server`, `--api-key`, `--tenant`, `--json` and `-o table|json` are
understood anywhere.  Homes and variables of Cloacina are used where there are none of Holdwater's, with a warning.  The
rest raises NotInThisVersion.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from holdwater.compat.stubs import NotInThisVersion

ORIGINAL_HOME: Final = "~/.cloacina"
OUR_HOME: Final = "~/.holdwater"
VARIABLES: Final = {
    "CLOACINA_HOME": "HOLDWATER_HOME",
    "CLOACINA_DATABASE_URL": "DATABASE_URL",
    "CLOACINA_BOOTSTRAP_KEY": "HOLDWATER_BOOTSTRAP_KEY",
    "CLOACINA_REQUIRE_SIGNATURES": "HOLDWATER_REQUIRE_SIGNATURES",
    "CLOACINA_SERVER": "HOLDWATER_SERVER",
    "CLOACINA_API_KEY": "HOLDWATER_API_KEY",
    "CLOACINA_TENANT": "HOLDWATER_TENANT",
    "CLOACINA_PROFILE": "HOLDWATER_PROFILE",
}
"""name in the environment of the original -> ours"""

_OF_THE_DAEMON: Final = ("status", "health", "reload", "stop")
_OF_THE_SERVER: Final = ("start", "status", "health", "stop")
_PLACES: Final = ("--profile", "--server", "--api-key", "--tenant")
_HELP: Final = ("--help", "-h", "--version")

VERBS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("workflow", "list"): ("workflows",),
    ("workflow", "inspect"): ("workflows",),
    ("workflow", "run"): ("submit",),
    ("execution", "list"): ("runs", "list"),
    ("execution", "status"): ("runs", "show"),
    ("execution", "events"): ("runs", "follow"),
    ("tenant", "create"): ("tenants", "create"),
    ("tenant", "list"): ("tenants", "list"),
    ("tenant", "delete"): ("tenants", "remove"),
    ("key", "create"): ("keys", "create"),
    ("key", "list"): ("keys", "list"),
    ("key", "revoke"): ("keys", "revoke"),
    ("key", "rotate"): ("keys", "rotate"),
    ("trigger", "list"): ("schedules", "list"),
    ("trigger", "inspect"): ("schedules", "show"),
    ("trigger", "fire"): ("schedules", "run-now"),
    ("trigger", "pause"): ("schedules", "pause"),
    ("trigger", "resume"): ("schedules", "resume"),
    ("secret", "create"): ("secrets", "set"),
    ("secret", "rotate"): ("secrets", "set"),
    ("secret", "list"): ("secrets", "list"),
    ("secret", "delete"): ("secrets", "remove"),
    ("package", "new"): ("package", "new"),
    ("package", "build"): ("package", "build"),
    ("package", "pack"): ("package", "build"),
    ("package", "validate"): ("package", "inspect"),
    ("package", "inspect"): ("package", "inspect"),
    ("package", "upload"): ("package", "upload"),
    ("package", "list"): ("package", "list"),
    ("package", "delete"): ("package", "remove"),
    ("config", "profile"): ("config", "profile"),
}
"""noun and verb of the original -> words of ours"""
_OPTIONS: Final = {
    ("workflow", "run"): {"--context": "--inputs"},
    ("execution", "events"): {"--since": "--after"},
}
"""noun and verb -> options with another name"""
_INSTEAD: Final = {
    ("package", "publish"): "`holdwater package build`, and `holdwater package upload ARCHIVE`",
    ("secret", "get"): "`holdwater secrets list` shows what there is to know of secrets: their texts are never shown",
}
"""noun and verb of the original -> what to use instead"""
_ELSEWHERE: Final = {
    "accumulator": "graphs are workflows here: `holdwater submit` starts one, `holdwater schedules` fires triggers",
    "admin": "`holdwater runs prune --older-than 90d --database URL` deletes old runs with their events",
    "compiler": "packages are built where their source is: `holdwater package build`",
    "completions": "click completes: _HOLDWATER_COMPLETE=bash_source holdwater",
    "config": "config.toml of the home is edited by hand; `holdwater config profile` keeps servers by name",
    "graph": "graphs are workflows here: `holdwater workflows`, `holdwater runs list`",
    "instance": "`holdwater schedules add` binds a workflow to values and instants",
    "reactor": "graphs are workflows here: `holdwater submit` starts one, `holdwater schedules` fires triggers",
}


@dataclass(slots=True)
class _Words:
    """A command line without the options that may stand anywhere.

    `home`: words of `--home`; `place`: those of a server; `as_json`: answers are JSON.
    """

    rest: list[str] = field(default_factory=list)
    home: list[str] = field(default_factory=list)
    verbose: list[str] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    as_json: bool = False


def translate(arguments: Sequence[str]) -> list[str]:
    """Translate the words behind `cloacinactl` into those behind `holdwater`.  Raises NotInThisVersion."""
    words = _split(arguments)
    command, *rest = words.rest or ["--help"]
    json_flag = ["--json"] if words.as_json else []
    if command in _HELP:
        return [command]
    if command in _OF_THE_DAEMON:
        return ["daemon", command, *words.home, *json_flag, *rest]
    if command == "daemon":
        if rest and rest[0] in _OF_THE_DAEMON:
            return ["daemon", rest[0], *words.home, *json_flag, *rest[1:]]
        return ["daemon", "start", *words.home, *words.verbose, *(rest[1:] if rest[:1] == ["start"] else rest)]
    if command == "serve" or (command == "server" and rest[:1] == ["start"]):
        return ["serve", *words.home, *words.verbose, *(rest if command == "serve" else rest[1:])]
    if command == "server" and rest and rest[0] in _OF_THE_SERVER:
        return ["server", rest[0], *words.home, *json_flag, *rest[1:]]
    if command == "admin" and rest[:1] == ["cleanup-events"]:
        return _clean_up(rest[1:])
    return _noun_and_verb(command, rest, words.place, json_flag)


def _noun_and_verb(noun: str, rest: list[str], place: list[str], json_flag: list[str]) -> list[str]:
    verb, arguments = (rest[0], rest[1:]) if rest else ("", [])
    if (noun, verb) == ("execution", "events"):  # those of a run are printed until it has ended
        arguments = [word for word in arguments if word != "--follow"]
    ours = VERBS.get((noun, verb))
    if ours is None:
        hint = _INSTEAD.get((noun, verb)) or _ELSEWHERE.get(noun) or _verbs_hint(noun)
        raise NotInThisVersion(f"cloacinactl {noun} {verb} is not here".replace("  ", " "), hint=hint)
    renamed = _OPTIONS.get((noun, verb), {})
    return [*place, *ours, *[renamed.get(word, word) for word in arguments], *json_flag]


def _verbs_hint(noun: str) -> str:
    """Return the verbs that a noun has here."""
    verbs = [verb for one, verb in VERBS if one == noun]
    return f"cloacinactl {noun} {' | '.join(verbs)}" if verbs else "holdwater --help"


def _clean_up(arguments: list[str]) -> list[str]:
    """Translate the deletion of old events: they belong to runs, which go with them."""
    words = ["--database" if word == "--database-url" else word for word in arguments]
    if "--dry-run" in words:
        raise NotInThisVersion(
            "cloacinactl admin cleanup-events --dry-run is not here",
            hint="`holdwater retention preview --days 90 --database URL` counts what would go",
        )
    return ["runs", "prune", *(words if "--older-than" in words else [*words, "--older-than", "90d"])]


def _split(arguments: Sequence[str]) -> _Words:
    """Take out the options that may stand anywhere.  Raises NotInThisVersion for an output that is not here."""
    found, left = _Words(), list(arguments)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--home", *_PLACES, "-o", "--output"):
            given = value if equals else left.pop(0) if left else ""
            if name == "--home":
                found.home += [name, given]
            elif name in _PLACES:
                found.place += [name, given]
            elif given == "json":
                found.as_json = True
            elif given != "table":
                raise NotInThisVersion(
                    f"{name} {given} is not here", hint="-o json is for programs, -o table for people"
                )
        elif word == "--json":
            found.as_json = True
        elif word in ("-v", "--verbose"):
            found.verbose.append(word)
        else:
            found.rest.append(word)
    return found


def adopt_environment(environment: MutableMapping[str, str]) -> list[str]:
    """Set variables of ours from those of the original, where ours are absent; returns what was done, for people."""
    done = []
    for theirs, ours in VARIABLES.items():
        if environment.get(theirs) and not environment.get(ours):
            environment[ours] = environment[theirs]
            done.append(f"{theirs} is used as {ours}")
    original = Path(ORIGINAL_HOME).expanduser()
    if "HOLDWATER_HOME" not in environment and original.is_dir() and not Path(OUR_HOME).expanduser().exists():
        environment["HOLDWATER_HOME"] = str(original)
        done.append(f"{original} is used as the home")
    return done


def main() -> NoReturn:
    """Become the command of Holdwater; exits with 2 for what is not here."""
    for line in adopt_environment(os.environ):
        print(f"warning: {line}", file=sys.stderr)
    try:
        words = translate(sys.argv[1:])
    except NotInThisVersion as error:
        print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", "holdwater", *words])


if __name__ == "__main__":
    main()
