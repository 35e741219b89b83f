"""The table of operations: everything that can be asked of a node over its control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.admin import (
    backups,
    database,
    deliveries,
    imports,
    jobs,
    peers,
    recon,
    rule_test,
    rules,
    scans,
    send,
    status,
    studies,
)
from gateway.admin.context import Context
from gateway.admin.operation import Operation
from gateway.admin.plain import Json
from gateway.model.errors import UsageError

_FUNCTIONS: tuple[Callable[..., object], ...] = (
    backups.create,
    database.rebuild,
    database.verify,
    deliveries.list_,
    imports.run,
    jobs.cancel,
    jobs.list_,
    jobs.retry,
    jobs.show,
    peers.add,
    peers.echo,
    peers.list_,
    peers.pause,
    peers.remove,
    peers.rename,
    peers.resume,
    peers.set_,
    peers.show,
    recon.run,
    rule_test.run,
    rules.add,
    rules.disable,
    rules.enable,
    rules.export,
    rules.export_toml,
    rules.import_,
    rules.list_,
    rules.log,
    rules.remove,
    rules.set_,
    rules.show,
    scans.delete,
    scans.list_,
    scans.plan_deletion,
    scans.show,
    send.progress,
    send.queue,
    status.acknowledge,
    status.report,
    studies.delete,
    studies.files,
    studies.list_,
    studies.plan_deletion,
    studies.show,
)
OPERATIONS: Mapping[str, Operation] = {each.name: each for each in map(Operation.of, _FUNCTIONS)}


def invoke(context: Context, name: str, arguments: Mapping[str, Json]) -> Json:
    """Call an operation by its name. Raises `UsageError` for an unknown one."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise UsageError(f"no operation {name[:100]!r}: are this command and the node of the same version?")
    return operation.invoke(context, arguments)
