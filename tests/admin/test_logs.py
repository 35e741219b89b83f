"""The log shows what went wrong and where, and no patient's value."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator

import pytest
import structlog
from pydicom.dataset import Dataset

from gateway.admin import logs
from gateway.config import LogFormat, LogSettings
from gateway.model.errors import StoreFault


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def fail() -> None:
    try:
        int("DOE^JANE")
    except ValueError as error:
        raise StoreFault("the disk is full") from error


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_an_exception_is_logged_by_type_and_place(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=form))
    try:
        fail()
    except StoreFault:
        structlog.get_logger().exception("association.failed", association=7)
    logged = capsys.readouterr().err
    assert "association.failed" in logged
    assert "test_logs.py" in logged
    assert "in fail" in logged
    assert "StoreFault: the disk is full" in logged
    assert "ValueError" in logged
    assert "'DOE" not in logged
    assert "base 10" not in logged


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=LogFormat.JSON))
    structlog.get_logger().info("node.started", pid=1)
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["level"], event["pid"]) == ("node.started", "info", 1)


def test_a_command_in_a_pipe_logs_faults_alone_and_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_for_command()
    structlog.get_logger().warning("recon.limit_hit", reason="too much memory")
    structlog.get_logger().error("recon.fault", run=1)
    logged = capsys.readouterr().err
    assert "recon.fault" in logged
    assert "recon.limit_hit" not in logged
    assert "\x1b" not in logged


def test_what_pydicom_warns_of_is_not_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="doe"):
            Dataset().Modality = "doe^jane"
        logs.configure(LogSettings())
        Dataset().Modality = "doe^jane"


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w", buffering=1)  # noqa: PTH123, SIM115 - a device; to close it fails
    monkeypatch.setattr(sys, "stderr", full)
    logs.configure(LogSettings(format=LogFormat.JSON))
    for _ in range(1000):
        structlog.get_logger().info("node.started", pid=1)
    with pytest.raises(OSError, match="No space left"):
        full.close()


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_peers_words_give_no_command_to_a_terminal(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=form))
    structlog.get_logger().info("association.ended", calling_aet="\x1b[2JAET", cause="a\x9bb")
    logged = capsys.readouterr().err
    assert "AET" in logged
    assert not {"\x1b", "\x9b"} & set(logged)
