"""Progress leaves the process no more often than somebody can read it."""

from __future__ import annotations

import os

from gateway.jobs.recon_output import Output, ProgressReport
from gateway.jobs.recon_task import Progressed, event_from_json
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.messages import Text
from gateway.wire.mrd.stream import Decoder


def test_progress_is_told_once_in_a_while() -> None:
    now = 0.0
    reading, writing = os.pipe()
    report = ProgressReport(Output(writing), lambda: now, every_s=2.0)
    for step in range(10):
        now = step * 0.75
        report("iteration", step, 30)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        texts = [message.text for message in Decoder(ANSWER).feed(file.read()) if isinstance(message, Text)]
    assert [event_from_json(text) for text in texts] == [Progressed("iteration", done, 30) for done in (3, 6, 9)]
    assert Progressed("iteration", 3, 30).text == "iteration: 3 of 30"
