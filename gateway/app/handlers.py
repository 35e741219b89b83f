"""Which handler does which kind of job."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.admin.context import Context
from gateway.jobs.ask_commit import AskCommitHandler, asker
from gateway.jobs.commit import CommitHandler, reporter
from gateway.jobs.forward import ForwardHandler, connector
from gateway.jobs.handler import Handler
from gateway.jobs.reconstruct import ReconstructHandler
from gateway.jobs.route import RouteHandler
from gateway.jobs.sweep import SweepHandler
from gateway.model.work import JobKind
from gateway.scp.commitment import ReportDesk


def handlers(context: Context, desk: ReportDesk) -> Mapping[JobKind, Handler]:
    """A handler for each kind of job that this node does; `desk` knows who waits for a report."""
    database, store = context.database, context.store
    return {
        JobKind.ROUTE: RouteHandler(database),
        JobKind.FORWARD: ForwardHandler(database, store, connector(context.calling, context.reencoder)),
        JobKind.RECONSTRUCT: ReconstructHandler(context.reconstructor),
        JobKind.SWEEP: SweepHandler(database, store),
        JobKind.ASK_COMMIT: AskCommitHandler(database, asker(context.calling)),
        JobKind.COMMIT: CommitHandler(database, store, desk.report, reporter(context.calling)),
    }
