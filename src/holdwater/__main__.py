"""`python -m holdwater`: the command line."""

from __future__ import annotations

import sys

from holdwater.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
