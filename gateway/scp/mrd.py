"""The MRD listener: raw scans in, images and texts out.

A session is CONFIG_FILE or CONFIG_TEXT, HEADER, perhaps a TEXT with parameters, data, CLOSE. What comes is spooled as
it is and followed by its frames only; decoding happens in the reconstruction process. Our CLOSE says that the raw scan
is durable and recorded; whatever went wrong has been said in a TEXT before it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.ingest.reconstruction import LiveReconstruction, ReconOutcome, ReconRequest, Reconstructs
from gateway.ingest.scans import IncomingScan, ScanIntake
from gateway.model.errors import ConnectionLost, DatabaseFault, GatewayError, NodeFault, ShuttingDown, StoreFault
from gateway.net.listener import Listener, ListenerSettings
from gateway.net.transport import Transport
from gateway.scp.mrd_outbox import Outbox
from gateway.wire.mrd.client_parameters import ClientParameters, client_parameters
from gateway.wire.mrd.framing import Frame
from gateway.wire.mrd.messages import Close, MessageId, Text
from gateway.wire.mrd.stream import encode

_log = structlog.get_logger()

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Reads of this size keep system calls few; larger ones gain nothing.
_BUFFER = 1 << 20
_BUSY = "this node has too many connections or is being stopped; try again later"
_NOT_ALLOWED = "this address may not connect (mrd.access)"


@dataclass(frozen=True, slots=True)
class MrdScpSettings:
    """`networks`: who may connect, empty for everybody. Times in seconds.

    `start_timeout_s`: configuration and header must be there by then. `idle_timeout_s`: each further message must be
    whole within this after the one before; breath-holds and table moves make pauses of minutes. `send_timeout_s`: a
    client that does not take a message for so long is given up.
    """

    host: str = "127.0.0.1"
    port: int = 9002
    networks: tuple[Network, ...] = ()
    max_connections: int = 16
    start_timeout_s: float = 60.0
    idle_timeout_s: float = 900.0
    send_timeout_s: float = 30.0
    farewell_s: float = 5.0

    def admits(self, address: str) -> bool:
        """True when a client at this address may connect."""
        if not self.networks:
            return True
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(client in network for network in self.networks)


class MrdScp:
    """Listens for MRD clients; bound by the constructor (OSError), accepts from `start` until `drain`."""

    def __init__(self, settings: MrdScpSettings, intake: ScanIntake, reconstructs: Reconstructs) -> None:
        self._settings = settings
        self._intake = intake
        self._reconstructs = reconstructs
        told = ListenerSettings("mrd", settings.host, settings.port, settings.max_connections)
        self._listener = Listener(told, self._session)

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port."""
        return self._listener.address

    @property
    def connections(self) -> int:
        """How many clients are being served."""
        return self._listener.connections

    def start(self) -> None:
        """Begin to accept."""
        self._listener.start()

    def drain(self, timeout_s: float) -> None:
        """Take nothing new, let scans in progress finish within `timeout_s`, and close; the rest is sealed as it is."""
        self._listener.drain(timeout_s)

    def _session(self, sock: socket.socket, address: str) -> MrdSession:
        return MrdSession(self._settings, self._intake, self._reconstructs, sock, address)


