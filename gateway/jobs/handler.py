"""What the worker and the handlers of jobs say to each other.

A handler works outside every transaction and returns its outcome together with what is to be recorded; the worker
writes both in one transaction, under the lease. So a handler whose lease ran out has changed nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from gateway.db import jobs
from gateway.model.errors import LeaseLost
from gateway.model.work import Job, JobKind


def _nothing(_: Connection) -> None:
    """Nothing to record."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a job, and what goes into the transaction that settles it; `record` may run more than once.

    `follow_up` are the kinds of jobs that were asked for meanwhile or are by `record`: their lanes look at once.
    """

    outcome: jobs.Outcome
    record: Callable[[Connection], None] = _nothing
    follow_up: tuple[JobKind, ...] = ()


class Lease:
    """A job's lease while its handler works; the worker renews it in the background.

    `signalled`: notified when jobs like this one were asked for, and when the node stops.
    """

    def __init__(
        self, job: Job, lease_s: float, stopping: threading.Event, signalled: threading.Condition | None = None
    ) -> None:
        self.job = job
        self._lease_s = lease_s
        self._stopping = stopping
        self._signalled = signalled or threading.Condition()
        self._lost = threading.Event()

    @property
    def ending(self) -> bool:
        """True when the handler should come to an end soon: the node stops, or the lease is another's."""
        return self._lost.is_set() or self._stopping.is_set()

    @property
    def lost(self) -> bool:
        """True when the job is no longer ours: nothing more may be done for it."""
        return self._lost.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until jobs of this kind were asked for, or the node stops."""
        with self._signalled:
            if not self.ending:
                self._signalled.wait(seconds)

    def renew(self, conn: Connection) -> None:
        """Renew in a transaction that records a part of the work; LeaseLost rolls that back."""
        if self._lost.is_set() or not jobs.renew(conn, self.job, self._lease_s):
            self._lost.set()
            raise LeaseLost(f"the lease of job {self.job.id} ({self.job.kind} {self.job.key}) is lost")

    def keep(self, conn: Connection) -> None:
        """Renew in the background: a lost lease is remembered and not raised."""
        if not self._lost.is_set() and not jobs.renew(conn, self.job, self._lease_s):
            self._lost.set()


class Handler(Protocol):
    """Does one kind of job. What it raises makes the job be tried again later, with a finding."""

    def __call__(self, job: Job, lease: Lease, /) -> Result: ...
