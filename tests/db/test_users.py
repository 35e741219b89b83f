"""The users table, on each kind of database."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.db import users
from gateway.db.engine import Database
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.user import HashedPasscode, User

ALICE = User("alice", HashedPasscode(b"salt", b"digest"))
BOB = User("Böb")


def test_users_come_back_as_they_were_added(database: Database) -> None:
    for user in (BOB, ALICE):
        database.write(partial(users.add, user=user))
    with database.read() as conn:
        assert {user.name: user for user in users.list_users(conn)} == {"alice": ALICE, "Böb": BOB}
        assert users.find(conn, "alice") == ALICE
        assert users.find(conn, "Alice") is None
        assert users.find(conn, "x" * 100_000) is None


def test_a_passcode_is_changed_and_taken_away(database: Database) -> None:
    database.write(partial(users.add, user=ALICE))
    for changed in (User("alice", HashedPasscode(b"other", b"sum", 1 << 15)), User("alice")):
        database.write(partial(users.change, user=changed))
        with database.read() as conn:
            assert users.find(conn, "alice") == changed


def test_a_removed_user_is_gone(database: Database) -> None:
    database.write(partial(users.add, user=ALICE))
    database.write(partial(users.remove, name="alice"))
    with database.read() as conn:
        assert users.list_users(conn) == []


def test_what_cannot_be_is_named(database: Database) -> None:
    database.write(partial(users.add, user=ALICE))
    for name in ("", " alice", "a\nb", "x" * 65):
        with pytest.raises(UsageError, match="name"):
            database.write(partial(users.add, user=User(name)))
    with pytest.raises(UsageError, match="exists already"):
        database.write(partial(users.add, user=User("alice")))
    for change in (partial(users.change, user=BOB), partial(users.remove, name="Böb")):
        with pytest.raises(NotFoundError, match="gateway users list"):
            database.write(change)
