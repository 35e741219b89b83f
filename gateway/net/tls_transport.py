"""A transport under TLS: the same waits and deadlines, with the records between socket and caller.

The machine of OpenSSL works on memory (`ssl.MemoryBIO`), so that one place waits, and interrupting and looking ahead
mean the same as without TLS. The handshake is part of the connection's own thread, under its deadline.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gateway.model.errors import ConnectionLost, TlsFault
from gateway.net.certificate import fingerprint
from gateway.net.transport import Buffer, Clock, Secured, Transport

# Some records (16 KiB) at a time: one system call takes what the kernel has.
_CIPHER_TEXT = 1 << 17
_RECORD = 1 << 14
_HINT = "; what is trusted: dicom.tls_ca, and of the peer's entry --tls-name or --tls-fingerprint"


class TlsTransport(Transport):
    """As acceptor with `server_name` None, as requestor with the name that the peer's certificate has to have.

    `context` is asked when the handshake begins.
    """

    __slots__ = ("_ahead", "_buffer", "_context", "_fault", "_incoming", "_outgoing", "_server_name", "_tls")

    def __init__(
        self,
        sock: socket.socket,
        context: Callable[[], ssl.SSLContext],
        *,
        server_name: str | None = None,
        address: str | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(sock, address=address, clock=clock)
        self._context = context
        self._server_name = server_name
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._buffer = memoryview(b"")
        self._ahead = b""
        self._fault: TlsFault | None = None  # what is told once; later errors of a broken session say nothing

    def establish(self, deadline: float) -> Secured:
        """The handshake. Raises TlsFault where the two sides do not agree, and what `receive_into` raises."""
        self._buffer = memoryview(bytearray(_CIPHER_TEXT))
        tls = self._tls = self._context().wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=self._server_name is None,
            server_hostname=self._server_name,
        )
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange(deadline)
            except ssl.SSLError as error:
                raise self._failed(error, deadline) from error
        self._flush(deadline)
        return _secured(tls)

    def receive_into(self, buffer: Buffer, deadline: float) -> int:
        """As without TLS. A connection that ends without the farewell of TLS ends all the same: DICOM has its own."""
        view = memoryview(buffer)
        if self._ahead:
            count = min(len(view), len(self._ahead))
            view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
            return count
        while (decrypted := self._decrypt(view, deadline)) is None:
            self._flush(deadline)
            self._pull(deadline)
        return decrypted

    def readable(self) -> bool:
        """As without TLS; half a record is nothing yet."""
        if self._ahead or (not self._incoming.pending and not super().readable()):
            return bool(self._ahead)
        deadline = self.now() + 1.0  # nothing here waits
        if super().readable():
            self._pull(deadline)
        piece = memoryview(bytearray(_RECORD))
        count = self._decrypt(piece, deadline)
        if not count:
            return count == 0
        self._ahead = bytes(piece[:count])
        return True

    def readable_before(self, wakeup: int, deadline: float) -> bool:
        """As without TLS; half a record is waited for."""
        while not self.readable():
            if not super().readable_before(wakeup, deadline):
                return False
        return True

    def send(self, buffers: Sequence[Buffer], deadline: float, meanwhile: Callable[[], None] | None = None) -> None:
        """As without TLS; what goes out together shares records."""
        left = memoryview(b"".join(buffers))
        while left:
            try:
                left = left[self._machine.write(left) :]
            except ssl.SSLError as error:
                raise self._failed(error, deadline) from error
        if meanwhile is not None:
            meanwhile()
        self._flush(deadline)

    def holds(self) -> bool:
        """True where something was read of the socket and not taken, if only half a record."""
        return bool(self._ahead) or self._incoming.pending > 0

    def close(self) -> None:
        """Close at once; the farewell of TLS goes out if the kernel takes it."""
        if self._tls is not None:
            with suppress(ssl.SSLError, ValueError, OSError):
                self._tls.unwrap()
            with suppress(OSError):
                self._sock.setblocking(False)
                self._sock.send(self._outgoing.read())
            self._tls = None
        super().close()

    @property
    def _machine(self) -> ssl.SSLObject:
        if self._tls is None:
            raise ConnectionLost(f"connection to {self.address} has no TLS session")
        return self._tls

    def _decrypt(self, view: memoryview, deadline: float) -> int | None:
        """As many records as are whole and have room; None where none is, 0 at the end."""
        count = 0
        try:
            while count < len(view) and (got := self._machine.read(len(view) - count, view[count:])):
                count += int(got)  # the stubs know only the form that returns bytes
        except ssl.SSLWantReadError:
            return count or None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return count
        except ssl.SSLError as error:
            raise self._failed(error, deadline) from error
        return count

    def _exchange(self, deadline: float) -> None:
        """A step of the handshake; who hangs up in it as a rule knows nothing of TLS, or does not like ours."""
        try:
            self._flush(deadline)
            self._pull(deadline)
        except ConnectionLost as error:
            raise ConnectionLost(f"{error}, in the TLS handshake") from error

    def _pull(self, deadline: float) -> None:
        count = super().receive_into(self._buffer, deadline)
        if count:
            self._incoming.write(self._buffer[:count])
        else:
            self._incoming.write_eof()

    def _flush(self, deadline: float) -> None:
        if self._outgoing.pending:
            super().send([self._outgoing.read()], deadline)

    def _failed(self, error: ssl.SSLError, deadline: float) -> TlsFault | ConnectionLost:
        """The error in our words, after the peer was sent the alert."""
        with suppress(ConnectionLost):
            self._flush(deadline)
        # Before Python 3.11.4 the end of the stream is an error without a reason.
        if isinstance(error, ssl.SSLEOFError) or (not error.reason and self._incoming.eof):
            return ConnectionLost(f"{self.address} closed the connection in the TLS handshake")
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "" if self._server_name is None else _HINT
            return TlsFault(f"TLS with {self.address}: its certificate is not accepted: {error.verify_message}{hint}")
        if not error.reason and self._fault is not None:
            return self._fault
        _, alert, reason = (error.reason or "failed").rpartition("ALERT_")
        told = "the other side ended it with the alert " if alert else ""
        self._fault = TlsFault(f"TLS with {self.address}: {told}{reason.replace('_', ' ').lower()}")
        return self._fault


def _secured(tls: ssl.SSLObject) -> Secured:
    cipher = tls.cipher()
    certificate = tls.getpeercert(binary_form=True)
    return Secured(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        fingerprint=fingerprint(certificate) if certificate else None,
        names=_names(tls),
    )


def _names(tls: ssl.SSLObject) -> tuple[str, ...]:
    """The common name and the alternative names (DNS, IP, URI) of the peer's certificate, if it was verified."""
    found: Any = tls.getpeercert() or {}  # typed more loosely than it is
    alternative = [str(value) for _, value in found.get("subjectAltName", ())]
    subject = [pair for group in found.get("subject", ()) for pair in group]
    return (*(str(value) for key, value in subject if key == "commonName"), *alternative)