class MrdSession:
    """One client, from accept to close."""

    def __init__(
        self,
        settings: MrdScpSettings,
        intake: ScanIntake,
        reconstructs: Reconstructs,
        sock: socket.socket,
        address: str,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._reconstructs = reconstructs
        self._address = address
        # Two transports on one connection: each has one thread, and its own deadlines.
        self._transport = Transport(sock)
        self._answers = Transport(sock.dup())
        self._live: LiveReconstruction | None = None
        self._scan: IncomingScan | None = None

    @property
    def idle(self) -> bool:
        """True before there is a scan."""
        return self._scan is None or self._scan.id is None

    @property
    def unheard(self) -> bool:
        """True until a header has come."""
        return self.idle

    def interrupt(self) -> None:
        """End soon: what has come is sealed, a reconstruction is stopped and done later."""
        self._transport.interrupt()
        if self._live is not None:
            self._live.cancel()

    def refuse(self) -> None:
        """Say that there is no room."""
        self._say_goodbye(_BUSY)

    def run(self) -> None:
        """Serve until the scan has ended."""
        if not self._settings.admits(self._address):
            _log.warning("mrd.refused", address=self._address, reason="mrd.access")
            self._say_goodbye(_NOT_ALLOWED)
            return
        try:
            scan = self._scan = self._intake.begin(self._address)
        except StoreFault as error:
            _log.error("mrd.no_room", address=self._address, error=str(error))
            self._say_goodbye(str(error))
            return
        outbox = Outbox(self._answers, message_timeout_s=self._settings.send_timeout_s)
        try:
            self._take(scan, outbox)
        finally:
            outbox.close()
            self._transport.finish(self._transport.now() + self._settings.farewell_s)

    def _take(self, scan: IncomingScan, outbox: Outbox) -> None:
        """Receive a scan and end it, well or not."""
        reception = Reception(scan, outbox, self._start)
        try:
            self._receive(scan, reception)
        except GatewayError as error:
            self._break_off(scan, reception, outbox, error)
        except Exception as error:  # noqa: BLE001 - a session ends here, and what came is kept
            _log.exception("mrd.fault", scan=scan.id)
            self._break_off(scan, reception, outbox, NodeFault(f"a fault of this node: {type(error).__name__}"))
        else:
            self._conclude(scan, reception, outbox)

    def _start(self, request: ReconRequest, outbox: Outbox) -> LiveReconstruction:
        assert self._scan is not None  # noqa: S101 - a request names the scan that is arriving
        self._live = self._reconstructs.live(request, self._scan.path, outbox.image, outbox.text)
        return self._live

    def _receive(self, scan: IncomingScan, reception: Reception) -> None:
        """Spool until the client's CLOSE. Raises what breaks the scan off."""
        buffer = bytearray(_BUFFER)
        view = memoryview(buffer)
        deadline = self._transport.now() + self._settings.start_timeout_s
        while not scan.closed:
            count = self._transport.receive_into(buffer, deadline)
            if not count:
                raise ConnectionLost("the client ended the connection before its CLOSE")
            before = scan.complete
            scan.append(view[:count], reception.hear)
            reception.progress()
            if scan.complete > before and reception.started:
                deadline = self._transport.now() + self._settings.idle_timeout_s

    def _conclude(self, scan: IncomingScan, reception: Reception, outbox: Outbox) -> None:
        """Seal what is whole, wait for its images, say how it went."""
        try:
            sealed = scan.seal()
        except (StoreFault, DatabaseFault) as error:
            _log.error("mrd.not_sealed", scan=scan.id, error=str(error))
            outbox.text(f"error: the raw data could not be kept: {error}")
            if self._live is not None:
                self._live.cancel()
            return
        if self._live is not None:
            self._live.end(scan.complete)
        if sealed is None:
            outbox.text("nothing was kept: CLOSE came before a header")
        reception.report_end()

    def _break_off(self, scan: IncomingScan, reception: Reception, outbox: Outbox, error: GatewayError) -> None:
        """Keep what came, make no image of the rest."""
        _log.warning("mrd.broken_off", address=self._address, scan=scan.id, received=scan.size, error=str(error))
        if self._live is not None:
            self._live.cancel()
        try:
            kept = scan.seal(str(error)) is not None
        except (StoreFault, DatabaseFault) as fault:
            _log.error("mrd.not_sealed", scan=scan.id, error=str(fault))
            kept = False
        outbox.text(f"{error}{'; what came is kept as an incomplete scan' if kept else ''}")
        reception.report_end()

    def _say_goodbye(self, text: str) -> None:
        deadline = self._transport.now() + self._settings.farewell_s
        self._answers.close()
        self._transport.send_last(encode(Text(text)) + encode(Close()), deadline)
        self._transport.finish(deadline)


Start = Callable[[ReconRequest, Outbox], LiveReconstruction]


class Reception:
    """Watches the messages of one scan: records it, and starts its reconstruction when it is known what is wanted."""

    def __init__(self, scan: IncomingScan, outbox: Outbox, start: Start) -> None:
        self.started = False
        self._scan = scan
        self._outbox = outbox
        self._start = start
        self._live: LiveReconstruction | None = None
        self._awaiting_parameters = False
        self._reported = False

    def hear(self, frame: Frame) -> None:
        """Take a message that has become complete. Raises DatabaseFault."""
        if frame.id is MessageId.HEADER:
            self._header()
        elif self._awaiting_parameters:
            self._reconstruct(frame)

    def progress(self) -> None:
        """More has come: the reconstruction may read on, and may have failed already."""
        if self._live is not None:
            self._live.tell(self._scan.complete)
            if self._live.ended:
                self.report_end()

    def report_end(self) -> None:
        """Tell the client, once, how the reconstruction ended; waits for that."""
        if self._live is None or self._reported:
            return
        self._reported = True
        try:
            self._report(self._live.wait())
        except GatewayError as error:
            self._outbox.text(f"error: {error}")

    def _header(self) -> None:
        summary = self._scan.summary
        scan_id = self._scan.describe(summary.config, {})
        self.started = True
        _log.info("mrd.scan", scan=scan_id, config=summary.config[:64])
        if summary.header_error:
            self._outbox.text(f"error: {summary.header_error}; the raw data is kept")
        else:
            self._awaiting_parameters = True

    def _reconstruct(self, frame: Frame) -> None:
        """Start, now that the message after the header shows whether the client gives parameters."""
        self._awaiting_parameters = False
        try:
            given = self._parameters(frame)
            config = given.config or self._scan.summary.config
            scan_id = self._scan.describe(config, {**given.hints, **given.parameters})
            self._live = self._start(ReconRequest(scan_id, config, given.parameters, given.hints), self._outbox)
        except DatabaseFault:
            raise
        except GatewayError as error:
            self._scan.problem = str(error)
            self._outbox.text(f"error: {error}; the raw data is kept")

    def _parameters(self, frame: Frame) -> ClientParameters:
        """What a TEXT says of the reconstruction, if it does."""
        given = client_parameters(self._scan.summary.text(frame)) if frame.id is MessageId.TEXT else None
        return given or ClientParameters()

    def _report(self, outcome: ReconOutcome) -> None:
        if outcome.ignored:
            self._outbox.text(f"parameters that {outcome.method} does not have: {', '.join(outcome.ignored)}")
        if outcome.missing:
            self._outbox.text(f"the scan is incomplete: {outcome.missing}")
        if self._outbox.dropped:
            self._outbox.text(f"{self._outbox.dropped} images were not sent: too slow a client; all of them are stored")
        if outcome.error is not None and not isinstance(outcome.error, ShuttingDown):
            self._outbox.text(f"error: {outcome.error}")
