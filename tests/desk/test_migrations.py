"""The desk's migrated schema is the one that its tables describe, triggers included."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from chappe.desk import migrations
from chappe.desk.all_tables import metadata
from chappe.desk.migrations import head, upgrade
from chappe.wire.sqlite import open_engine


def statements(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def differences(path: Path) -> list[object]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def test_the_migrated_schema_is_the_described_one(tmp_path: Path) -> None:
    upgrade(tmp_path / "migrated.db")
    assert differences(tmp_path / "migrated.db") == []
    engine = open_engine(tmp_path / "described.db", writes=True)
    metadata.create_all(engine)
    engine.dispose()
    # Also what the comparison does not look at: triggers, partial indexes.
    assert statements(tmp_path / "migrated.db") == statements(tmp_path / "described.db")
    assert "log_keeps_delete" in statements(tmp_path / "migrated.db")


def test_the_history_is_one_line_and_ends_at_the_head(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [head()]
    upgrade(tmp_path / "desk.db")
    upgrade(tmp_path / "desk.db")
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
