"""The schema's history. `upgrade` brings a database to the newest one; it runs at every start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import exc

from chappe.relay.database import open_engine, storage_failure


def upgrade(path: Path) -> None:
    """Make the database file, or bring it up to date, in one transaction. Safe beside a running relay, and
    beside another that does the same. Raises StorageFailure."""
    engine = open_engine(path, writes=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()
