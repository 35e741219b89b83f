"""Reconstructions, live and from the store: started in the sandbox, published, recorded and routed.

Every run ends as DONE with its images or as FAILED with a reason that stands in the index, in the log and, for a live
one, with the client.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy import Connection

from gateway.db import jobs, scans
from gateway.db.engine import Database
from gateway.db.scans import NewRun, RunEnd
from gateway.ingest import noise
from gateway.ingest.door import Door
from gateway.ingest.reconstruction import Deliver, ReconOutcome, ReconRequest, Tell
from gateway.ingest.scan_files import MediaType
from gateway.jobs.at_work import AtWork, Workbench
from gateway.jobs.derivation import Derivation
from gateway.jobs.handler import Lease, Result
from gateway.jobs.publish import Journal, Publisher
from gateway.jobs.recon_task import Progressed, Task
from gateway.jobs.sandbox import Run, Sandbox, never
from gateway.model.errors import DatabaseFault, GatewayError, MalformedData, NodeFault, ShuttingDown, StoreFault
from gateway.model.instance import Source
from gateway.model.mrd import Image
from gateway.model.work import Job, JobKind, RunState, ScanState
from gateway.store.protocol import ObjectStore
from gateway.wire.mrd.header import parse_header

_log = structlog.get_logger()

# What a run leaves to do, also one that failed: its series are routed, or the scan is reconstructed once more.
_FOLLOW_UP = (JobKind.ROUTE, JobKind.RECONSTRUCT)
# A disk that is full or a database that is away may be back by then.
_RETRY_S = 60.0
_TRANSIENT = (StoreFault, DatabaseFault, ShuttingDown)


def _nobody(_: Image) -> None:
    """Nobody listens."""


def _unheard(_: str) -> None:
    """Nobody wants to know how far it is."""


def _no_one() -> None:
    """Nobody waits for follow-up jobs."""


@dataclass(frozen=True, slots=True)
class Reconstructor:
    """Thread-safe. `aliases`: names that clients use → methods. `committed` is called when follow-up jobs exist."""

    database: Database
    store: ObjectStore
    door: Door
    sandbox: Sandbox
    aliases: Mapping[str, str]
    software_version: str
    committed: Callable[[], None] = _no_one
    workbench: Workbench = field(default_factory=Workbench)

    def live(self, request: ReconRequest, path: Path, deliver: Deliver = _nobody, tell: Tell = _unheard) -> LiveRun:
        """Start on a stream that is still arriving in the spool file `path`.

        `deliver` gets each image before it is stored, `tell` hears how far it is; they must not wait. Raises NodeFault
        when nothing could be started.
        """
        run = self._begin(request)
        try:
            with _open(path) as descriptor:
                process = self.sandbox.start(self._task(request, MediaType.STREAM, live=True), descriptor)
        except GatewayError as error:
            run.end(error)
            raise
        run.tell = tell
        return LiveRun(run, process, deliver)

    def stored(self, request: ReconRequest, ending: Callable[[], bool] = never, tell: Tell = _unheard) -> ReconOutcome:
        """Reconstruct a sealed scan from the store, in the calling thread; `ending` says that it should stop.

        Raises NotFoundError, DatabaseFault.
        """
        with self.database.read() as conn:
            scan = scans.get(conn, request.scan_id)
        run = self._begin(request)
        try:
            if scan.state is ScanState.RECEIVING or not scan.store_key:
                raise MalformedData(f"raw scan {scan.id} has no data in the store")
            with self.store.open(scan.store_key) as file:
                process = self.sandbox.start(self._task(request, scan.media_type), file.fileno(), ending)
        except GatewayError as error:
            return run.end(error)
        run.tell = tell
        return run.follow(process, _nobody)

    def _begin(self, request: ReconRequest) -> _RecordedRun:
        given = {**request.hints, **request.parameters}
        new = NewRun(request.scan_id, request.config, given, request.rule_id)
        return _RecordedRun(self, request, self.database.write(lambda conn: scans.start_run(conn, new)))

    def _task(self, request: ReconRequest, media_type: str, *, live: bool = False) -> Task:
        settings = self.sandbox.settings
        with self.database.read() as conn:
            measured_apart = _noise_of(conn, request.scan_id)
        return Task(
            media_type=media_type,
            config=request.config,
            aliases=self.aliases,
            parameters=request.parameters,
            hints=request.hints,
            live=live,
            memory_limit=settings.memory_limit,
            workers=settings.threads,
            noise=measured_apart,
        )


class _RecordedRun:
    """A run that has its row in the index."""

    def __init__(self, node: Reconstructor, request: ReconRequest, run_id: int) -> None:
        self._node = node
        self._request = request
        self._derivation = Derivation(node.software_version, progressed=self._progressed, noticed=self._noticed)
        self._publisher: Publisher | None = None
        self.id = run_id
        # True where nobody but a job of ours would do it again when this node is stopped.
        self.repeat = False
        self.tell: Tell = _unheard

    def follow(self, process: Run, deliver: Deliver) -> ReconOutcome:
        """Publish the images of a run as they come, and record how it ended. Raises DatabaseFault."""
        try:
            at_work = self._node.workbench.holding(self.id, self._request.scan_id, self._request.config)
            with closing(process), at_work, tempfile.TemporaryFile() as file:
                for derived in self._derivation.images(process.messages()):
                    deliver(derived.image)
                    if self._publisher is None:
                        self._publisher = self._new_publisher(Journal(file))
                    self._publisher.publish(derived)
        except GatewayError as error:
            return self.end(error)
        except Exception as error:  # noqa: BLE001 - a job ends here
            _log.exception("recon.fault", run=self.id)
            return self.end(NodeFault(f"the images could not be stored: {type(error).__name__}"))
        return self.end(None)

    def end(self, error: GatewayError | None) -> ReconOutcome:
        """Record the end, what the scan's row shows of it, and the jobs that follow, in one transaction."""
        method, publisher, ended = self._derivation.method, self._publisher, self._derivation.ended
        outcome = ReconOutcome(
            run_id=self.id,
            images=publisher.images if publisher is not None else 0,
            method=method.method if method is not None else "",
            series_instance_uids=tuple(publisher.series) if publisher is not None else (),
            ignored=method.ignored if method is not None else (),
            missing=ended.missing if ended is not None else "",
            error=error,
        )
        end = RunEnd(
            state=RunState.DONE if error is None else RunState.FAILED,
            images=outcome.images,
            run=publisher.run if publisher is not None else 1,
            method=outcome.method,
            method_version=method.version if method is not None else "",
            parameters=method.parameters if method is not None else None,
            series_instance_uid=next(iter(outcome.series_instance_uids), ""),
            error="" if error is None else str(error),
        )
        self._node.database.write(lambda conn: self._record_end(conn, outcome, end))
        self._node.committed()
        log = _log.info if error is None else _log.warning
        log("recon.ended", scan=self._request.scan_id, run=self.id, images=outcome.images, error=end.error)
        return outcome

    def _progressed(self, progress: Progressed) -> None:
        method = self._derivation.method
        name = self._request.config if method is None else method.method
        self._node.workbench.tell(self.id, AtWork(self._request.scan_id, name, progress.text))
        self.tell(progress.text)

    def _noticed(self, notice: str) -> None:
        _log.info("recon.notice", scan=self._request.scan_id, run=self.id, notice=notice)
        self.tell(notice)

    def _record_end(self, conn: Connection, outcome: ReconOutcome, end: RunEnd) -> None:
        scan_id = self._request.scan_id
        scans.finish_run(conn, self.id, end)
        header, ended = self._derivation.header, self._derivation.ended
        if header is not None and ended is not None:
            noise.record(conn, scan_id, header, ended.noise)
        if not isinstance(outcome.error, ShuttingDown):  # a scan that was broken off says so itself
            scans.set_error(conn, scan_id, end.error)
        elif self.repeat:
            payload = {"scan": scan_id, "method": self._request.config, "parameters": dict(self._request.parameters)}
            jobs.request(conn, JobKind.RECONSTRUCT, f"scan:{scan_id}", payload)
        for series_pk in scans.derived_series(conn, scan_id, outcome.series_instance_uids):
            jobs.request(conn, JobKind.ROUTE, f"series:{series_pk}", {"series": series_pk})

    def _new_publisher(self, journal: Journal) -> Publisher:
        node, scan_id = self._node, self._request.scan_id
        with node.database.read() as conn:
            source = Source(address=scans.get(conn, scan_id).source)
            repeated = scans.ran_before(conn, self.id, self._derivation.identity)
        return Publisher(node.database, node.store, node.door, source, scan_id, journal if repeated else None)


