"""The files of a new package beside its code."""

from __future__ import annotations

from typing import Final

MANIFEST: Final = """\
format = 1

[package]
name = "@NAME@"
version = "0.1.0"
description = "Adds up what was ordered."
requires_python = ">=3.11"

[entry]
# Imported in this order, below workflow/. Every workflow that they register belongs to the package.
modules = ["@MODULE@.flows"]

[requires]
# Resolved into wheels by `holdwater package build`, and kept in requirements.lock.
dependencies = []

[execution]
max_concurrent = 4       # processes at once
bodies_per_host = 1      # functions at once in each of them
memory_mb = 512          # of each of them
timeout_seconds = 60     # of a function, unless it says so itself
# network = false        # under the isolation "namespace"
# env = ["BUCKET"]       # variables of the daemon that the functions see; they see no others

[[schedules]]
name = "nightly"
workflow = "@NAME@"
cron = "0 2 * * *"
timezone = "UTC"
catchup = "run_once"     # after a stop: skip, run_once or run_all of the times that were missed
overlap = "skip"         # while the run before is open: skip, queue or allow
context = { day = "today" }
"""

PYTEST_INI: Final = """\
[pytest]
pythonpath = workflow vendor
testpaths = tests
"""

README: Final = """\
# @NAME@

    pytest                                  # test it
    holdwater dev .                         # run it, and look at it in the browser
    holdwater package build                 # make @NAME@-0.1.0.cloacina
    holdwater package inspect @NAME@-0.1.0.cloacina
    cp @NAME@-0.1.0.cloacina ~/.holdwater/packages/    # a daemon runs it from now on

`holdwater.toml` says what the package is and when it runs. A change of the code is a new version there: runs that are
open finish with the version they began with.
"""

GITIGNORE: Final = """\
*.cloacina
*.cloacina.sig
*.key
.holdwater/
__pycache__/
"""
