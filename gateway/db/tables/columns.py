"""The columns that tables share, and the metadata that all of them are in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# SQLite only numbers rows by itself in a column declared INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")

# In order of code points on both databases, so that an index finds what begins with a text.
CodePoints = Text().with_variant(Text(collation="C"), "postgresql")


def row_id() -> Column[int]:
    """The primary key, numbered by the database."""
    return Column("id", BigId, primary_key=True, autoincrement=True)


def words(name: str) -> Column[str]:
    """A text that is never null, and empty unless given."""
    return Column(name, Text, nullable=False, server_default="")


def folded(name: str) -> Column[str]:
    """A component group of a person name as `gateway.model.person_name` folds it."""
    return Column(name, CodePoints, nullable=False, server_default="")
