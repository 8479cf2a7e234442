"""What all tables of the desk share: their metadata, their types, and how a table is made append-only."""

from __future__ import annotations

from sqlalchemy import DDL, BigInteger, Integer, LargeBinary, MetaData, Table, event

metadata = MetaData()

Bytes = LargeBinary
# SQLite makes a column its rowid only if it is spelled INTEGER.
Big = BigInteger().with_variant(Integer, "sqlite")


def append_only(table: Table) -> Table:
    """A table whose rows are written once: the database itself refuses to change or delete one.

    The migration that makes it executes `append_only_statements` as well.
    """
    for statement in append_only_statements(table.name):
        event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
    return table


def append_only_statements(name: str) -> list[str]:
    """The triggers of an append-only table. `name` is ours, never a person's."""
    return [
        f"CREATE TRIGGER {name}_keeps_{verb} BEFORE {verb.upper()} ON {name} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {name} are written once'); END"
        for verb in ("update", "delete")
    ]
