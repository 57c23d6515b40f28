"""`holdwater retention`: the rule by which the runners of a database delete old runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options
from holdwater.cli.formatting import escape_unsafe, format_instant, pluralize
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.model.retention import RetentionRule
    from holdwater.operations.pruning import StoredRetention


@click.group()
def retention() -> None:
    """Say which old runs are kept, and for how long."""


@retention.command()
@place_options
@options.json_option("the rule")
def show(place: Place, as_json: bool) -> None:
    """Show the rule of a database."""
    with place.reading() as opened:
        _print_rule(opened.retention.get_rule(), as_json)


@retention.command("set")
@click.option("--days", type=float, help="Delete runs that ended so many days ago.")
@click.option("--days-failed", type=float, help="Delete failed runs after so many days, if not as the others.")
@click.option("--logs-days", type=float, help="Delete the logs of runs that ended so many days ago.")
@click.option("--keep-label", metavar="KEY[=VALUE]", multiple=True, help="Keep runs with this label; may be repeated.")
@click.option("--off", is_flag=True, help="No rule: runs are kept, but for options of runners.")
@place_options
@options.json_option("the rule")
def set_(
    days: float | None,
    days_failed: float | None,
    logs_days: float | None,
    keep_label: tuple[str, ...],
    off: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Set the rule of a database, in place of an earlier one; its runners obey it within an hour."""
    from holdwater.model.retention import RetentionRule

    rule = RetentionRule(days, days_failed, keep_label, logs_days)
    if off is not rule.is_empty or (off and keep_label):
        raise click.UsageError("give --days, --days-failed or --logs-days, or --off alone")
    with place.writing() as opened:
        _print_rule(opened.retention.set_rule(rule), as_json)


@retention.command()
@click.option("--days", type=float, help="Preview with this number of days in the rule.")
@place_options
@options.json_option("the numbers of runs by status, and their bytes")
def preview(days: float | None, place: Place, as_json: bool) -> None:
    """Count what the rule would delete now, with its bytes; changes nothing."""
    with place.reading() as opened:
        rule = opened.retention.get_rule().rule
        found = opened.retention.preview(rule if days is None else replace(rule, days=days))
    if as_json:
        counts = {status: {"count": one.count, "more": one.is_capped} for status, one in found.counts.items()}
        click.echo(json.dumps({"counts": counts, "bytes": found.size_bytes, "estimated": found.is_size_estimated}))
        return
    by_status = ", ".join([f"{count} {status}" for status, count in found.counts.items()]) or "no run"
    about = "about " if found.is_size_estimated else ""
    click.echo(f"{by_status}; {about}{found.size_bytes:,} bytes of journals and logs")


@retention.command()
@place_options
@options.json_option("how many runs are gone")
def apply(place: Place, as_json: bool) -> None:
    """Delete what the rule says at once, without waiting for a runner."""
    with place.writing() as opened:
        gone = opened.retention.apply()
    click.echo(json.dumps({"pruned": gone}) if as_json else f"{pluralize(gone, 'run')} pruned")


def _print_rule(stored: StoredRetention, as_json: bool) -> None:
    changed_at = None if stored.changed_at is None else to_rfc3339(stored.changed_at)
    if as_json:
        data: dict[str, Any] = stored.rule.to_data() | {"changed_at": changed_at, "changed_by": stored.changed_by}
        click.echo(json.dumps(data, indent=2))
        return
    click.echo("\n".join(_rule_lines(stored.rule)))
    if changed_at is not None:
        click.echo(f"set {format_instant(changed_at)} by {escape_unsafe(stored.changed_by) or 'an unknown author'}")


def _rule_lines(rule: RetentionRule) -> list[str]:
    if rule.is_empty:
        return ["there is no rule: runs are kept, but for options of runners"]
    failed = rule.days if rule.days_failed is None else rule.days_failed
    lines = [
        f"ended runs   {_describe_days(rule.days)}",
        f"failed runs  {_describe_days(failed)}",
        f"logs         {'go with their runs' if rule.logs_days is None else _describe_days(rule.logs_days)}",
    ]
    if rule.keep_labels:
        lines.append(f"kept         runs with {escape_unsafe(' or '.join(rule.keep_labels))}")
    return lines


def _describe_days(days: float | None) -> str:
    return "are kept" if days is None else f"are deleted after {days:g} days"
