"""What status says of our TLS certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin import status
from gateway.admin.context import Context
from gateway.admin.once import Once
from gateway.admin.problem import Problem, Severity
from gateway.net.tls import Credentials, TlsFiles
from tests.net.certificates import Authority

Ending = Callable[[timedelta], Context]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who made our certificate."""
    return Authority(tmp_path / "tls")


@pytest.fixture
def ending(context: Context, authority: Authority) -> Ending:
    """A node whose certificate ends so far from now."""

    def make(left: timedelta) -> Context:
        pair = authority.issue("node", ends=datetime.now(UTC) + left)
        files = TlsFiles(pair.certificate, pair.key, authority.file)
        credentials = Once(lambda: Credentials(files))
        credentials()
        return replace(context, credentials=credentials)

    return make


def said(context: Context) -> list[Problem]:
    """What of status is about TLS."""
    return [problem for problem in status.report(context).problems if "TLS" in problem.text]


@pytest.mark.parametrize(
    ("left", "severity", "text"),
    [
        (timedelta(days=29, hours=12), Severity.WARNING, "ends in 29 days"),
        (timedelta(days=1, hours=12), Severity.WARNING, "ends in 1 day"),
        (timedelta(minutes=-1), Severity.CRITICAL, "peers refuse it"),
    ],
)
def test_a_certificate_near_its_end(left: timedelta, severity: Severity, text: str, ending: Ending) -> None:
    (problem,) = said(ending(left))
    assert problem.severity is severity
    assert text in problem.text


def test_nothing_is_said_of_what_is_well_or_not_set_up(context: Context, ending: Ending) -> None:
    assert said(context) == []
    assert context.credentials.made is None
    assert said(ending(timedelta(days=31))) == []


def test_a_pair_that_cannot_be_used_is_told_until_it_can(ending: Ending, authority: Authority) -> None:
    node = ending(timedelta(days=99))
    (authority.file.parent / "node.key").write_text("half a ke")
    (problem,) = said(node)
    assert "dicom.tls_key" in problem.text
    assert "still in use" in problem.details[0]
    authority.issue("node")
    assert said(node) == []
