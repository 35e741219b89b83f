"""Which handler does which kind of job."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.admin.context import Context
from gateway.jobs.forward import ForwardHandler, connector
from gateway.jobs.handler import Handler
from gateway.jobs.reconstruct import ReconstructHandler
from gateway.jobs.route import RouteHandler
from gateway.jobs.sweep import SweepHandler
from gateway.model.work import JobKind


def handlers(context: Context) -> Mapping[JobKind, Handler]:
    """A handler for each kind of job that this node does."""
    database, store = context.database, context.store
    return {
        JobKind.ROUTE: RouteHandler(database),
        JobKind.FORWARD: ForwardHandler(database, store, connector(context.calling)),
        JobKind.RECONSTRUCT: ReconstructHandler(context.reconstructor),
        JobKind.SWEEP: SweepHandler(database, store),
    }
