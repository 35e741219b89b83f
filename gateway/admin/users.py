"""Users: whom an association request may name (PS3.7 D.3.3.7). No passcode leaves this module but hashed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.db import users as table
from gateway.model.errors import UsageError
from gateway.model.user import SALT_BYTES, HashedPasscode, User, hash_passcode


@dataclass(frozen=True, slots=True)
class UserLine:
    """A line of `users list`."""

    name: str
    has_passcode: bool


def add(context: Context, name: str, passcode: str | None = None) -> UserLine:
    """Add a user; without a passcode the name alone is believed."""
    user = User(name, _hashed(passcode))
    return _line(context.database.write(lambda connection: table.add(connection, user)))


def list_(context: Context) -> list[UserLine]:
    """Every user."""
    with context.database.read() as connection:
        return [_line(user) for user in table.list_users(connection)]


def passwd(context: Context, name: str, passcode: str | None = None) -> UserLine:
    """Change a user's passcode, or take it away."""
    user = User(name, _hashed(passcode))
    return _line(context.database.write(lambda connection: table.change(connection, user)))


def remove(context: Context, name: str) -> None:
    """Remove a user."""
    context.database.write(lambda connection: table.remove(connection, name))


def _hashed(passcode: str | None) -> HashedPasscode | None:
    if passcode is None:
        return None
    try:
        return hash_passcode(passcode.encode("utf-8"), secrets.token_bytes(SALT_BYTES))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _line(user: User) -> UserLine:
    return UserLine(user.name, user.passcode is not None)
