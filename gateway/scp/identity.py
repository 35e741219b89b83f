"""Who the user is that an association request names: PS3.7 D.3.3.7, user names with or without a passcode."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.user import MAX_PASSCODE_BYTES, SALT_BYTES, HashedPasscode, User
from gateway.scp.access import Refusal
from gateway.wire.items import UserIdentity

# Each verification takes 16 MiB and a core for some fifty milliseconds: more at once would slow down those who send.
_AT_ONCE = 2
# Who has not had a turn by then is told to come again.
_TURN_S = 5.0
_USER_NAME, _USER_NAME_AND_PASSCODE = 1, 2


class IdentityMode(StrEnum):
    """`dicom.user_identity`: whether a user's identity is looked at, and whether there must be one."""

    IGNORE = "ignore"
    ACCEPT = "accept"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`user` is a name that was verified; `respond`: the requestor asked for the response that says so."""

    refusal: Refusal | None = None
    user: str | None = None
    respond: bool = False


_NOT_ASKED = Verdict()
_WRONG = Verdict(Refusal.USER_IDENTITY)
# What an unknown name is checked against, so that its refusal takes as long as a wrong passcode's. Nothing has this
# digest.
_NOBODY = HashedPasscode(bytes(SALT_BYTES), bytes(32))


class IdentityCheck:
    """Shared by the threads of all associations; `find` gives a user by name and must be quick."""

    def __init__(self, mode: IdentityMode, find: Callable[[str], User | None]) -> None:
        self._mode = mode
        self._find = find
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def judge(self, identity: UserIdentity | None, *, required: bool = False) -> Verdict:
        """`required`: the peer's entry asks for a user whatever the setting says.

        Where identities are ignored a name is taken unseen, and answered if that is asked for (PS3.15 B.4). A kind that
        nobody here can verify (Kerberos, SAML, JSON Web Token, those of later editions) is refused where a user has to
        be named, by this node's rule or because the requestor asks for the response that says so; who does not ask is
        taken without one, as PS3.7 D.3.3.7 has it for an acceptor that does not support an identity.
        """
        if identity is None:
            return _WRONG if required or self._mode is IdentityMode.REQUIRE else _NOT_ASKED
        named = identity.kind in (_USER_NAME, _USER_NAME_AND_PASSCODE)
        if self._mode is IdentityMode.IGNORE and not required:
            return Verdict(respond=named and identity.response_requested)
        if not named:
            wanted = required or self._mode is IdentityMode.REQUIRE or identity.response_requested
            return Verdict(Refusal.IDENTITY_KIND if wanted else None)
        if len(identity.secondary) > MAX_PASSCODE_BYTES:
            return _WRONG
        return self._verify(identity)

    def _verify(self, identity: UserIdentity) -> Verdict:
        user = self._find(identity.primary.decode("utf-8", "replace"))
        accepted = Verdict(None, user.name if user else None, identity.response_requested)
        if user is not None and user.passcode is None:
            return accepted
        if not self._turns.acquire(timeout=_TURN_S):
            return Verdict(Refusal.CONGESTION)
        try:
            matches = ((user and user.passcode) or _NOBODY).matches(identity.secondary)
        finally:
            self._turns.release()
        return accepted if matches and user is not None else _WRONG
