"""`gateway status`: everything is all right, or each problem with its cause, what waits, when it is tried again and the
command that helps.

One function looks at one thing and yields what it finds; `CHECKS` is the list of them. No patient value is shown:
subjects are UIDs, numbers and names that the administrator gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gateway.admin.context import Context, LiveStatus
from gateway.admin.names import Names
from gateway.admin.words import counted
from gateway.db import counters, deliveries, findings, jobs, peers, scans
from gateway.db.connection import Connection
from gateway.db.refusals import Refusal, refusals
from gateway.jobs.at_work import AtWork
from gateway.jobs.store_status import MAX_ATTEMPTS
from gateway.model.errors import UsageError
from gateway.model.instance import Groups
from gateway.model.peer import Peer
from gateway.model.routing import HELD_FINDING, UNMATCHED_COUNTER
from gateway.model.work import DeliveryState, Job, JobKind, JobState, RawScan

# So much free space above the reserve is worth a warning before senders are refused.
LOW_SPACE_BYTES = 5 * 1024**3
# Enough to see what is wrong; `gateway jobs list` and its like have all of it.
MAX_SHOWN = 5

_COMMITTING: Mapping[JobKind, str] = {
    JobKind.COMMIT: "reports of storage commitment wait to be delivered",
    JobKind.ASK_COMMIT: "destinations could not be asked for storage commitment",
}

# What the kinds of findings mean; a kind that is not here stands for itself.
FINDINGS: Mapping[str, str] = {
    "uid-conflict": "two objects with one SOP Instance UID and other bytes; gateway studies show UID has the versions",
    "patient-mismatch": "one patient ID with another name or birth date",
    "study-two-patients": "one study under two patients, kept apart",
    "no-study-uid": "objects without a Study Instance UID",
    "job-error": "a job that fails and is tried again",
    "object-cut-off": "an object that ended before its end; it is kept as it came",
    "uid-not-conformant": "UIDs that are none by the standard; they are kept as they came",
    "object-not-kept": "objects that could not be kept; their senders were told, and have them still",
    "object-unreadable": "an object that the store does not give back; look with gateway db verify",
}


# A certificate that ends sooner than this is worth a warning: authorities take days, and modalities weeks.
EXPIRY_WARNING = timedelta(days=30)


class Severity(StrEnum):
    """INFO is no problem, WARNING needs attention, with CRITICAL the node does not do its work."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


