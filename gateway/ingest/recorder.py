"""Recording: index rows and follow-up jobs of one or several instances in one transaction.

The commits of concurrent associations are grouped without a thread of their own: the first one that comes becomes the
leader and commits what waits; who comes meanwhile waits, and the first of those leads next. Groups form by
themselves when a commit takes longer than the next instance, and one association alone never waits for company.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Connection

from gateway.db import headers, instances, jobs, routed
from gateway.db.engine import CommitUnknown, Database, DatabaseBusy
from gateway.db.findings import raise_finding
from gateway.db.recording import InstanceWriter, Recorded
from gateway.dicom.uids import is_valid
from gateway.model.errors import DatabaseFault, GatewayError, StoreFault
from gateway.model.instance import Groups, InstanceHeader, NewInstance, OnConflict, Origin, RecordOutcome
from gateway.model.routing import Trigger
from gateway.model.work import JobKind

# How much sooner than asked a series may be looked at, so that not every instance of it moves its job.
LONGEST_SLACK_S = 1.0
# Instances of a series that come within this time are routed together. A look takes three short transactions, however
# many it takes in; at twenty a second they leave a sender its rate, and nobody who waits for an image sees the delay.
ARRIVALS_S = 0.05
LARGEST_GROUP = 64  # bounds how long one transaction keeps other writers out: some 10 ms

# The kind of finding that says that objects were refused for want of a working disk or database.
NOT_KEPT = "object-not-kept"

_CHANGING = frozenset({RecordOutcome.ADDED, RecordOutcome.CONFLICT_KEPT, RecordOutcome.CONFLICT_REPLACED})


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """Seconds without a new instance after which the rules look, and after which they look in any case."""

    series_s: float = 30.0
    study_s: float = 300.0
    force_s: float = 3600.0

    def of(self, trigger: Trigger) -> float:
        """Seconds that a rule with this trigger waits."""
        return {Trigger.INSTANCE: ARRIVALS_S, Trigger.SERIES: self.series_s, Trigger.STUDY: self.study_s}[trigger]


class _Waiting:
    """An instance on its way into the index. `turn` is held until it is settled, or has to lead."""

    __slots__ = ("error", "new", "packed_header", "recorded", "turn")

    def __init__(self, new: NewInstance, packed_header: bytes) -> None:
        self.new = new
        self.packed_header = packed_header
        self.recorded: Recorded | None = None
        self.error: GatewayError | None = None
        self.turn = threading.Lock()
        self.turn.acquire()

    @property
    def settled(self) -> bool:
        return self.recorded is not None or self.error is not None

    def outcome(self) -> RecordOutcome:
        if self.error is not None:
            raise self.error
        assert self.recorded is not None  # noqa: S101
        return self.recorded.outcome


def _every_trigger() -> frozenset[Trigger]:
    return frozenset(Trigger)


@dataclass(slots=True)
class Recorder:
    """Thread-safe. `triggers`: those that an enabled rule has, asked once a group.

    `committed` is called after each group, with the seconds until a job that it requested can be due.
    """

    database: Database
    on_conflict: OnConflict = OnConflict.KEEP_BOTH
    quiet: QuietTimes = QuietTimes()
    triggers: Callable[[], frozenset[Trigger]] = _every_trigger
    committed: Callable[[float], None] = lambda _: None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _pending: list[_Waiting] = field(default_factory=list, init=False)
    _led: bool = field(default=False, init=False)
    _groups: Groups = field(default=Groups(), init=False)
    _index_fault: str = field(default="", init=False)
    _writer: InstanceWriter = field(init=False)

    def __post_init__(self) -> None:
        self._writer = InstanceWriter(self.database.dialect, self.on_conflict)

    def record(self, new: NewInstance, packed_header: bytes | None = None) -> RecordOutcome:
        """Index an instance and request its follow-up jobs; both are durable when this returns.

        `packed_header`: `headers.pack(new.header.header)`, from whoever had time for it before. Raises `DatabaseFault`
        when neither is durable, `CommitUnknown` when that cannot be told.
        """
        waiting = _Waiting(new, headers.pack(new.header.header) if packed_header is None else packed_header)
        with self._lock:
            self._pending.append(waiting)
            leads = not self._led
            self._led = True
        if not leads:
            waiting.turn.acquire()
        if not waiting.settled:
            self._lead()
        return waiting.outcome()

    def knows(self, sop_instance_uid: str, digest: str) -> bool:
        """True when these very bytes are stored under this UID."""
        with self.database.read() as conn:
            return instances.is_known(conn, sop_instance_uid, digest)

    def show_fault(self, fault: StoreFault | DatabaseFault) -> None:
        """Let the administrator know that an object could not be kept, and why.

        An index that takes no rows cannot take this one either: it is told of by the next group that is committed.
        """
        if isinstance(fault, DatabaseFault):
            self._index_fault = str(fault)
            return
        with suppress(DatabaseFault):
            self.database.write(lambda conn: raise_finding(conn, NOT_KEPT, "store", str(fault)))

    @property
    def index_fault(self) -> str:
        """Why the index took nothing when it was last asked; empty where it did."""
        return self._index_fault

    def statistics(self) -> Groups:
        """How well commits are grouped."""
        return self._groups

    def _lead(self) -> None:
        """Commit the head of the queue, which holds the caller's own instance, and hand on."""
        with self._lock:
            group, self._pending = self._pending[:LARGEST_GROUP], self._pending[LARGEST_GROUP:]
        # In key order, so that nodes which share a database do not wait for each other in a circle.
        group.sort(key=lambda waiting: waiting.new.header.sop_instance_uid)
        try:
            self._settle(group)
        finally:
            with self._lock:
                following = self._pending[0] if self._pending else None
                self._led = following is not None
            for waiting in group:
                waiting.turn.release()
            if following is not None:
                following.turn.release()

    def _settle(self, group: Sequence[_Waiting]) -> None:
        """Give every instance of the group its outcome; a row that fails takes no other with it."""
        try:
            self._commit(group)
        except CommitUnknown as error:
            for waiting in group:
                waiting.error = CommitUnknown(str(error))
        except DatabaseBusy as error:  # alone, each would wait as long again
            for waiting in group:
                waiting.error = DatabaseBusy(str(error))
        except DatabaseFault as error:
            self._settle_alone(group, error)
        finally:
            for waiting in group:
                if not waiting.settled:
                    waiting.error = DatabaseFault("recording was interrupted")

    def _settle_alone(self, group: Sequence[_Waiting], error: DatabaseFault) -> None:
        """What failed together is tried again one by one; the levels that it remembered may have been deleted."""
        for waiting in group:
            try:
                self._commit([waiting])
            except DatabaseFault as alone:
                waiting.error = alone
                waiting.error.__context__ = error

    def _commit(self, group: Sequence[_Waiting]) -> None:
        """One transaction. After it every instance of the group has its `recorded`."""
        triggers = self.triggers()
        runs = count()

        def work(conn: Connection) -> list[Recorded]:
            if next(runs):  # after a collision it runs again, and what it remembered was rolled back
                self._writer.forget()
            return self._write(conn, group, triggers)

        try:
            recorded = self.database.write(work)
        except BaseException:
            self._writer.forget()
            raise
        self._index_fault = ""
        for waiting, one in zip(group, recorded, strict=True):
            waiting.recorded = one
        before = self._groups
        largest = max(before.largest, len(group))
        self._groups = Groups(before.commits + 1, before.instances + len(group), largest)
        self.committed(min(self.quiet.of(trigger) for trigger in triggers | {Trigger.SERIES}))

    def _write(self, conn: Connection, group: Sequence[_Waiting], triggers: frozenset[Trigger]) -> list[Recorded]:
        """The transaction: rows, findings and follow-up jobs."""
        recorded = [self._writer.add(conn, waiting.new, waiting.packed_header) for waiting in group]
        if self._index_fault:
            raise_finding(conn, NOT_KEPT, "index", self._index_fault)
        looks: dict[str, tuple[Trigger, int]] = {}
        for waiting, one in zip(group, recorded, strict=True):
            if _is_to_be_routed(waiting.new, one):
                looks |= _looks(one, triggers)
                if Trigger.INSTANCE in triggers:
                    routed.note_arrival(conn, one.series_pk, one.instance_pk)
            if one.outcome in _CHANGING:
                _show_defects(conn, waiting.new.header)
        for key in sorted(looks):
            self._request(conn, key, *looks[key])
        return recorded

    def _request(self, conn: Connection, key: str, trigger: Trigger, pk: int) -> None:
        """What comes pushes a look at a series or study back; one at arrivals waits for the first alone."""
        delay_s, force_s = self.quiet.of(trigger), self.quiet.force_s
        arrivals = trigger is Trigger.INSTANCE
        jobs.request(
            conn,
            JobKind.ROUTE,
            key,
            {"study" if trigger is Trigger.STUDY else "series": pk},
            delay_s=delay_s,
            force_after_s=delay_s if arrivals else force_s,
            # However long a look at arrivals has been due: it will see these too, and they need not say so.
            slack_s=force_s if arrivals else min(delay_s / 10, LONGEST_SLACK_S),
        )


