"""The users table: who may be named in an association request, with passcodes as scrypt leaves them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy import insert as sql_insert

from gateway.db import clock
from gateway.db.tables import users
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.user import HashedPasscode, User

MAX_NAME_LENGTH = 64  # the column's, and of a line in a listing


def add(conn: Connection, user: User) -> User:
    """Keep a new user. Raises UsageError for a name that is taken or cannot be one."""
    if not 0 < len(user.name) <= MAX_NAME_LENGTH or not user.name.isprintable() or user.name != user.name.strip():
        raise UsageError(f"a user's name is 1 to {MAX_NAME_LENGTH} printable characters without spaces around it")
    if find(conn, user.name) is not None:
        raise UsageError(f"a user named {user.name!r} exists already")
    moment = clock.now(conn)
    conn.execute(sql_insert(users).values(name=user.name, created_at=moment, changed_at=moment, **_columns(user)))
    return user


def find(conn: Connection, name: str) -> User | None:
    """The user of this name, as it is written."""
    row = conn.execute(select(users).where(users.c.name == name[: MAX_NAME_LENGTH + 1])).one_or_none()
    return None if row is None else _user(row)


def list_users(conn: Connection) -> list[User]:
    """Every user, by name."""
    return [_user(row) for row in conn.execute(select(users).order_by(users.c.name))]


def change(conn: Connection, user: User) -> User:
    """Give a user another passcode, or none. Raises NotFoundError."""
    statement = update(users).where(users.c.name == user.name).values(changed_at=clock.now(conn), **_columns(user))
    if not conn.execute(statement).rowcount:
        raise _unknown(user.name)
    return user


def remove(conn: Connection, name: str) -> None:
    """Forget a user. Raises NotFoundError."""
    if not conn.execute(delete(users).where(users.c.name == name)).rowcount:
        raise _unknown(name)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"no user is named {name!r}; `gateway users list` shows them all")


def _columns(user: User) -> dict[str, Any]:
    passcode = user.passcode
    return {
        "salt": passcode and passcode.salt,
        "digest": passcode and passcode.digest,
        "cost": passcode and passcode.cost,
    }


def _user(row: Row[Any]) -> User:
    return User(row.name, None if row.digest is None else HashedPasscode(row.salt, row.digest, row.cost))
