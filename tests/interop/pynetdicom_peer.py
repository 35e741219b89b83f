"""A pynetdicom server beside a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pynetdicom.ae import ApplicationEntity


@contextmanager
def listening(entity: ApplicationEntity, *handlers: tuple[Any, Any], port: int = 0) -> Iterator[int]:
    """Serves on loopback until the block ends; yields its port, a free one for 0."""
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=list(handlers))
    assert server is not None
    assert server.socket is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
