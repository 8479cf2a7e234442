"""A relay's tables from SQLite to PostgreSQL while it runs: `chappe migrate-store`.

plan        the tables, and how their rows are read in order of their keys
comparing   one table made the same on both sides, piece by piece
progress    what stands in the target until all is there and checked: no relay uses it before
moving      the whole way: copies while the relay runs, the rest while it stands still
"""
