"""What this node says to an MRD client, written by a thread of its own.

The reconstruction must never wait for a client that does not read: images queue up to a bound in bytes, beyond it
they are left out for the client and counted. They are in the store in any case. Texts and CLOSE always go.
"""

from __future__ import annotations

import threading
from collections import deque

import structlog

from gateway.model.errors import NodeFault, PeerFault
from gateway.model.mrd import Image
from gateway.net.transport import Transport
from gateway.wire.mrd.messages import Close, Message, Text
from gateway.wire.mrd.stream import encode

_log = structlog.get_logger()

# A cardiac series of 600 images of 256 × 256 pixels has 79 MB.
CAPACITY = 96 * 1024**2


class Outbox:
    """Messages on their way to one client. Thread-safe."""

    def __init__(self, transport: Transport, *, message_timeout_s: float, capacity: int = CAPACITY) -> None:
        """`message_timeout_s` is how long the client may take for one message before it is given up."""
        self._transport = transport
        self._timeout_s = message_timeout_s
        self._capacity = capacity
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._dropped = 0
        self._closing = False
        self._gone = False
        self._thread = threading.Thread(target=self._write, name="mrd-outbox", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Images that the client was too slow for."""
        return self._dropped

    def image(self, image: Image) -> None:
        """Send an image if there is room. Never waits."""
        self._put(encode(image), droppable=True)

    def text(self, text: str) -> None:
        """Send a line. Never waits."""
        self._put(encode(Text(text)), droppable=False)

    def close(self) -> None:
        """Send CLOSE, wait until all is written or the client is given up, and close the transport."""
        message: Message = Close()
        self._put(encode(message), droppable=False)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._transport.close()

    def _put(self, data: bytes, *, droppable: bool) -> None:
        with self._changed:
            if self._gone:
                return
            if droppable and self._queue and self._queued + len(data) > self._capacity:
                self._dropped += 1
                return
            self._queue.append(data)
            self._queued += len(data)
            self._changed.notify_all()

    def _write(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._transport.send([data], self._transport.now() + self._timeout_s)
            except (PeerFault, NodeFault) as error:
                self._give_up(str(error))
                return

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
            if not self._queue:
                return None
            data = self._queue.popleft()
            self._queued -= len(data)
            return data

    def _give_up(self, why: str) -> None:
        with self._changed:
            self._gone = True
            left = len(self._queue)
            self._queue.clear()
        _log.info("mrd.client_gone", address=self._transport.address, left=left, why=why)
