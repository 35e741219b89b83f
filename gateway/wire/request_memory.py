"""Association requests known again: a sender says the same each time, and reading 128 contexts takes a millisecond.

What was decoded is kept by its bytes. A request that names a user is not: it may hold a passcode, which stays in memory
no longer than it must.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.wire.pdu import AssociateRq, Pdu, PduType, decode

# A department has some ten kinds of senders. A request of 128 contexts with four transfer syntaxes each has 14 kB; as
# objects the longest take half a megabyte, so that strangers can fill some 16 MB and no more.
_MOST = 32
_LONGEST = 1 << 15


class RequestMemory:
    """Shared by the threads of all associations; `decode` is `gateway.wire.pdu.decode`, only faster the second time.

    A request that is kept says so by `as_sent`. When the memory is full it begins anew.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, AssociateRq] = {}

    def decode(self, kind: int, body: memoryview) -> Pdu:
        """Read the body of a PDU of a type other than P-DATA-TF. Raises ProtocolViolation naming the field."""
        if kind != PduType.ASSOCIATE_RQ or len(body) > _LONGEST:
            return decode(kind, body)
        as_sent = bytes(body)
        known = self._known.get(as_sent)
        return known or self._learn(as_sent)

    def _learn(self, as_sent: bytes) -> Pdu:
        request = decode(PduType.ASSOCIATE_RQ, memoryview(as_sent))
        if not isinstance(request, AssociateRq) or request.user.user_identity is not None:
            return request
        if len(self._known) >= _MOST:
            self._known.clear()
        known = self._known[as_sent] = replace(request, as_sent=as_sent)
        return known