def _is_to_be_routed(new: NewInstance, recorded: Recorded) -> bool:
    """New rows are; a duplicate only when an administrator imports it again with `--route`."""
    if recorded.outcome is RecordOutcome.DUPLICATE:
        return new.route and new.origin is Origin.IMPORTED
    return new.route and recorded.outcome in _CHANGING


def _looks(recorded: Recorded, triggers: frozenset[Trigger]) -> dict[str, tuple[Trigger, int]]:
    """Keys of the route jobs that this instance asks for, with whose rules look at which row: always at a series."""
    series_pk, study_pk = recorded.series_pk, recorded.study_pk
    rows = {trigger: study_pk if trigger is Trigger.STUDY else series_pk for trigger in triggers | {Trigger.SERIES}}
    return {routed.look_key(trigger, pk): (trigger, pk) for trigger, pk in rows.items()}


def _show_defects(conn: Connection, header: InstanceHeader) -> None:
    """What is kept as it came though it should not be so: illegal UIDs (PS3.5 9.1), a data set that is cut off."""
    uids = {
        "Study Instance UID": header.study_instance_uid,
        "Series Instance UID": header.series_instance_uid,
        "SOP Instance UID": header.sop_instance_uid,
    }
    wrong = [name for name, uid in uids.items() if uid and not is_valid(uid)]
    if wrong:
        raise_finding(conn, "uid-not-conformant", f"study {header.study_instance_uid}", ", ".join(wrong))
    if header.cut_off:
        raise_finding(conn, "object-cut-off", f"instance {header.sop_instance_uid}", header.cut_off)
