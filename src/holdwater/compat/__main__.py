"""`python -m holdwater.compat SCRIPT [ARGS]`: run a script with the shims installed, as `python SCRIPT` would."""

from __future__ import annotations

import argparse
import io
import os
import sys
from types import ModuleType, TracebackType

from holdwater.compat import SHIMS, install


def main() -> None:
    """Run the script of the command line.  Its exceptions propagate, SystemExit included."""
    parser = argparse.ArgumentParser(
        prog="python -m holdwater.compat",
        description=f"Run a script with Holdwater in the place of {', '.join(SHIMS)}.",
    )
    parser.add_argument("--force", action="store_true", help="also in the place of one that is installed")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    path = os.path.abspath(given.script)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        parser.error(f"cannot open {given.script}: {error.strerror}")
    sys.argv[:] = [given.script, *given.arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    for name in sorted(SHIMS.keys() - install(force=given.force)):
        print(f"{parser.prog}: {name} is installed and used as it is; --force replaces it", file=sys.stderr)
    module = ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module  # unpickling looks up classes of the script there
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except SystemExit:
        raise
    except BaseException as error:
        _trim_traceback(error.__traceback__ and error.__traceback__.tb_next)
        raise


def _trim_traceback(trace: TracebackType | None) -> None:
    """Show the propagating error without the frames above the script."""
    shown = sys.excepthook  # the script may have set its own

    def show(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        shown(kind, error.with_traceback(trace), trace)

    sys.excepthook = show


if __name__ == "__main__":
    main()
