"""The way of a raw scan into store and index: spooled, sealed, recorded.

Order, so that a crash loses nothing that was acknowledged: the spool file, the row with the header (RECEIVING), all
the bytes; then at the end data synced and moved into the store, the row sealed and the follow-up job requested in one
transaction, and only then a sender hears that it is done. What a crash leaves is sealed as incomplete at the next
start.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection

from gateway.db import jobs, scans
from gateway.db.engine import Database
from gateway.db.scans import Description, Seal
from gateway.dicom.derived_identity import identity_of
from gateway.ingest import noise
from gateway.ingest.file_kind import media_type_of
from gateway.ingest.scan_files import Inspect, MediaType, stream_summary
from gateway.ingest.spool import MAX_SIZE, SUFFIX, Bytes, Spool
from gateway.model.errors import DatabaseFault, MalformedData
from gateway.model.mrd import ScanHeader
from gateway.model.work import JobKind, RawScan, ScanState
from gateway.store.protocol import ObjectStore
from gateway.wire.mrd.framing import SESSION, Frame, Framer, Phase
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.summary import StreamSummary

_log = structlog.get_logger()

# The digest of a raw scan is that of its file alone: `sha256sum` of an export must agree with the index.
_SALT = b""
_CHUNK = 1 << 20
# Several nodes may share an index; each recovers its own.
_HERE = f"{platform.node()}:"
_STOPPED = "this node stopped while the scan was arriving"
_INTERRUPTED = "this node stopped during the reconstruction"


def _unheard(_: Frame) -> None:
    """Nobody wants to know."""


def _nobody() -> None:
    """Nobody waits for follow-up jobs."""


@dataclass(frozen=True, slots=True)
class ScanIntake:
    """Thread-safe. `folder` holds the spool files; `reserve` bytes stay free there; `inspect` reads files.

    `committed` is called when follow-up jobs were requested.
    """

    database: Database
    store: ObjectStore
    folder: Path
    inspect: Inspect
    reserve: int = 0
    max_size: int = MAX_SIZE
    committed: Callable[[], None] = _nobody

    def begin(self, source: str, start: Phase = SESSION) -> IncomingScan:
        """A stream is coming. Raises OutOfSpace, StoreFault."""
        return IncomingScan(self, Spool(self.folder, reserve=self.reserve, max_size=self.max_size), source, start)

    def import_file(self, path: Path, *, source: str = "", route: bool = False) -> RawScan:
        """Take in a copy of a file; one that is here already is only routed, if it is to be.

        Raises MalformedData, Unsupported, LimitHit, LimitExceeded, OSError, and the faults of store and database.
        """
        media_type = media_type_of(path)
        if media_type is None:
            raise MalformedData(f"{path.name} is neither an HDF5 file nor an MRD stream")
        spool, digest = self._copied(path)
        try:
            with self.database.read() as conn:
                known = scans.by_digest(conn, digest)
            if known is not None:
                return self._imported_again(known, route=route)
            return self._import(spool, media_type, source, route=route)
        finally:
            spool.discard()

    def recover(self) -> list[RawScan]:
        """Seal what a crash left, and ask again for reconstructions that it cut off; once, before anything arrives."""
        with self.database.read() as conn:
            left = scans.unsealed(conn)
        ours = [(scan, self.folder / name.removeprefix(_HERE)) for scan, name in left if name.startswith(_HERE)]
        recovered = [self._recover(scan, path) for scan, path in ours]
        for path in self.folder.glob(f"*{SUFFIX}"):
            path.unlink()  # no header had come: there is no scan
        self.database.write(_repeat_interrupted_runs)
        self.committed()
        return recovered

    def seal(self, scan_id: int, path: Path, end: StreamSummary, error: str, *, route: bool) -> RawScan:
        """Make the bytes durable, then the row. Raises StoreFault, DatabaseFault; then the spool file is still there.

        `error` says why the stream ended before its CLOSE, or what happened to a whole one.
        """
        missing = end.missing()
        stored = self.store.adopt(path, _SALT)
        state = ScanState.INCOMPLETE if missing else ScanState.COMPLETE
        seal = Seal(state, stored, end.readouts, end.identity, error or end.header_error)
        try:
            sealed = self.database.write(lambda conn: _seal(conn, scan_id, seal, route=route))
        except DatabaseFault:
            # A row still names the spool file: give it back, for the recovery; the sweep takes the other name.
            self.store.copy_out(stored.key, path, link=True)
            raise
        _log.info("scan.sealed", scan=scan_id, state=state, readouts=seal.readouts, size=stored.size, missing=missing)
        self.committed()
        return sealed

    def _import(self, spool: Spool, media_type: MediaType, source: str, *, route: bool) -> RawScan:
        found = self.inspect(spool.path, media_type)
        header = parse_header(found.header_xml)
        description = describe(header, found.header_xml, found.config, {})
        stored = self.store.adopt(spool.path, _SALT)
        state = ScanState.INCOMPLETE if found.missing else ScanState.COMPLETE
        seal = Seal(state, stored, found.readouts, found.identity)

        def record(conn: Connection) -> RawScan:
            scan_id = scans.open_scan(
                conn, media_type=media_type, source=source, spool_name="", description=description
            )
            noise.record(conn, scan_id, header, found.noise)
            return _seal(conn, scan_id, seal, route=route)

        recorded = self.database.write(record)
        _log.info("scan.imported", scan=recorded.id, state=state, readouts=found.readouts, missing=found.missing)
        self.committed()
        return recorded

    def _imported_again(self, known: RawScan, *, route: bool) -> RawScan:
        if route:
            self.database.write(lambda conn: _request_route(conn, known.id))
            self.committed()
        return known

    def _copied(self, path: Path) -> tuple[Spool, str]:
        """The file's bytes in a spool of ours, and their digest."""
        spool = Spool(self.folder, reserve=self.reserve, max_size=self.max_size)
        digest = hashlib.sha256(_SALT)
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    spool.append(chunk)
                    digest.update(chunk)
        except BaseException:
            spool.discard()
            raise
        return spool, digest.hexdigest()

    def _recover(self, scan: RawScan, path: Path) -> RawScan:
        _log.warning("scan.recovered", scan=scan.id)
        if not path.is_file():
            lost = f"{_STOPPED}; its data was not yet on disk"
            return self.database.write(lambda conn: _lose(conn, scan.id, lost))
        summary = stream_summary(path)
        if summary.missing():
            return self.seal(scan.id, path, summary, _STOPPED, route=True)
        sealed = self.seal(scan.id, path, summary, _INTERRUPTED, route=True)
        self.database.write(lambda conn: _request_reconstruction(conn, scan.id, scan.config))
        return sealed


