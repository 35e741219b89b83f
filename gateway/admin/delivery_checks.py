"""Checks of what goes out: destinations that are paused, cannot be reached or refuse, and storage commitment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gateway.admin.facts import Facts
from gateway.admin.problem import Problem, Severity, moment, some
from gateway.db import deliveries, peers
from gateway.db.refusals import Refusal
from gateway.jobs.store_status import MAX_ATTEMPTS
from gateway.model.peer import Peer
from gateway.model.work import DeliveryState, Job, JobKind, JobState

_COMMITTING: Mapping[JobKind, str] = {
    JobKind.COMMIT: "reports of storage commitment wait to be delivered",
    JobKind.ASK_COMMIT: "destinations could not be asked for storage commitment",
}


def destinations(facts: Facts) -> Iterator[Problem]:
    """Deliveries that failed, were refused, or wait for a reason."""
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
        (*some(lines), f"one by one: gateway deliveries list --state failed --to {peer.name}"),
        f"gateway jobs retry --state failed --to {peer.name}",
    )


def _refused(peer: Peer, summary: deliveries.PeerSummary, reasons: Iterable[Refusal]) -> Problem:
    """The objects, and not the destination: it takes others."""
    lines = [
        f"{each.objects} × {each.reason}: {each.attempts} of {MAX_ATTEMPTS} attempts used,"
        f" tried again at {moment(each.next_due)}"
        for each in reasons
        if each.state is DeliveryState.WAITING
    ]
    return Problem(
        Severity.WARNING,
        f"{summary.refused} objects were refused by {peer.name}",
        (*some(lines), f"once it takes them: gateway jobs retry --to {peer.name}"),
        f"gateway deliveries list --state waiting --to {peer.name}",
    )


def _waiting(peer: Peer, summary: deliveries.PeerSummary, job: Job | None) -> Iterator[Problem]:
    """What waits is only worth a word when something keeps it from being sent."""
    waiting = f"{summary.waiting} objects wait for {peer.name}"
    since = () if summary.oldest_waiting is None else (f"the oldest since {moment(summary.oldest_waiting)}",)
    if peer.paused:
        severity = Severity.WARNING if summary.waiting else Severity.INFO
        yield Problem(severity, f"{peer.name} is paused; {waiting}", since, f"gateway peers resume {peer.name}")
    elif summary.waiting and job is not None and job.error:
        again = f"tried again at {moment(job.due_at)}" if job.state is JobState.READY else "being tried now"
        command = f"gateway peers echo {peer.name}"
        yield Problem(Severity.WARNING, f"{waiting}: {job.error}", (*since, again), command)


def commitments(facts: Facts) -> Iterator[Problem]:
    """Reports and requests that cannot be delivered; what failed for good is told with the jobs."""
    for kind, words in _COMMITTING.items():
        stuck = [job for job in facts.committing if job.error and job.kind is kind]
        if stuck:
            lines = [f"job {job.id}: {job.error}; tried again at {moment(job.due_at)}" for job in stuck]
            yield Problem(Severity.WARNING, f"{len(stuck)} {words}", some(lines), f"gateway jobs retry {stuck[0].id}")