# What `status --check` exits with.
LEVELS: Mapping[Severity, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that an administrator should know: what it is, its cause and more in `details`, what helps."""

    severity: Severity
    text: str
    details: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`level` is the severest problem's; `summary` a few lines for people."""

    level: int
    summary: tuple[str, ...]
    problems: tuple[Problem, ...]
    node: LiveStatus | None
    free_bytes: int
    jobs: Mapping[str, Mapping[str, int]]
    deliveries: Mapping[str, Mapping[str, int]]
    unmatched: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at, read in one snapshot."""

    live: LiveStatus | None
    free_bytes: int
    database_warnings: tuple[str, ...]
    peers: tuple[Peer, ...]
    names: Names
    summaries: Mapping[int, deliveries.PeerSummary]
    refusals: Mapping[int, tuple[Refusal, ...]]
    forwarding: Mapping[str, Job]
    committing: tuple[Job, ...]
    troubled_jobs: tuple[Job, ...]
    job_counts: Mapping[tuple[JobKind, JobState], int]
    findings: tuple[findings.Finding, ...]
    failed_scans: tuple[RawScan, ...]
    unmatched: int
    tls: Tls | None
    at_work: tuple[AtWork, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """`fault`: why the files as they are cannot be used; `not_after`: when the certificate in use ends."""

    fault: str
    not_after: datetime | None


def report(context: Context) -> StatusReport:
    """How the node is."""
    facts = _facts(context)
    problems = sorted(
        (problem for check in CHECKS for problem in check(facts)), key=lambda problem: -LEVELS[problem.severity]
    )
    level = max((LEVELS[problem.severity] for problem in problems), default=0)
    return StatusReport(
        level=level,
        summary=_summary(facts, level),
        problems=tuple(problems),
        node=facts.live,
        free_bytes=facts.free_bytes,
        jobs=_job_table(facts),
        deliveries=_delivery_table(facts),
        unmatched=facts.unmatched,
    )


def acknowledge(context: Context) -> int:
    """Forget the findings, once an administrator has seen to them; what is still so is found again."""

    def work(connection: Connection) -> int:
        seen = findings.listing(connection)
        return sum(findings.resolve(connection, finding.kind, finding.subject) for finding in seen)

    return context.database.write(work)


def _facts(context: Context) -> Facts:
    with context.database.read() as connection:
        summaries = deliveries.summaries(connection)
        refusing = [each.peer_id for each in summaries if each.refused or each.failed]
        return Facts(
            live=None if context.live is None else context.live.status(),
            free_bytes=context.store.free_space(),
            database_warnings=context.database.warnings(),
            peers=tuple(peers.list_peers(connection)),
            names=Names.read(connection),
            summaries={each.peer_id: each for each in summaries},
            refusals={peer_id: tuple(refusals(connection, peer_id)) for peer_id in refusing},
            forwarding={job.key: job for job in jobs.listing(connection, kinds=(JobKind.FORWARD,))},
            committing=tuple(jobs.listing(connection, kinds=tuple(_COMMITTING), states=(JobState.READY,))),
            troubled_jobs=tuple(jobs.listing(connection, states=(JobState.HELD, JobState.FAILED))),
            job_counts=jobs.counts(connection),
            findings=tuple(findings.listing(connection)),
            failed_scans=tuple(scans.failed(connection)),
            unmatched=counters.get(connection, UNMATCHED_COUNTER),
            tls=_tls_facts(context),
            at_work=_at_work(context),
        )


def _at_work(context: Context) -> tuple[AtWork, ...]:
    """Nothing of the reconstruction is loaded to find that there is none."""
    made = context.way_in.made
    return () if made is None else made.reconstructor.workbench.runs()


def _node_runs(facts: Facts) -> Iterator[Problem]:
    if facts.live is None:
        yield Problem(
            Severity.CRITICAL, "the node is not running: nothing is received or sent", command="gateway serve"
        )
    elif facts.live.draining:
        yield Problem(Severity.WARNING, "the node is ending: it takes nothing new")


def _tls_facts(context: Context) -> Tls | None:
    """None where TLS is not set up, so that nothing of it is loaded."""
    if context.settings.dicom.tls_cert is None and context.credentials.made is None:
        return None
    try:
        credentials = context.credentials()
    except UsageError as error:
        return Tls(str(error), None)
    return Tls(credentials.fault, credentials.not_after)


def _tls(facts: Facts) -> Iterator[Problem]:
    if facts.tls is None:
        return
    if facts.tls.fault:
        keeps = () if facts.tls.not_after is None else ("the certificate that was read before is still in use",)
        yield Problem(Severity.WARNING, f"TLS: {facts.tls.fault}", keeps)
    ends = facts.tls.not_after
    if ends is not None and ends <= datetime.now(UTC):
        yield Problem(
            Severity.CRITICAL, f"our TLS certificate (dicom.tls_cert) ended at {_moment(ends)}: peers refuse it"
        )
    elif ends is not None and ends <= datetime.now(UTC) + EXPIRY_WARNING:
        days = (ends - datetime.now(UTC)).days
        yield Problem(
            Severity.WARNING,
            f"our TLS certificate (dicom.tls_cert) ends in {counted(days, 'day')}",
            ("replace dicom.tls_cert and dicom.tls_key; the node reads them by itself",),
        )


def _space(facts: Facts) -> Iterator[Problem]:
    if facts.free_bytes == 0:
        yield Problem(
            Severity.CRITICAL,
            "no space is left above store.reserve: senders are told out of resources and keep what they have",
            command="gateway studies delete UID",
        )
    elif facts.free_bytes < LOW_SPACE_BYTES:
        left = facts.free_bytes // 1024**2
        yield Problem(Severity.WARNING, f"space for {left} MiB is left before senders are refused")


def _database(facts: Facts) -> Iterator[Problem]:
    if facts.live is not None and facts.live.index_fault:
        yield Problem(
            Severity.CRITICAL,
            "the index could not be written when it was last asked: senders are told out of resources and keep what"
            " they have",
            (facts.live.index_fault,),
        )
    for warning in facts.database_warnings:
        yield Problem(Severity.INFO, warning)


def _destinations(facts: Facts) -> Iterator[Problem]:
    for peer in facts.peers:
        summary = facts.summaries.get(peer.id)
        if summary is None:
            if peer.paused:
                yield Problem(Severity.INFO, f"{peer.name} is paused", command=f"gateway peers resume {peer.name}")
            continue
        reasons = facts.refusals.get(peer.id, ())
        if summary.failed:
            yield _failed(peer, summary, reasons)
        if summary.refused:
            yield _refused(peer, summary, reasons)
        yield from _waiting(peer, summary, facts.forwarding.get(peers.forward_key(peer.id)))


def _failed(peer: Peer, summary: deliveries.PeerSummary, reasons: Iterable[Refusal]) -> Problem:
    lines = [f"{each.objects} × {each.reason}" for each in reasons if each.state is DeliveryState.FAILED]
    return Problem(
        Severity.WARNING,
        f"{summary.failed} objects could not be delivered to {peer.name}; they are not tried again by themselves",
        (*_some(lines), f"one by one: gateway deliveries list --state failed --to {peer.name}"),
        f"gateway jobs retry --state failed --to {peer.name}",
    )


def _refused(peer: Peer, summary: deliveries.PeerSummary, reasons: Iterable[Refusal]) -> Problem:
    """The objects, and not the destination: it takes others."""
    lines = [
        f"{each.objects} × {each.reason}: {each.attempts} of {MAX_ATTEMPTS} attempts used,"
        f" tried again at {_moment(each.next_due)}"
        for each in reasons
        if each.state is DeliveryState.WAITING
    ]
    return Problem(
        Severity.WARNING,
        f"{summary.refused} objects were refused by {peer.name}",
        (*_some(lines), f"once it takes them: gateway jobs retry --to {peer.name}"),
        f"gateway deliveries list --state waiting --to {peer.name}",
    )


def _waiting(peer: Peer, summary: deliveries.PeerSummary, job: Job | None) -> Iterator[Problem]:
    """What waits is only worth a word when something keeps it from being sent."""
    waiting = f"{summary.waiting} objects wait for {peer.name}"
    since = () if summary.oldest_waiting is None else (f"the oldest since {_moment(summary.oldest_waiting)}",)
    if peer.paused:
        severity = Severity.WARNING if summary.waiting else Severity.INFO
        yield Problem(severity, f"{peer.name} is paused; {waiting}", since, f"gateway peers resume {peer.name}")
    elif summary.waiting and job is not None and job.error:
        again = f"tried again at {_moment(job.due_at)}" if job.state is JobState.READY else "being tried now"
        command = f"gateway peers echo {peer.name}"
        yield Problem(Severity.WARNING, f"{waiting}: {job.error}", (*since, again), command)


def _commitments(facts: Facts) -> Iterator[Problem]:
    """Reports and requests that cannot be delivered; what failed for good is told by `_jobs`."""
    for kind, words in _COMMITTING.items():
        stuck = [job for job in facts.committing if job.error and job.kind is kind]
        if stuck:
            lines = [f"job {job.id}: {job.error}; tried again at {_moment(job.due_at)}" for job in stuck]
            yield Problem(Severity.WARNING, f"{len(stuck)} {words}", _some(lines), f"gateway jobs retry {stuck[0].id}")


def _jobs(facts: Facts) -> Iterator[Problem]:
    for state, words in ((JobState.HELD, "held until its rule can be evaluated"), (JobState.FAILED, "failed")):
        for kind in JobKind:
            stuck = [job for job in facts.troubled_jobs if job.state is state and job.kind is kind]
            if stuck:
                details = _some([f"job {job.id} ({job.key}): {job.error}" for job in stuck])
                command = "gateway rules show NAME" if state is JobState.HELD else f"gateway jobs retry {stuck[0].id}"
                yield Problem(Severity.WARNING, f"{len(stuck)} {kind} jobs are {words}", details, command)


def _findings(facts: Facts) -> Iterator[Problem]:
    # What a rule holds is told by its job.
    for kind in sorted({finding.kind for finding in facts.findings} - {HELD_FINDING}):
        of_kind = [finding for finding in facts.findings if finding.kind == kind]
        details = _some([f"{finding.subject}: {finding.detail}".rstrip(": ") for finding in of_kind])
        text = FINDINGS.get(kind, kind)
        yield Problem(Severity.WARNING, f"{len(of_kind)} × {text}", details, "gateway status --acknowledge")


def _scans(facts: Facts) -> Iterator[Problem]:
    if facts.failed_scans:
        from gateway.recon.registry import ALIASED_WAY  # with NumPy, which only a failed scan is worth loading

        details = _some([f"scan {scan.id}: {scan.error}" for scan in facts.failed_scans])
        first = facts.failed_scans[0].id
        text = f"{counted(len(facts.failed_scans), 'raw scan')} without images; the raw data is kept"
        # The error of undersampled data names what makes images all the same.
        way = ALIASED_WAY if ALIASED_WAY in facts.failed_scans[0].error else "--method METHOD"
        yield Problem(Severity.WARNING, text, details, f"gateway recon run {first} {way}")


def _unmatched(facts: Facts) -> Iterator[Problem]:
    if facts.unmatched:
        text = f"{facts.unmatched} objects matched no rule so far; they are kept and went nowhere"
        yield Problem(Severity.INFO, text, command="gateway rules list")


CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    _node_runs,
    _space,
    _tls,
    _destinations,
    _commitments,
    _jobs,
    _scans,
    _findings,
    _unmatched,
    _database,
)


def _summary(facts: Facts, level: int) -> tuple[str, ...]:
    lines = ["everything is all right"] if level == 0 else []
    if facts.live is not None:
        places = ", ".join(f"{each.name} {each.host}:{each.port}" for each in facts.live.listeners)
        lines.append(f"running since {_moment(facts.live.started_at)}: {places}; {facts.live.associations} connections")
        lines += _received(facts.live.received)
    lines += [f"reconstructing scan {run.scan_id} by {run.method}: {run.progress or 'begun'}" for run in facts.at_work]
    waiting = sum(summary.waiting for summary in facts.summaries.values())
    sent = sum(summary.sent for summary in facts.summaries.values())
    lines.append(f"{sent} objects sent, {waiting} waiting; {facts.free_bytes // 1024**3} GiB free in the store")
    return tuple(lines)


def _received(groups: Groups) -> Iterator[str]:
    if groups.commits:
        mean = groups.instances / groups.commits
        yield (
            f"{groups.instances} objects taken in since then, by {groups.commits} commits"
            f" ({mean:.1f} a commit, {groups.largest} at most)"
        )


def _job_table(facts: Facts) -> Mapping[str, Mapping[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (kind, state), count in facts.job_counts.items():
        table.setdefault(kind.value, {})[state.value] = count
    return table


def _delivery_table(facts: Facts) -> Mapping[str, Mapping[str, int]]:
    return {
        facts.names.peer(summary.peer_id): {
            "waiting": summary.waiting,
            "failed": summary.failed,
            "sent": summary.sent,
        }
        for summary in facts.summaries.values()
    }


def _some(lines: list[str]) -> tuple[str, ...]:
    more = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], f"and {more} more") if more > 0 else tuple(lines)


def _moment(when: datetime) -> str:
    """A time on this machine's clock, to the second."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