class LiveRun:
    """A reconstruction of a scan that is still arriving; a thread of its own follows it."""

    def __init__(self, run: _RecordedRun, process: Run, deliver: Deliver) -> None:
        self._run = run
        self._process = process
        self._deliver = deliver
        self._outcome: ReconOutcome | None = None
        self._thread = threading.Thread(target=self._follow, name=f"recon-{run.id}", daemon=True)
        self._thread.start()

    def tell(self, complete: int) -> None:
        """The spool file is complete up to this offset. Never waits."""
        self._process.tell(complete)

    def end(self, complete: int) -> None:
        """The client has closed: nothing more comes."""
        self._run.repeat = True
        self._process.end(complete)

    def cancel(self) -> None:
        """The scan is broken off: make no more images of it."""
        self._process.cancel()

    @property
    def ended(self) -> bool:
        """True when it has ended already, perhaps without waiting for the scan."""
        return not self._thread.is_alive()

    def wait(self) -> ReconOutcome:
        """How it ended. Raises NodeFault when not even that could be recorded."""
        self._thread.join()
        if self._outcome is None:
            raise NodeFault("the end of the reconstruction could not be recorded")
        return self._outcome

    def _follow(self) -> None:
        try:
            self._outcome = self._run.follow(self._process, self._deliver)
        except DatabaseFault as error:
            _log.error("recon.not_recorded", run=self._run.id, error=str(error))


