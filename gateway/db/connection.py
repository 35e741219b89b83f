"""The type that every query function takes first, for rooms that pass a connection on and write no SQL themselves."""

from sqlalchemy import Connection

__all__ = ["Connection"]
