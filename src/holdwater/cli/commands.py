"""Commands that messages name as the next step, complete, so that they can be copied."""

from __future__ import annotations

import os
import shlex

from holdwater.cli.formatting import clean
from holdwater.cli.options import DATABASE, DATABASE_VARIABLE


def command(*words: str, database: str) -> str:
    """`holdwater WORDS... --database URL`, quoted for a shell, without the password; no URL where it is the default."""
    from holdwater.storage.urls import masked

    is_default = database == DATABASE and not os.environ.get(DATABASE_VARIABLE)
    where = [] if is_default else ["--database", masked(database)]
    return clean(shlex.join(["holdwater", *words, *where]))


def outlives_the_process(database: str) -> bool:
    """Whether another command can open the database."""
    from holdwater.storage.urls import parse

    where = parse(database)
    return where.dialect == "postgresql" or where.path is not None
