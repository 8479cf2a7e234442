"""What all tables share: their metadata, and the types that are spelled the same everywhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData

metadata = MetaData()

Bytes = LargeBinary
# SQLite makes a column its rowid only if it is spelled INTEGER.
Big = BigInteger().with_variant(Integer, "sqlite")
