"""Commands that messages name as the next step, complete, so that they can be copied."""

from __future__ import annotations

import os
import shlex

from penstock.cli.options import DATABASE, DATABASE_VARIABLE
from penstock.cli.text import clean


def command(*words: str, database: str) -> str:
    """`penstock WORDS... --database URL`, quoted for a shell, without the password; no URL where it is the default."""
    from penstock.storage.urls import masked

    is_default = database == DATABASE and not os.environ.get(DATABASE_VARIABLE)
    where = [] if is_default else ["--database", masked(database)]
    return clean(shlex.join(["penstock", *words, *where]))


def outlives_the_process(database: str) -> bool:
    """Whether another command can open the database."""
    from penstock.storage.urls import parse

    where = parse(database)
    return where.dialect == "postgresql" or where.path is not None
