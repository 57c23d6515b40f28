"""Labels as they are given on the command line: KEY=VALUE."""

from __future__ import annotations

from collections.abc import Iterable

import click


def parse_labels(given: Iterable[str]) -> dict[str, str]:
    """Parse labels.  Raises UsageError, and InvalidArgument for a key or a value that cannot be one."""
    from holdwater.model.provenance import check_labels

    labels: dict[str, str] = {}
    for one in given:
        key, found, value = one.partition("=")
        if not found:
            raise click.UsageError(f"--label {one}: write KEY=VALUE")
        if key in labels:
            raise click.UsageError(f"--label {one}: {key} was given before")
        labels[key] = value
    return check_labels(labels)
