"""Users named in association requests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from gateway.model.peer import Peer
from gateway.model.user import MAX_PASSCODE_BYTES, HashedPasscode, User, hash_passcode
from gateway.scp import identity
from gateway.scp.access import Refusal
from gateway.scp.dicom import DicomScp, Security
from gateway.scp.identity import IdentityCheck, IdentityMode, Verdict
from gateway.wire.items import UserIdentity
from gateway.wire.pdu import AssociateAc, decode
from tests.interop.peers import eventually
from tests.scp.raw_client import receive_pdu, request

IGNORE, ACCEPT, REQUIRE = IdentityMode.IGNORE, IdentityMode.ACCEPT, IdentityMode.REQUIRE
USERS = {
    "alice": User("alice", hash_passcode("pässwort".encode(), b"salt of sixteen!")),
    "viewer": User("viewer"),
}
NAME, PASSCODE, KERBEROS, SAML, JWT = 1, 2, 3, 4, 5
ALICE = UserIdentity(PASSCODE, True, b"alice", "pässwort".encode())
WRONG = UserIdentity(PASSCODE, True, b"alice", b"wrong")
NOBODY = UserIdentity(PASSCODE, True, b"nobody", b"")
VIEWER = UserIdentity(NAME, False, b"viewer")
REFUSED = Verdict(Refusal.USER_IDENTITY)


@pytest.mark.parametrize(
    ("mode", "required", "named", "verdict"),
    [
        (IGNORE, False, None, Verdict()),
        (IGNORE, False, WRONG, Verdict(respond=True)),
        (IGNORE, False, VIEWER, Verdict()),
        (IGNORE, False, UserIdentity(KERBEROS, True, b"ticket"), Verdict()),
        (IGNORE, True, None, REFUSED),
        (IGNORE, True, ALICE, Verdict(None, "alice", True)),
        (IGNORE, True, WRONG, REFUSED),
        (ACCEPT, False, None, Verdict()),
        (ACCEPT, True, None, REFUSED),
        (ACCEPT, False, ALICE, Verdict(None, "alice", True)),
        (ACCEPT, False, VIEWER, Verdict(None, "viewer")),
        (ACCEPT, False, WRONG, REFUSED),
        (ACCEPT, False, NOBODY, REFUSED),
        (ACCEPT, False, UserIdentity(NAME, True, b"alice"), REFUSED),  # her name alone is not enough
        (ACCEPT, False, UserIdentity(PASSCODE, True, b"\xff\xfe", b"x"), REFUSED),
        (ACCEPT, False, UserIdentity(PASSCODE, True, b"alice", b"x" * (MAX_PASSCODE_BYTES + 1)), REFUSED),
        *((ACCEPT, False, UserIdentity(n, True, b"t"), Verdict(Refusal.IDENTITY_KIND)) for n in (0, 3, 4, 5, 6)),
        *((ACCEPT, False, UserIdentity(n, False, b"t"), Verdict()) for n in (0, KERBEROS, SAML, JWT, 6)),
        (ACCEPT, True, UserIdentity(KERBEROS, False, b"t"), Verdict(Refusal.IDENTITY_KIND)),
        (REQUIRE, False, UserIdentity(JWT, False, b"t"), Verdict(Refusal.IDENTITY_KIND)),
        (REQUIRE, False, None, REFUSED),
        (REQUIRE, False, ALICE, Verdict(None, "alice", True)),
    ],
)
def test_verdict(mode: IdentityMode, required: bool, named: UserIdentity | None, verdict: Verdict) -> None:
    assert IdentityCheck(mode, USERS.get).judge(named, required=required) == verdict


def test_one_salt_a_user_and_no_passcode_in_any_text() -> None:
    first, second = (hash_passcode(b"secret", salt) for salt in (b"a" * 16, b"b" * 16))
    assert first.digest != second.digest
    assert first.matches(b"secret")
    assert not first.matches(b"secre")
    assert "secret" not in repr(User("alice", first))
    assert repr(first) == "HashedPasscode(cost=16384)"


def test_no_more_verifications_at_once_than_are_good_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock, go = [0], [0], threading.Lock(), threading.Event()

    def matches(_self: HashedPasscode, _passcode: bytes) -> bool:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go.wait(10)
        with lock:
            running[0] -= 1
        return True

    monkeypatch.setattr(HashedPasscode, "matches", matches)
    check = IdentityCheck(ACCEPT, USERS.get)
    threads = [threading.Thread(target=check.judge, args=(ALICE,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    monkeypatch.setattr(identity, "_TURN_S", 0.01)
    assert eventually(lambda: most[0] == 2)
    assert check.judge(ALICE) == Verdict(Refusal.CONGESTION)
    go.set()
    for thread in threads:
        thread.join(10)
    assert most[0] == 2


@pytest.mark.parametrize(
    ("named", "answer"),
    [(ALICE, (2, b"")), (VIEWER, (2, None)), (None, (2, None)), (WRONG, (3, (1, 2, 1)))],
)
def test_over_the_network(
    named: UserIdentity | None, answer: tuple[int, object], start_scp: Callable[..., DicomScp]
) -> None:
    scp = start_scp(security=Security(identity=IdentityCheck(ACCEPT, USERS.get)))
    with socket.create_connection(scp.address, timeout=10) as client:
        client.sendall(request(named))
        kind, body = receive_pdu(client)
    if kind == 2:
        accepted = decode(2, memoryview(body))
        assert isinstance(accepted, AssociateAc)
        assert (kind, accepted.user.user_identity_response) == answer
    else:
        assert (kind, tuple(body[1:])) == answer


def test_a_peer_that_has_to_name_a_user(start_scp: Callable[..., DicomScp]) -> None:
    scp = start_scp(
        peers=(Peer(1, "viewer", "CLIENT", require_user=True),),
        security=Security(identity=IdentityCheck(IGNORE, USERS.get)),
    )
    for named, kind in ((None, 3), (ALICE, 2)):
        with socket.create_connection(scp.address, timeout=10) as client:
            client.sendall(request(named))
            assert receive_pdu(client)[0] == kind
