"""The index: SQLAlchemy Core tables, one engine with one writer, and the queries, one module a subject."""
