"""What can be wrong with a node. One function looks at one thing and yields what it finds; `CHECKS` lists them.

No patient value is shown: subjects are UIDs, numbers and names that the administrator gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from gateway.admin.delivery_checks import commitments, destinations
from gateway.admin.facts import Facts
from gateway.admin.problem import Problem, Severity, moment, some
from gateway.admin.words import counted
from gateway.model.routing import HELD_FINDING
from gateway.model.work import JobKind, JobState

# So much free space above the reserve is worth a warning before senders are refused.
LOW_SPACE_BYTES = 5 * 1024**3
# A certificate that ends sooner than this is worth a warning: authorities take days, and modalities weeks.
EXPIRY_WARNING = timedelta(days=30)

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
    HELD_FINDING: "held until its rule can be evaluated; it is about to be looked at again",
    "object-unreadable": "an object that the store does not give back; look with gateway db verify",
}


def _node_runs(facts: Facts) -> Iterator[Problem]:
    if facts.live is None:
        yield Problem(
            Severity.CRITICAL, "the node is not running: nothing is received or sent", command="gateway serve"
        )
    elif facts.live.draining:
        yield Problem(Severity.WARNING, "the node is ending: it takes nothing new")


def _tls(facts: Facts) -> Iterator[Problem]:
    if facts.tls is None:
        return
    if facts.tls.fault:
        keeps = () if facts.tls.not_after is None else ("the certificate that was read before is still in use",)
        yield Problem(Severity.WARNING, f"TLS: {facts.tls.fault}", keeps)
    ends = facts.tls.not_after
    if ends is not None and ends <= datetime.now(UTC):
        yield Problem(
            Severity.CRITICAL, f"our TLS certificate (dicom.tls_cert) ended at {moment(ends)}: peers refuse it"
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


def _jobs(facts: Facts) -> Iterator[Problem]:
    for state, words in ((JobState.HELD, "held until its rule can be evaluated"), (JobState.FAILED, "failed")):
        for kind in JobKind:
            stuck = [job for job in facts.troubled_jobs if job.state is state and job.kind is kind]
            if stuck:
                details = some([f"job {job.id} ({job.key}): {job.error}" for job in stuck])
                command = "gateway rules show NAME" if state is JobState.HELD else f"gateway jobs retry {stuck[0].id}"
                yield Problem(Severity.WARNING, f"{len(stuck)} {kind} jobs are {words}", details, command)


def _findings(facts: Facts) -> Iterator[Problem]:
    # What a rule holds is told by its job, unless that is about to look again.
    told = {HELD_FINDING} if any(job.state is JobState.HELD for job in facts.troubled_jobs) else set()
    for kind in sorted({finding.kind for finding in facts.findings} - told):
        of_kind = [finding for finding in facts.findings if finding.kind == kind]
        details = some([f"{finding.subject}: {finding.detail}".rstrip(": ") for finding in of_kind])
        text = FINDINGS.get(kind, kind)
        command = "gateway rules show NAME" if kind == HELD_FINDING else "gateway status --acknowledge"
        yield Problem(Severity.WARNING, f"{len(of_kind)} × {text}", details, command)


def _scans(facts: Facts) -> Iterator[Problem]:
    if facts.failed_scans:
        from gateway.recon.registry import ALIASED_WAY  # with NumPy, which only a failed scan is worth loading

        details = some([f"scan {scan.id}: {scan.error}" for scan in facts.failed_scans])
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
    destinations,
    commitments,
    _jobs,
    _scans,
    _findings,
    _unmatched,
    _database,
)
