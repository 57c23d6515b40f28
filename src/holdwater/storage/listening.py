"""Protocol of a connection that listens for several stores."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol


class Subscription(Protocol):
    """One channel that is listened to."""

    def wait_first_attempt(self) -> None:
        """Wait until the channel is listened to, or the first attempt failed; a few seconds at most."""
        ...

    def close(self) -> None:
        """Listen to the channel no more.  Idempotent; does not block."""
        ...


class SharedListener(Protocol):
    """Listens to the channels of many stores of one database on one connection.  Thread-safe.

    Its session also holds the locks of the owners of these stores, by which others see that their process lives.
    """

    def subscribe(
        self,
        channel: str,
        on_message: Callable[[str], None],
        on_reconnected: Callable[[], None],
        owners: Collection[str] = (),
    ) -> Subscription:
        """Call `on_message` with each message of a channel, from the listening thread, so it must not block.

        `on_reconnected`: called when listening begins, and again after each loss: messages may have been missed.
        """
        ...
