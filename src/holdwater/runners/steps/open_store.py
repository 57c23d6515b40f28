"""Opening of a WorkflowRunner's store."""

from __future__ import annotations

import re
from typing import Any, Final

from holdwater.errors import ConfigError, DatabaseURLError
from holdwater.model.log_context import get_logger
from holdwater.model.ports.store import Store
from holdwater.runners.steps.config import WorkflowRunnerConfig
from holdwater.storage import open_store
from holdwater.storage.checkpoints.file import FileCheckpoints
from holdwater.storage.checkpoints.store import CheckpointedStore
from holdwater.storage.memory.bounded import BoundedMemoryStore, shared_memory_store

log: Final = get_logger("holdwater.steps")
_STORE_METHODS: Final = ("commit", "claim_work", "read_journal", "close")
_logged_messages: Final[set[str]] = set()


def open_run_store(db_engine: Any, config: WorkflowRunnerConfig) -> Store:
    """Open the store.  `db_engine`: a database URL, an SQLAlchemy Engine, a store, or None.

    Raises ConfigError, DatabaseURLError, StoreUnavailable.
    """
    if config.dry_run:
        return BoundedMemoryStore()
    if config.checkpoint_storage != "database":
        if db_engine is not None:
            raise ConfigError(
                f"checkpoint_storage={config.checkpoint_storage!r} and a db_engine are two places for the same runs",
                hint='leave one of them out, or set checkpoint_storage="database"',
            )
        return _open_checkpoint_store(config)
    if db_engine is None:
        _log_once("without db_engine runs are kept in the memory of this process, and are gone when it ends")
        return shared_memory_store()
    if isinstance(db_engine, str):
        return open_store(db_engine)
    if all([callable(getattr(db_engine, name, None)) for name in _STORE_METHODS]):
        store: Store = db_engine
        return store
    return open_store(_sqlalchemy_url(db_engine))


def _open_checkpoint_store(config: WorkflowRunnerConfig) -> Store:
    days = config.checkpoint_retention_days
    if config.checkpoint_storage == "file":
        return CheckpointedStore(FileCheckpoints(config.checkpoint_path, retention_days=days))
    from holdwater.storage.checkpoints.redis import RedisCheckpoints

    return CheckpointedStore(RedisCheckpoints(config.redis_url, retention_days=days))


def _sqlalchemy_url(engine: Any) -> str:
    """Convert the URL of an SQLAlchemy Engine to this library's form, which names no driver."""
    render = getattr(getattr(engine, "url", None), "render_as_string", None)
    if render is None:
        raise ConfigError(
            f"db_engine must be a database URL, an SQLAlchemy Engine, a store or None, not {engine!r}",
            hint="a URL is sqlite:///app.db or postgresql://user@host/database",
        )
    url = re.sub(r"^(\w+)\+\w+://", r"\1://", render(hide_password=False))
    if re.fullmatch(r"sqlite://(/:memory:)?/?", url):
        raise DatabaseURLError(
            "this Engine is of a database in memory, which no other library can open",
            hint="give the runner a file, or sqlite:///:memory: for a database in memory of its own",
        )
    return url


def _log_once(text: str) -> None:
    if text not in _logged_messages:
        _logged_messages.add(text)
        log.info("%s", text)
