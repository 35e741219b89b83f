"""What the checks of `gateway status` look at, read in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.admin.context import Context, LiveStatus
from gateway.admin.names import Names
from gateway.db import counters, deliveries, findings, jobs, peers, scans
from gateway.db.refusals import Refusal, refusals
from gateway.jobs.at_work import AtWork
from gateway.model.errors import UsageError
from gateway.model.peer import Peer
from gateway.model.routing import UNMATCHED_COUNTER
from gateway.model.work import Job, JobKind, JobState, RawScan


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


def read(context: Context) -> Facts:
    """How the node is at this moment."""
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
            committing=tuple(
                jobs.listing(connection, kinds=(JobKind.COMMIT, JobKind.ASK_COMMIT), states=(JobState.READY,))
            ),
            troubled_jobs=tuple(jobs.listing(connection, states=(JobState.HELD, JobState.FAILED))),
            job_counts=jobs.counts(connection),
            findings=tuple(findings.listing(connection)),
            failed_scans=tuple(scans.failed(connection)),
            unmatched=counters.get(connection, UNMATCHED_COUNTER),
            tls=_tls(context),
            at_work=_at_work(context),
        )


def _at_work(context: Context) -> tuple[AtWork, ...]:
    """Nothing of the reconstruction is loaded to find that there is none."""
    made = context.way_in.made
    return () if made is None else made.reconstructor.workbench.runs()


def _tls(context: Context) -> Tls | None:
    """None where TLS is not set up, so that nothing of it is loaded."""
    if context.settings.dicom.tls_cert is None and context.credentials.made is None:
        return None
    try:
        credentials = context.credentials()
    except UsageError as error:
        return Tls(str(error), None)
    return Tls(credentials.fault, credentials.not_after)