class IncomingScan:
    """A stream on its way in: ends with `seal` or `discard`. Not thread-safe."""

    def __init__(self, intake: ScanIntake, spool: Spool, source: str, start: Phase) -> None:
        self.id: int | None = None
        self.problem = ""  # why there will be no image, for the index
        self.summary = StreamSummary(spool.read)
        self._intake = intake
        self._spool = spool
        self._source = source
        self._framer = Framer(start)

    @property
    def path(self) -> Path:
        """Where the bytes are until the scan is sealed."""
        return self._spool.path

    @property
    def size(self) -> int:
        """Bytes that came."""
        return self._spool.size

    @property
    def complete(self) -> int:
        """The offset up to which all messages are complete."""
        return self._framer.complete

    @property
    def closed(self) -> bool:
        """True once the sender's CLOSE is there."""
        return self._framer.phase is Phase.CLOSED

    def append(self, data: Bytes, hear: Callable[[Frame], None] = _unheard) -> None:
        """Keep the next bytes, and let `hear` know each message that they complete, also before a violation.

        Raises ProtocolViolation, LimitExceeded, MalformedData for what the sender did wrong; OutOfSpace, StoreFault.
        """
        self._spool.append(data)
        for frame in self._framer.frames(data):
            self.summary.add(frame)
            hear(frame)

    def describe(self, config: str, parameters: Mapping[str, str]) -> int:
        """Record what is known once the header is there, and again when it changes; returns the scan's id."""
        summary = self.summary
        description = describe(summary.header, summary.header_xml, config, parameters)
        database = self._intake.database
        if self.id is not None:
            scan_id = self.id
            database.write(lambda conn: scans.describe(conn, scan_id, description))
            return scan_id
        media_type, source, name = MediaType.STREAM, self._source, f"{_HERE}{self._spool.name}"
        self.id = database.write(
            lambda conn: scans.open_scan(
                conn, media_type=media_type, source=source, spool_name=name, description=description
            )
        )
        return self.id

    def seal(self, error: str = "", *, route: bool = True) -> RawScan | None:
        """End the scan: durable and recorded when this returns. None, and nothing kept, where no header had come.

        `error` says why the stream ended before its CLOSE. Raises StoreFault, DatabaseFault.
        """
        if self.id is None:
            self.discard()
            return None
        self._spool.close()
        return self._intake.seal(self.id, self._spool.path, self.summary, error or self.problem, route=route)

    def discard(self) -> None:
        """Forget a stream that never became a scan."""
        self._spool.discard()


def describe(header: ScanHeader | None, xml: str, config: str, parameters: Mapping[str, str]) -> Description:
    """The columns of a scan; a header that could not be read leaves its own empty."""
    if header is None:
        return Description(config=config, parameters=parameters, header_xml=xml)
    identity = identity_of(header)
    return Description(
        config=config,
        parameters=parameters,
        patient_id=identity.patient_id,
        patient_name=identity.patient_name,
        study_instance_uid=header.study.instance_uid,
        accession_number=identity.accession_number,
        protocol_name=header.measurement.protocol_name,
        header_xml=xml,
    )


def _seal(conn: Connection, scan_id: int, seal: Seal, *, route: bool) -> RawScan:
    scans.seal(conn, scan_id, seal)
    if route:
        _request_route(conn, scan_id)
    return scans.get(conn, scan_id)


def _lose(conn: Connection, scan_id: int, error: str) -> RawScan:
    scans.lose(conn, scan_id, error)
    return scans.get(conn, scan_id)


def _request_route(conn: Connection, scan_id: int) -> None:
    jobs.request(conn, JobKind.ROUTE, f"scan:{scan_id}", {"scan": scan_id})


def _request_reconstruction(conn: Connection, scan_id: int, method: str) -> None:
    """What the client asked for is done without it."""
    payload = {"scan": scan_id, "method": method, "parameters": dict(scans.parameters_of(conn, scan_id))}
    jobs.request(conn, JobKind.RECONSTRUCT, f"scan:{scan_id}", payload)


def _repeat_interrupted_runs(conn: Connection) -> None:
    """Jobs repeat themselves when their lease ends; what a client had started has no job yet."""
    for run in scans.abandon_runs(conn, _INTERRUPTED):
        scan = scans.get(conn, run.scan_id)
        if run.rule_id is None and scan.state is ScanState.COMPLETE:
            scans.set_error(conn, scan.id, _INTERRUPTED)
            _request_reconstruction(conn, scan.id, scan.config)
