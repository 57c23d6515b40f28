"""Text for people."""

from __future__ import annotations

import click

from holdwater.cli.formatting import align_columns


def test_colours_take_no_room_in_a_table() -> None:
    rows = [("NAME", "STATE", "AT"), ("shop", click.style("active", fg="green"), "now"), ("a", "broken", "then")]
    assert [click.unstyle(line) for line in align_columns(rows)] == [
        "NAME  STATE   AT",
        "shop  active  now",
        "a     broken  then",
    ]