class ReconstructHandler:
    """Handles jobs of the kind RECONSTRUCT: a stored scan, by rule, by an administrator or after a restart."""

    def __init__(self, reconstructor: Reconstructor) -> None:
        self._reconstructor = reconstructor

    def __call__(self, job: Job, lease: Lease, /) -> Result:
        outcome = self._reconstructor.stored(request_of(job.payload), lambda: lease.ending)
        if outcome.error is None:
            return Result(jobs.Done(), follow_up=_FOLLOW_UP)
        if isinstance(outcome.error, _TRANSIENT):
            return Result(jobs.Retry(_RETRY_S, str(outcome.error)), follow_up=_FOLLOW_UP)
        return Result(jobs.Failed(str(outcome.error)), follow_up=_FOLLOW_UP)


def request_of(payload: Mapping[str, object]) -> ReconRequest:
    """A request from a job's payload: `scan`, `method`, `parameters`, and `rule` or nothing."""
    parameters, rule = payload.get("parameters"), payload.get("rule")
    return ReconRequest(
        scan_id=int(str(payload["scan"])),
        config=str(payload.get("method") or "auto"),
        parameters={str(k): str(v) for k, v in parameters.items()} if isinstance(parameters, Mapping) else {},
        rule_id=int(str(rule)) if rule is not None else None,
    )


def _noise_of(conn: Connection, scan_id: int) -> str:
    """The noise of another measurement that the scan's header names; empty where there is none."""
    xml = scans.get(conn, scan_id).header_xml
    try:
        return noise.noise_for(conn, parse_header(xml)) if xml else ""
    except MalformedData:  # the reconstruction will say it
        return ""


@contextmanager
def _open(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreFault(f"raw scan: {error.strerror or error}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
