"""Requests of this node on an association that its peer opened, such as the report that storage commitment owes.

Any thread leaves them here; the association's own thread sends them between two messages of the peer and hears the
answers among those. What was not answered when the association ended was not done.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from gateway.net.association import Association
from gateway.wire.command import Command
from gateway.wire.dimse import Message


@dataclass(slots=True, eq=False)
class Question:
    """A request with its data set; `status` is the peer's answer once `settled`, None when there will be none."""

    context_id: int
    command: Command
    data_set: bytes
    status: int | None = None
    settled: threading.Event = field(default_factory=threading.Event)

    def settle(self, status: int | None) -> None:
        """Tell whoever waits."""
        self.status = status
        self.settled.set()


class Outbox:
    """One association's. `put` is for any thread, the rest for the association's own.

    Most associations never need one, so that it costs no descriptor before it is opened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Question] = deque()
        self._asked: dict[int, Question] = {}
        self._numbers = count(1)
        self._wakeup = -1
        self.closed = False

    def open(self) -> None:
        """From now on something may be put here."""
        if self._wakeup < 0:
            self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def put(self, question: Question) -> None:
        """Let this be asked; settled at once where the association has ended."""
        with self._lock:
            if not self.closed and self._wakeup >= 0:
                self._waiting.append(question)
                os.eventfd_write(self._wakeup, 1)
                return
        question.settle(None)

    def withdraw(self, question: Question) -> None:
        """Ask it no more, as far as it was not asked: who waited has gone another way."""
        with self._lock, suppress(ValueError):
            self._waiting.remove(question)

    def wait(self, association: Association) -> None:
        """Ask what is left here until the peer says something; raises what ends an association."""
        while self._wakeup >= 0:
            self._ask(association)
            if association.wait_for_message(self._wakeup):
                return

    def answers(self, message: Message) -> bool:
        """Whether a message answers something that was asked; whoever waits for it is told."""
        command = message.command
        question = None if command.is_request else self._asked.pop(command.message_id_being_responded_to or 0, None)
        if question is None:
            return False
        question.settle(command.status)
        return True

    def close(self) -> None:
        """The association has ended."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            unanswered = [*self._waiting, *self._asked.values()]
            if self._wakeup >= 0:
                os.close(self._wakeup)
        for question in unanswered:
            question.settle(None)

    def _ask(self, association: Association) -> None:
        """One question at a time: without an asynchronous operations window there may be no more."""
        with self._lock:
            self._calm()
            if self._asked or not self._waiting:
                return
            question = self._waiting.popleft()
            number = next(self._numbers)
            self._asked[number] = question
        association.send(question.context_id, question.command._replace(message_id=number), (question.data_set,))

    def _calm(self) -> None:
        """What woke us has been seen."""
        try:
            os.eventfd_read(self._wakeup)
        except BlockingIOError:
            return
