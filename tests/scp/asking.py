"""The other sides of a retrieval in PDUs, for what a library does not let go wrong: a requestor that cancels, aborts or
goes at any moment, and a destination that stops reading in the middle of an object."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.wire.command import RESPONSE_BIT, Command, CommandField, decode_command
from gateway.wire.items import RoleSelection, UserInformation
from gateway.wire.pdu import AnsweredContext, AssociateAc, AssociateRq, ContextResult, ProposedContext, decode, encode
from tests.scp.raw_client import ABORT, IMPLICIT, RELEASE, message, receive_pdu
from tests.scp.retrieving import EXPLICIT, SC, STUDY_GET, STUDY_MOVE, STUDY_UID

MESSAGE_ID = 9
_PENDING = 0xFF00
_MODELS = {STUDY_MOVE: CommandField.C_MOVE_RQ, STUDY_GET: CommandField.C_GET_RQ}


class Asker:
    """A requestor of C-MOVE to DEST, or of C-GET: an association with room for little on its way."""

    def __init__(self, port: int, model: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(15)
        self.socket.connect(("127.0.0.1", port))
        contexts = (ProposedContext(1, model, (IMPLICIT,)), ProposedContext(3, SC, (EXPLICIT,)))
        told = UserInformation(16384, "1.2.3", roles=(RoleSelection(SC, scu=False, scp=True),))
        self.socket.sendall(encode(AssociateRq("GATEWAY", "ASKER", contexts, told)))
        assert receive_pdu(self.socket)[0] == 2
        self._model = model

    def ask(self, sop_class: str | None = None, *, identified: bool = True) -> None:
        """Ask for the study; `identified` False: announce the identifier and leave it out."""
        identifier = _element(0x00080052, "STUDY ") + _element(0x0020000D, STUDY_UID + "\0" * (len(STUDY_UID) % 2))
        request = Command(
            _MODELS[self._model],
            has_data_set=True,
            message_id=MESSAGE_ID,
            affected_sop_class_uid=sop_class or self._model,
            priority=0,
            move_destination="DEST" if self._model == STUDY_MOVE else None,
        )
        self.socket.sendall(message(1, request, [identifier] if identified else None))

    def cancel(self) -> None:
        """Send C-CANCEL."""
        self.socket.sendall(message(1, Command(CommandField.C_CANCEL_RQ, message_id_being_responded_to=MESSAGE_ID)))

    def abort(self) -> None:
        """Send A-ABORT, and stay."""
        self.socket.sendall(ABORT)

    def vanish(self) -> None:
        """End the connection."""
        self.socket.close()

    def release(self) -> None:
        """Release the association, and see it answered."""
        self.socket.sendall(RELEASE)
        assert receive_pdu(self.socket)[0] == 6

    def final(self) -> Command:
        """The first response that is not Pending; objects before it are read and not answered for."""
        while True:
            command, _ = next_command(self.socket)
            if not command.is_request and command.status != _PENDING:
                return command

    def next_store(self) -> Callable[[], None]:
        """Read one object; answers for it when it is called."""
        command, context = next_command(self.socket)
        while not command.is_request:
            command, context = next_command(self.socket)
        return lambda: self.socket.sendall(message(context, _answer(command)))

    def answer_store(self) -> None:
        """Read one object and answer for it."""
        self.next_store()()


class Sink:
    """A destination that answers for the first `answers` objects; of the next it reads the beginning and no more.

    `answered` is set after the answers, `full` then, `gone` when it sees the association ended; it looks for that when
    `leave` is set.
    """

    def __init__(self, answers: int = 0, takes: Sequence[str] = (EXPLICIT, IMPLICIT)) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.answered, self.full = threading.Event(), threading.Event()
        self.leave, self.gone = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, args=(answers, takes), daemon=True).start()

    def _serve(self, answers: int, takes: Sequence[str]) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.settimeout(20)
            kind, body = receive_pdu(connection)
            asked = decode(kind, memoryview(body))
            assert isinstance(asked, AssociateRq)
            accepted = UserInformation(16384, "1.2.3")
            answered = tuple(_answered(each, takes) for each in asked.contexts)
            connection.sendall(encode(AssociateAc(asked.title_fields, answered, accepted)))
            for _ in range(answers):
                command, context = next_command(connection)
                connection.sendall(message(context, _answer(command)))
            self.answered.set()
            with suppress(AssertionError, OSError):
                receive_pdu(connection)
                self.full.set()
                self.leave.wait(20)
                while connection.recv(1 << 20):
                    pass
            self.gone.set()


def _answered(context: ProposedContext, takes: Sequence[str]) -> AnsweredContext:
    syntax = context.transfer_syntaxes[0]
    taken = ContextResult.ACCEPTANCE if syntax in takes else ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return AnsweredContext(context.id, taken, syntax)


def next_command(connection: socket.socket) -> tuple[Command, int]:
    """The command of the next message and its context, when its data set has been read too."""
    command = None
    while True:
        kind, body = receive_pdu(connection)
        assert kind == 4, kind
        while body:
            length, context, control = struct.unpack_from(">LBB", body)
            if control & 1:
                command = decode_command(body[6 : 4 + length])
            if command is not None and control & 2 and (not control & 1 or not command.has_data_set):
                return command, context
            body = body[4 + length :]


def _answer(request: Command) -> Command:
    return Command(
        request.field | RESPONSE_BIT,
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
        status=0,
    )


def _element(tag: int, text: str) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(text)) + text.encode("ascii")
