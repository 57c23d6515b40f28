"""An application of a user's own that has the web UI mounted: `python -m tests.server.browser.mounted URL PORT`.

Everyone may write.  Prints its address when it listens.
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

from holdwater.server import app_for


class Announced(uvicorn.Server):
    """Says when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.config.port}/workflows/ui", flush=True)


def main() -> None:
    outer = FastAPI()
    outer.mount("/workflows", app_for(sys.argv[1], access=lambda request: "write"))
    Announced(uvicorn.Config(outer, port=int(sys.argv[2]), log_level="warning")).run()


if __name__ == "__main__":
    main()
