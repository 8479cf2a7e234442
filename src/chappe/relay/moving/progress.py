"""How far a migration is, in the target itself: a table `moving` that is there from the first moment to the
last. While it is there, no relay uses the database (`storage.postgres` refuses to start on it)."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from chappe.relay import migrations
from chappe.relay.moving.plan import Key
from chappe.relay.storage.postgres import UNFINISHED
from chappe.wire import migrating
from chappe.wire.errors import error

_SOURCE: Final = "* source"
_table: Final = Table(
    UNFINISHED,
    MetaData(),
    Column("name", Text, primary_key=True),
    # The last key that was copied, as MessagePack; of the source, what it is known by.
    Column("upto", LargeBinary),
    Column("rows", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
)


class Progress:
    """Of one target."""

    def begin(self, connection: Connection, source: bytes) -> bool:
        """In a transaction of `connection`: make the tables in an empty database, or go on in a begun
        migration of the same `source`. Gives whether it goes on. Raises storage.exists."""
        names = set(inspect(connection).get_table_names())
        if UNFINISHED in names:
            if self._source(connection) != source:
                raise error(
                    "storage.exists",
                    "A migration of another relay was begun in this database; name another, empty one.",
                )
            return True
        if names:
            raise error(
                "storage.exists",
                "The database is not empty; make one for the relay and name that.",
            )
        _table.create(connection)
        self._put(connection, _SOURCE, source, 0, done=False)
        migrating.bring_up(connection, migrations.FOLDER)
        return False

    def of(self, connection: Connection, name: str) -> tuple[Key | None, int, bool]:
        """How far the first copy of a table is: the last key, its rows, and whether it is through."""
        row = connection.execute(select(_table).where(_table.c.name == name)).one_or_none()
        if row is None:
            return None, 0, False
        upto = None if row.upto is None else tuple(msgspec.msgpack.decode(row.upto))
        return upto, row.rows, row.done

    def note(self, connection: Connection, name: str, upto: Key | None, rows: int, *, done: bool) -> None:
        """In the transaction of the rows that it tells of."""
        self._put(connection, name, None if upto is None else msgspec.msgpack.encode(upto), rows, done=done)

    def end(self, connection: Connection) -> None:
        """From here on relays may use it."""
        _table.drop(connection, checkfirst=True)

    def _source(self, connection: Connection) -> bytes | None:
        found: bytes | None = connection.execute(
            select(_table.c.upto).where(_table.c.name == _SOURCE)
        ).scalar()
        return found

    def _put(self, connection: Connection, name: str, upto: bytes | None, rows: int, *, done: bool) -> None:
        values = {"upto": upto, "rows": rows, "done": done}
        connection.execute(
            insert(_table)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=[_table.c.name], set_=values)
        )
