"""`holdwater audit`: the audit log of a server."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import options, time_arguments
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, truncate
from holdwater.cli.place_options import server_place_options
from holdwater.cli.places import ServerPlace
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.client.interface.tenants import AuditOutcome, AuditRecord

OUTCOMES: Final = ("asked", "done", "refused", "failed")


@click.command()
@click.option("--all", "of_all_tenants", is_flag=True, help="Of all tenants and the server itself.")
@click.option("--verb", metavar="VERB", help="Of this verb alone: key.create.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="With this outcome alone.")
@click.option("--author", metavar="KEY", help="By the key of this id or name alone.")
@click.option("--since", metavar="TIME", help="Of this time and later: 2h, 7d, or an instant.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many rows.")
@server_place_options
@options.json_option("the rows")
def audit(
    of_all_tenants: bool,
    verb: str | None,
    outcome: AuditOutcome | None,
    author: str | None,
    since: str | None,
    limit: int,
    place: ServerPlace,
    as_json: bool,
) -> None:
    """List what was asked for, by which key, and what became of it, the newest first."""
    start = None if since is None else time_arguments.parse_since(since)
    with place.controlling() as opened:
        kept = opened.audit.iter_records(
            of_all_tenants=of_all_tenants, verb=verb, outcome=outcome, author=author, since=start
        )
        found = list(itertools.islice(kept, limit))
    if as_json:
        click.echo(json.dumps([{**asdict(one), "at": to_rfc3339(one.at)} for one in found], indent=2))
        return
    rows = [("AT", "BY", "TENANT", "VERB", "TARGET", "OUTCOME")]
    click.echo("\n".join(align_columns([*rows, *[_row(one) for one in found]])))


def _row(one: AuditRecord) -> tuple[str, ...]:
    code = f" ({one.code})" if one.code else ""
    cells = [truncate(text, 60) for text in (one.by, one.tenant or "", one.verb, one.target)]
    return (format_instant(to_rfc3339(one.at)), *cells, escape_unsafe(f"{one.outcome}{code}"))
