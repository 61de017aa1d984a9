"""The service's database: one SQLite file with the profiles and what analytics has yet to fetch."""

import sqlite3
from contextlib import closing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS profiles (
    user_id TEXT PRIMARY KEY,
    name TEXT,
    email TEXT,
    updates INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    fields TEXT NOT NULL
);
"""


class Database:
    def __init__(self, path):
        self._path = path

    def _connect(self):
        # A connection for each call, because a connection of SQLite belongs to one thread. Another
        # writer is waited for.
        return closing(sqlite3.connect(self._path, timeout=10))

    def create(self):
        with self._connect() as connection, connection:
            # Readers and the writer do not wait for each other.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def update_user(self, user_id, name, email):
        """Stores what has been given and keeps the rest. Returns how often the profile was stored."""
        statement = """
            INSERT INTO profiles (user_id, name, email) VALUES (?, ?, ?)
            ON CONFLICT (user_id) DO UPDATE SET
                name = coalesce(excluded.name, name),
                email = coalesce(excluded.email, email),
                updates = updates + 1
            RETURNING updates
        """
        with self._connect() as connection, connection:
            return connection.execute(statement, (user_id, name, email)).fetchone()[0]

    def notify(self, user_id, fields):
        with self._connect() as connection, connection:
            statement = "INSERT INTO notifications (user_id, fields) VALUES (?, ?)"
            connection.execute(statement, (user_id, ",".join(fields)))
