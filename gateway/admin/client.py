"""Calling an operation: in the running node over its control socket, or here when no node runs."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.admin.control import socket_path
from gateway.admin.home import HomeBusy, require
from gateway.admin.plain import plain
from gateway.admin.progress import Progress, Report, silent
from gateway.config import load
from gateway.model import errors
from gateway.model.errors import GatewayError, NodeFault, UsageError

# Long enough for another command to finish and for a node to start listening on its control socket.
HOME_WAIT_S = 10.0
_RETRY_S = 0.1


def call(home: Path, operation: str, arguments: Mapping[str, Any], report: Report = silent) -> Any:
    """The result of an operation on the node in `home`, as JSON values. Raises what the operation raises."""
    require(home)
    deadline = time.monotonic() + HOME_WAIT_S
    while True:
        connection = connect(home)
        if connection is not None:
            with connection:
                return _ask(connection, operation, arguments, report)
        try:
            return _work(home, operation, arguments, report)
        except HomeBusy as error:
            if time.monotonic() >= deadline:
                raise HomeBusy(f"{error}, which does not answer; is the node starting or stopping?") from error
            time.sleep(_RETRY_S)


def _work(home: Path, operation: str, arguments: Mapping[str, Any], report: Report) -> Any:
    """Do it in this process, which loads the code of the whole node: a command that only asks one does not."""
    from gateway.admin import logs, operations
    from gateway.admin.assembly import opened

    logs.configure_for_command()
    with opened(home, load(home)) as context:
        return operations.invoke(replace(context, report=report), operation, arguments)


def connect(home: Path) -> socket.socket | None:
    """A connection to the running node's control socket; None when no node runs."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_path(home) as path:
            connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except PermissionError as error:
        connection.close()
        raise UsageError(f"the node in {home} runs as another user: use that user, or root") from error
    return connection


def _ask(connection: socket.socket, operation: str, arguments: Mapping[str, Any], report: Report) -> Any:
    request = {"operation": operation, "arguments": plain(arguments)}
    with connection.makefile("rwb") as stream:
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()
        for line in stream:
            match json.loads(line):
                case {"progress": {"done": done, "total": total, "unit": unit}}:
                    report(Progress(done, total, unit))
                case {"result": result}:
                    return result
                case {"error": {"kind": kind, "message": message}}:
                    raise _error(kind, message)
    raise NodeFault("the node ended before it answered")


def _error(kind: str, message: str) -> GatewayError:
    """The error of that name in the tree, so that the exit status is the same wherever the operation ran."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, GatewayError) and found.__init__ is GatewayError.__init__:
        return found(message)
    return NodeFault(message)
