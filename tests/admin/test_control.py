"""The control socket: requests, progress, errors, limits, and homes with long names."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import client, control
from gateway.admin.control import ControlServer, socket_path
from gateway.admin.home import SOCKET_NAME, HomeBusy, HomeLock
from gateway.admin.plain import Json
from gateway.admin.progress import Progress, Report
from gateway.model.attention import Look
from gateway.model.errors import Cancelled, NotFoundError, UsageError

Serve = Callable[[control.Invoke], None]


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """Starts a server with an operation of the test's own."""
    servers: list[ControlServer] = []

    def start(invoke: control.Invoke) -> None:
        servers.append(ControlServer(home, invoke))
        servers[-1].start()

    yield start
    for server in servers:
        server.close()


def echo(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
    return {"name": name, "arguments": dict(arguments)}


def exchange(home: Path, line: bytes) -> dict[str, Json]:
    """One line to the socket, the last line back."""
    connection = client.connect(home)
    assert connection is not None
    with connection:
        connection.sendall(line)
        with connection.makefile("rb") as stream:
            answer: dict[str, Json] = json.loads(list(stream)[-1])
            return answer


def test_a_call_goes_to_the_node_that_runs(home: Path, serve: Serve) -> None:
    serve(echo)
    assert client.call(home, "peers.add", {"name": "ü"}) == {"name": "peers.add", "arguments": {"name": "ü"}}


def test_progress_comes_before_the_result(home: Path, serve: Serve) -> None:
    def count(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        for done in range(3):
            report(Progress(done, 3, "files"))
        return 3

    serve(count)
    heard: list[Progress] = []
    assert client.call(home, "count", {}, heard.append) == 3
    assert heard == [Progress(0, 3, "files"), Progress(1, 3, "files"), Progress(2, 3, "files")]


def test_an_error_has_the_same_class_on_both_sides(home: Path, serve: Serve) -> None:
    def fail(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        raise NotFoundError("no peer is named 'x'")

    serve(fail)
    with pytest.raises(NotFoundError, match="no peer is named 'x'"):
        client.call(home, "peers.show", {})


def test_an_unexpected_error_is_named_without_its_text_and_the_server_lives_on(home: Path, serve: Serve) -> None:
    def fail(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        raise ValueError("DOE^JOHN")

    serve(fail)
    for _ in range(2):
        answer = exchange(home, b'{"operation": "a", "arguments": {}}\n')
        assert answer == {"error": {"kind": "NodeFault", "message": "internal error: ValueError"}}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b'{"operation": 1, "arguments": {}}\n',
        b'{"operation": "a"}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_request_is_told_what_one_is(home: Path, serve: Serve, line: bytes) -> None:
    serve(echo)
    error = exchange(home, line)["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "UsageError"
    assert client.call(home, "a", {}) == {"name": "a", "arguments": {}}


def test_a_request_without_end_is_refused_at_the_cap(home: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_REQUEST_BYTES", 1000)
    serve(echo)
    error = exchange(home, b"x" * 5000)["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "LimitExceeded"


def test_a_caller_that_hangs_up_does_not_stop_the_next(home: Path, serve: Serve) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        running.set()
        assert go_on.wait(10)
        return None

    serve(slow)
    connection = client.connect(home)
    assert connection is not None
    connection.sendall(b'{"operation": "a", "arguments": {}}\n')
    assert running.wait(10)
    connection.close()
    go_on.set()
    assert client.call(home, "b", {}) is None


def test_accept_outlives_a_want_of_descriptors(home: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [errno.EMFILE, errno.ECONNABORTED]
    accept = socket.socket.accept

    def failing(listener: socket.socket) -> Any:
        if failures:
            raise OSError(failures.pop(), "planted")
        return accept(listener)

    monkeypatch.setattr(control, "_EXHAUSTED_PAUSE_S", 0.0)
    monkeypatch.setattr(socket.socket, "accept", failing)
    serve(echo)
    assert client.call(home, "peers.list", {}) == {"name": "peers.list", "arguments": {}}
    assert not failures


def test_the_modes_of_other_threads_files_are_left_alone(
    home: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[int] = []
    monkeypatch.setattr(os, "umask", changes.append)
    serve(echo)
    assert changes == []


def test_only_the_owner_may_connect(home: Path, serve: Serve) -> None:
    serve(echo)
    assert stat.S_IMODE((home / SOCKET_NAME).stat().st_mode) == 0o600


def test_a_socket_that_a_killed_node_left_is_no_node(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left, socket_path(home) as path:
        left.bind(path)
    assert client.connect(home) is None
    assert client.call(home, "peers.list", {}) == []


def test_a_home_whose_path_is_longer_than_a_unix_address(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120) / ("y" * 120)
    home.mkdir(parents=True)
    server = ControlServer(home, echo)
    server.start()
    connection = client.connect(home)
    assert connection is not None
    connection.close()
    server.close()
    assert not (home / SOCKET_NAME).exists()


def test_a_home_that_is_held_by_what_does_not_answer_is_said_to_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HOME_WAIT_S", 0.0)
    with HomeLock(home), pytest.raises(HomeBusy, match="does not answer"):
        client.call(home, "peers.list", {})


def test_arguments_are_checked_before_the_call(home: Path) -> None:
    for arguments, told in [({"nam": "a"}, "nam"), ({"name": "a", "ae_title": "A", "port": "x"}, "port"), ({}, "name")]:
        with pytest.raises(UsageError, match=told):
            client.call(home, "peers.add", arguments)


def test_an_unknown_operation_hints_at_versions(home: Path) -> None:
    with pytest.raises(UsageError, match="same version"):
        client.call(home, "peers.frobnicate", {})


def test_a_caller_that_takes_nothing_of_its_answer_gives_its_place_up(
    home: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_TIMEOUT_S", 0.1)
    monkeypatch.setattr(control, "MAX_CALLERS", 1)
    serve(lambda name, arguments, report, look: "x" * 10_000_000 if name == "much" else name)
    connection = client.connect(home)
    assert connection is not None
    with connection:
        connection.sendall(b'{"operation": "much", "arguments": {}}\n')
        assert exchange(home, b'{"operation": "little", "arguments": {}}\n') == {"result": "little"}


def test_a_caller_that_is_gone_ends_what_it_asked_for(home: Path, serve: Serve) -> None:
    """One that has closed its own direction alone waits for the answer."""
    begun, ended = threading.Event(), threading.Event()

    def endless(name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        begun.set()
        try:
            for _ in range(500):
                look()
                time.sleep(0.02)
        except Cancelled:
            ended.set()
            raise
        return None

    serve(endless)
    connection = client.connect(home)
    assert connection is not None
    connection.sendall(b'{"operation": "a", "arguments": {}}\n')
    connection.shutdown(socket.SHUT_WR)
    assert begun.wait(10)
    assert not ended.wait(0.1)
    connection.close()
    assert ended.wait(5)
