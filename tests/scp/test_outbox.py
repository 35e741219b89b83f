"""Requests of this node that wait for their turn on an association: withdrawn, forgotten, settled at its end."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.model.commitment import CommitmentReport
from gateway.model.instance import Source
from gateway.net.association import Association
from gateway.scp import commitment
from gateway.scp.commitment import ReportDesk
from gateway.scp.outbox import Outbox, Question
from gateway.scp.service import ServiceContext
from gateway.wire.command import Command, CommandField
from gateway.wire.negotiation import Context

REPORT = CommitmentReport("1.2.3", (), ())


class Line:
    """An association on which the peer says something once all that waits was asked."""

    def __init__(self) -> None:
        self.contexts = {1: Context(1, STORAGE_COMMITMENT, "1.2.840.10008.1.2.1")}
        self.sent: list[Command] = []

    def send(self, context_id: int, command: Command, data_set: Any) -> None:
        self.sent.append(command)

    def wait_for_message(self, wakeup: int) -> bool:
        return True


def question() -> Question:
    return Question(1, Command(field=CommandField.N_EVENT_REPORT_RQ), b"")


def on(line: Line) -> ServiceContext:
    source = Source(calling_aet="CT", called_aet="GATEWAY", address="192.0.2.1", peer_id=None)
    unused = cast(Any, None)
    return ServiceContext(cast(Association, line), source, unused, unused, unused)


def test_what_was_withdrawn_is_not_asked() -> None:
    outbox, line, first, second = Outbox(), Line(), question(), question()
    outbox.open()
    outbox.put(first)
    outbox.put(second)
    outbox.withdraw(first)
    outbox.withdraw(first)
    outbox.wait(cast(Association, line))
    assert len(line.sent) == 1
    outbox.close()
    assert second.settled.is_set()
    assert not first.settled.is_set()


def test_a_report_that_the_association_has_no_time_for_goes_another_way_and_not_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commitment, "_ANSWER_S", 0.01)
    desk, line = ReportDesk(), Line()
    context = on(line)
    desk.asked(context, 1, "1.2.3")
    assert desk.report("CT", REPORT) is None
    context.outbox.wait(cast(Association, line))
    assert line.sent == []
    context.outbox.close()


def test_a_request_that_was_not_taken_does_not_forget_anothers() -> None:
    """The same title and transaction on two associations: the later one waits for the report."""
    desk, first, second = ReportDesk(), on(Line()), on(Line())
    desk.asked(first, 1, "1.2.3")
    desk.asked(second, 1, "1.2.3")
    desk.forget(first, "1.2.3")
    assert desk._open == {("CT", "1.2.3"): (second, 1)}
    desk.forget(second, "1.2.3")
    assert desk._open == {}
    first.outbox.close()
    second.outbox.close()
