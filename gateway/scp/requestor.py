"""What who asked for an operation says while it is performed: no more of it, or farewell (PS3.7 9.3.2.3, 9.3.3.3).

It is looked for between two answers, and each `LOOK_UP_S` of every wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.model.attention import LOOK_UP_S
from gateway.model.errors import PeerTimeout
from gateway.net.association import Association

IDENTIFIER_S = 10.0
"""A request and its identifier are one message: what was announced and does not begin by then does not come."""

# Who has cancelled and takes nothing of what was under way for this long altogether is not there to hear the answer.
_STALLED_S = 2.0


@dataclass(slots=True)
class Requestor:
    """The other side of one operation, and the Message ID it goes by."""

    association: Association
    message_id: int
    _stalled_s: float = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether it wants no more; looks without waiting. Raises what ends an association."""
        return self.association.cancelled(self.message_id)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Within the block it is heard also while it takes nothing of what is sent to it. A message that was begun has
        to be sent to its end; after a cancel it is not waited for long that it is taken."""
        self.association.attend(self._stalled, receiving=False)
        try:
            yield
        finally:
            self.association.attend(None)

    def _stalled(self) -> None:
        if self.cancelled:
            self._stalled_s += LOOK_UP_S
            if self._stalled_s > _STALLED_S:
                raise PeerTimeout(f"{self.association.address} cancelled and takes nothing of what was under way")
