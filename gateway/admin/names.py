"""Names for the numbers by which jobs and deliveries hold peers and rules, and back.

The ledger outlives what it names: a removed peer or rule is shown by its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.db import deliveries, peers, rules
from gateway.db.connection import Connection
from gateway.model.work import DeliveryState


@dataclass(frozen=True, slots=True)
class Names:
    """Peers and rules by number, as they were when this was read."""

    peers: Mapping[int, str]
    rules: Mapping[int, str]

    @classmethod
    def read(cls, connection: Connection) -> Names:
        """The names now; a removed rule by the last one that it had."""
        past = {change.rule.id: change.rule.name for change in reversed(rules.log(connection))}
        present = {rule.id: rule.name for rule in rules.list_rules(connection)}
        return cls({peer.id: peer.name for peer in peers.list_peers(connection)}, past | present)

    def peer(self, peer_id: int) -> str:
        """The name of a peer."""
        return self.peers.get(peer_id, f"(removed, {peer_id})")

    def rule(self, rule_id: int | None) -> str:
        """The name of a rule; empty for what was sent by hand."""
        return "" if rule_id is None else self.rules.get(rule_id, f"(removed, {rule_id})")


def which(
    connection: Connection, *, to: str | None, rule: str | None, states: tuple[DeliveryState, ...] = ()
) -> deliveries.Which:
    """The filter that names of a peer and of a rule mean. Raises `NotFoundError`."""
    return deliveries.Which(
        peer_id=None if to is None else peers.get(connection, to).id,
        rule_id=None if rule is None else rules.get(connection, rule).id,
        states=states,
    )
