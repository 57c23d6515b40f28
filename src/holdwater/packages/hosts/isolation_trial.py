"""The trial of an isolation: a program that does nothing is started in it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from holdwater.errors import IsolationUnavailable

TRIAL_SECONDS: Final = 30.0
MAX_SHOWN_CHARS: Final = 500


def try_program(
    command: Sequence[str], label: str, hint: str, *, user: int | None = None, group: int | None = None
) -> None:
    """Run a program to its end.  Raises IsolationUnavailable with the last line of what it says if it fails."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"},
            cwd="/",
            timeout=TRIAL_SECONDS,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationUnavailable(f"{label}: {error}", hint=hint) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise IsolationUnavailable(f"{label}: {said[-1][:MAX_SHOWN_CHARS]}", hint=hint)
