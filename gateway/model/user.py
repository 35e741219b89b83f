"""Users that a calling system may name (PS3.7 D.3.3.7), and their passcodes as they are kept: never in the clear."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

# RFC 7914 and OWASP's lower bound for scrypt: 16 MiB and some fifty milliseconds for one passcode.
_COST, _BLOCK_SIZE, _PARALLEL = 1 << 14, 8, 1
_DIGEST_BYTES = 32
SALT_BYTES = 16
MAX_PASSCODE_BYTES = 1024  # nobody types more, and hashing takes time by the byte


@dataclass(frozen=True, slots=True)
class HashedPasscode:
    """scrypt (RFC 7914) with a salt of its own; `cost` is N, kept so that it can be raised one day."""

    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    cost: int = _COST

    def matches(self, passcode: bytes) -> bool:
        """Takes the same time whether it does or not."""
        return hmac.compare_digest(_scrypt(passcode, self.salt, self.cost), self.digest)


@dataclass(frozen=True, slots=True)
class User:
    """A user by name. Without a passcode the name alone is believed, as from a system that has checked its users."""

    name: str
    passcode: HashedPasscode | None = None


def hash_passcode(passcode: bytes, salt: bytes) -> HashedPasscode:
    """How a passcode is kept; `salt` is SALT_BYTES random bytes. Raises ValueError for one that is empty or long."""
    if not 0 < len(passcode) <= MAX_PASSCODE_BYTES:
        raise ValueError(f"a passcode has 1 to {MAX_PASSCODE_BYTES} bytes")
    return HashedPasscode(salt, _scrypt(passcode, salt, _COST))


def _scrypt(passcode: bytes, salt: bytes, cost: int) -> bytes:
    memory = 2 * 128 * cost * _BLOCK_SIZE
    return hashlib.scrypt(passcode, salt=salt, n=cost, r=_BLOCK_SIZE, p=_PARALLEL, maxmem=memory, dklen=_DIGEST_BYTES)
